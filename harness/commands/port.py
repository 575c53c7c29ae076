"""``port``: the other framework's code for a call, verified on the very call."""

from __future__ import annotations

import argparse
import math
import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import calls, environment, isa, plan, trial_record
from harness.adjudicate import derivative
from harness.backends import targets
from harness.casefile import Recipe
from harness.commands import Subparsers, declare, on_stderr, shape
from harness.errors import HarnessError
from harness.model import Case, Comparison, Lane, Tier, Trial
from harness.outcome import grade
from harness.porting import answer, checkpoint, code, match
from harness.porting.answer import Answer, Attempt, World
from harness.records import dump, write_atomic

LARGE = 2**20
EXAMPLE = """\
python -m harness port 'torch.nn.ConvTranspose2d(3, 64, 3, stride=2, padding=1, output_padding=1)' --input 1,3,48,48

  The other way round:     python -m harness port 'mindspore.nn.Conv2d(3, 64, 4, stride=3)' --input 1,3,32,32
  A checkpoint's weights:  python -m harness port 'torch.nn.Conv1d(3, 8, 3)' --weights model.safetensors
"""


def register(commands: Subparsers) -> None:
    """Declare the arguments."""
    summary = "write a torch call for MindSpore, or the reverse: code that gives the same numbers, and the evidence"
    parser = declare(commands, "port", summary, EXAMPLE, run)
    parser.add_argument("call", metavar="CALL", help="one call of a layer, as in 'torch.nn.Conv2d(3, 8, 3)'")
    parser.add_argument("--input", metavar="SHAPE", help="as 1,3,48,48 (default: a small one)")
    parser.add_argument("--cases", default="cases", metavar="DIR", help="where the recipes are (default: %(default)s)")
    parser.add_argument("--reference", default="torch@cpu", metavar="TARGET", help="default: %(default)s")
    parser.add_argument("--subject", default="mindspore@cpu", metavar="TARGET", help="default: %(default)s")
    parser.add_argument("--script", metavar="FILE", help="also write a program that compares the two by itself")
    parser.add_argument("--weights", metavar="FILE", help="a safetensors file with the call's weights, to be converted")
    parser.add_argument("--to", metavar="FILE", help="where the converted weights go (default: beside the others)")
    parser.add_argument("--prefix", help="what stands before the weights' names, as in 'backbone.conv1.'")


def run(arguments: argparse.Namespace) -> int:
    """0 if an equivalent was found and verified, 1 if not."""
    _check(arguments)
    found, world = _find(arguments)
    best = found.best
    notes, written = [], []
    if best is not None and arguments.script:
        both = (world.reference.framework, world.subject.framework)
        write_atomic(arguments.script, code.script(best.case, *both, targets.dialect, world.subject.isa))
        written.append(arguments.script)
        notes.append(f"written: {arguments.script}; run it with: python {shlex.quote(arguments.script)}")
    if best is not None and arguments.weights:
        target, lines = _convert(arguments, best)
        written.append(str(target))
        notes += [f"written: {target}", *(f"  {line}" for line in lines)]
    if best is None and (arguments.script or arguments.weights):
        notes.append("nothing was written: there is no code that it could belong to")
    document = _document(found, world)
    print(dump({**document, "written": written}) if arguments.json else _story(found, document, notes))
    return 0 if found.equivalent else 1


def _check(arguments: argparse.Namespace) -> None:
    for option in ("script", "weights", "to"):
        given = getattr(arguments, option)
        if given is not None and not given.strip():
            raise HarnessError(f"--{option} '': expected the name of a file")
    if not arguments.weights and (arguments.to or arguments.prefix is not None):
        raise HarnessError("--to and --prefix go with --weights")
    if arguments.to and Path(arguments.to).resolve() == Path(arguments.weights).resolve():
        raise HarnessError(f"--to {arguments.to}: that is the file to be converted; choose another")


def _find(arguments: argparse.Namespace) -> tuple[Answer, World]:
    steps = calls.parse(arguments.call)
    if len(steps) != 1:
        raise HarnessError("port takes one call; steps before and after a layer stay as they are")
    folder = Path(arguments.cases)
    paths = plan.case_paths(folder)
    if not paths:
        raise HarnessError(f"{folder}: no case files here; --cases names their folder")
    # To read a case file takes longer than all the rest, so that those which do not name the call are left out.
    naming = [path for path in paths if steps[0].call in path.read_text(encoding="utf-8", errors="replace")]
    files = [plan.read_case_file(path) for path in naming or paths]
    process, (reference, subject) = targets.together([arguments.reference, arguments.subject])
    environment.prepare(1, process)
    if arguments.script and isa.variables(reference.isa) != isa.variables(subject.isa):
        raise HarnessError(f"--script: a program has one instruction set; {reference} and {subject} have two")
    frameworks = (reference.framework, subject.framework)
    if len(set(frameworks)) < len(frameworks):
        raise HarnessError(f"--reference {reference} and --subject {subject}: expected two frameworks")
    if steps[0].call.partition(".")[0] not in frameworks:
        raise HarnessError(f"'{arguments.call}': expected a call of {' or '.join(frameworks)}")
    world = World(files, lambda target: targets.backend(target, 1), targets.obstacle, reference, subject)
    size = shape(arguments.input) if arguments.input else None
    if size is not None and math.prod(size) > LARGE:
        on_stderr("running both sides on this input may take minutes; a smaller --input often shows the same")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return answer.find(steps[0], size, world), world


def _convert(arguments: argparse.Namespace, best: Attempt) -> tuple[Path, list[str]]:
    source, case, giver = Path(arguments.weights), best.case, best.recipe.given
    taker = _other(case, giver)
    present = {parameter.name for parameter in case.state}
    lacking = [own for name, own in match.state_names(best.recipe, giver).items() if name not in present]
    target = Path(arguments.to) if arguments.to else source.with_suffix(f".{taker}.safetensors")
    return target, checkpoint.convert(source, target, case, giver, taker, prefix=arguments.prefix, lacking=lacking)


def _other(case: Case, framework: str) -> str:
    return next(name for name in case.sides if name != framework)


def _document(found: Answer, world: World) -> dict[str, Any]:
    best = found.best
    return {
        "call": str(found.call),
        "equivalent": found.equivalent,
        "why": found.why,
        "recipe": best.recipe.name if best else None,
        "code": _code(found, best) if best else None,
        "steps": [str(step) for step in best.case.sides[_other(best.case, found.given)].steps] if best else [],
        "depends_on_input": list(best.sized) if best else [],
        "verified": _verified(best, world) if best and best.outcome else None,
        "not_verified": best.obstacle if best and not best.outcome else None,
        "tried": [_tried(each, world) for each in found.attempts if each is not best],
    }


def _code(found: Answer, best: Attempt) -> str:
    return code.snippet(best.case, found.given, _other(best.case, found.given), targets.dialect)


def _verified(best: Attempt, world: World) -> dict[str, Any]:
    assert best.outcome is not None
    compared = best.outcome.comparisons
    lanes = {str(lane): str(grade({}, of_lane)) for lane in Lane if (of_lane := _of_lane(compared, lane))}
    both = (world.reference, world.subject)
    return {
        "lane": str(Lane.EXACT if Lane.EXACT in lanes else Lane.ROUNDING),
        "lanes": lanes,
        "tensors": list(dict.fromkeys(each.tensor for each in compared)),
        "targets": [str(target) for target in both],
        "versions": {target.framework: targets.version(target.framework) for target in both},
        "input": {name: list(extents) for name, extents in best.case.inputs.items()},
        "domain": _domain(best.recipe, world),
    }


def _of_lane(compared: Sequence[Comparison], lane: Lane) -> list[Comparison]:
    return [each for each in compared if each.lane is lane]


def _domain(recipe: Recipe, world: World) -> dict[str, Any]:
    """Where the recipe is meant to hold, and the families whose cases put it to the test there."""
    file = next(file for file in world.files if recipe in file.recipes)
    families = [family for family in file.families if family.name in recipe.verified_by]
    return {
        "when": recipe.when.text if recipe.when else "always",
        "names": match.spelled(recipe),
        "cases": sum(family.coverage.rows for family in families),
        "check": [f"{file.path}::{family.name}" for family in families],
    }


def _tried(attempt: Attempt, world: World) -> dict[str, Any]:
    outcome, case = attempt.outcome, attempt.case
    trial = Trial(case, "float32", world.reference, world.subject)
    record = None if outcome is None else trial_record.to_record(trial, trial_record.Origin("", Tier.DEFAULT), outcome)
    other = _other(case, attempt.recipe.given)
    return {
        "recipe": attempt.recipe.name,
        "documented": attempt.recipe.documented or None,
        "says": attempt.recipe.says,
        "steps": [str(step) for step in case.sides[other].steps],
        "holds": attempt.works if outcome else None,
        "verdict": str(outcome.verdict) if outcome else "not_run",
        "why": "; ".join(trial_record.evidence(record)) if record and not attempt.works else attempt.obstacle,
        "counterexample": trial_record.reproducer(trial) if outcome and not attempt.works else None,
    }


def _story(found: Answer, document: dict[str, Any], notes: list[str]) -> str:
    best = found.best
    if best is None:
        lines = [f"{'no equivalent' if found.equivalent is False else 'no equivalent known'}: {found.call}"]
        lines += [f"  {found.why}"]
    elif best.outcome is None:
        lines = [f"NOT VERIFIED HERE: {best.obstacle}", f"{best.recipe.name}: {best.recipe.says}", "", document["code"]]
    else:
        lines = [f"equivalent, by '{best.recipe.name}': {best.recipe.says}", "", document["code"]]
        lines += _evidence(document["verified"])
    if document["depends_on_input"]:
        given = ", ".join(f"{name}={best.case.values[name]}" for name in best.sized) if best else ""
        lines += [f"The code is for this size of input ({given}); give your own with --input."]
    lines += _others(document["tried"])
    return "\n".join([*lines, *notes, *_next(found, document, bool(notes))])


def _evidence(verified: dict[str, Any]) -> list[str]:
    lanes = ", ".join(f"{verdict} in the {lane} lane" for lane, verdict in verified["lanes"].items())
    versions = " and ".join(f"{name} {version}" for name, version in verified["versions"].items())
    size = "; ".join(f"{name} {tuple(extents)}" for name, extents in verified["input"].items())
    domain = verified["domain"]
    words = f" ({', '.join(f'{name}: {argument}' for name, argument in domain['names'].items())})" * bool(
        domain["names"]
    )
    return [
        f"verified  {', '.join(verified['tensors'])} of this very call: {lanes}; {size}",
        f"on        {', '.join(verified['targets'])}; {versions}; {_directions(verified['tensors'])}",
        f"domain    {domain['when']}{words}; {domain['cases']} cases of {', '.join(domain['check'])}",
    ]


def _directions(tensors: Sequence[str]) -> str:
    return "forward and backward" if any(map(derivative, tensors)) else "forward only"


def _others(tried: list[dict[str, Any]]) -> list[str]:
    lines = ["", "also tried"] if tried else []
    for each in tried:
        source = f" (the document's own, claim '{each['documented']}')" if each["documented"] else ""
        result = "holds too" if each["holds"] else f"{each['verdict']}: {each['why']}"
        lines += [f"  {each['recipe']}{source}: {result}", f"    {' >> '.join(each['steps'])}"]
        lines += [f"    {each['counterexample']}"] if each["counterexample"] else []
    return lines


def _next(found: Answer, document: dict[str, Any], written: bool) -> list[str]:
    if found.equivalent and written:
        return []
    if found.equivalent:
        return ["", "next: --script FILE writes a program that shows it anywhere; --weights FILE converts a checkpoint"]
    if document["not_verified"]:
        return ["", "next: python -m harness doctor says what the targets need"]
    return ["", "next: python -m harness compare says how two calls of your own differ"]
