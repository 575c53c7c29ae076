"""``compare``: an ad-hoc comparison of two calls, without a case file."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace
from typing import Any, cast

from harness import adhoc, calls, dtypes, environment, isa, runner, trial_record
from harness.adhoc import Describing
from harness.backends import targets
from harness.commands import Subparsers, declare, shape
from harness.errors import HarnessError
from harness.model import Case, Expectation, Lane, Target, Tier, Tolerance, Trial
from harness.outcome import Open
from harness.protocol import Backend, Step
from harness.records import dump

EXAMPLE = """\
python -m harness compare 'torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)' \\
      'mindspore.nn.Conv2d(3, 8, 3, pad_mode="pad", padding=1)' --input 1,3,16,20

  A step before or after the layer is chained by '>>':
    'mindspore.nn.Pad(((0,0),(0,0),(1,1),(1,1))) >> mindspore.nn.Conv2d(3, 8, 3, pad_mode="valid")'
"""


def register(commands: Subparsers) -> None:
    """Declare the arguments."""
    summary = "compare two calls with the same inputs and weights: shapes, values, what the difference looks like"
    parser = declare(commands, "compare", summary, EXAMPLE, run)
    parser.add_argument("torch", metavar="TORCH", help="the reference's call, or a chain of calls")
    parser.add_argument("mindspore", metavar="MINDSPORE", help="the subject's call, or a chain of calls")
    parser.add_argument("--input", action="append", required=True, metavar="SHAPE", help="as 1,3,16,20; repeatable")
    parser.add_argument("--dtype", default="float32", choices=list(dtypes.NAMES))
    parser.add_argument("--mode", default="", help="the subject's mode, as graph; it is held against the plain one too")
    parser.add_argument("--isa", choices=isa.WORDS, help="instruction set of both (default: the portable baseline)")
    parser.add_argument("--derivatives", type=int, default=1, choices=[0, 1, 2], help="default: %(default)s")
    parser.add_argument("--lane", action="append", choices=[str(lane) for lane in Lane], help="default: both")
    parser.add_argument("--key", default="compare", help="what inputs and weights are drawn by (default: %(default)s)")
    parser.add_argument("--shapes-only", action="store_true", help="leave the weights as built, compare shapes alone")
    parser.add_argument("--expect", choices=[str(each) for each in Expectation], help="default: equal")
    parser.add_argument("--output-shape", metavar="SHAPE", help="the shape that the output should have")
    parser.add_argument("--rtol", type=float, help="for a layer that is no sum of products; replaces both lanes' rules")
    parser.add_argument("--atol", type=float, help="goes with --rtol")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """0 if the two agree, 1 if they do not."""
    environment.prepare(max(arguments.threads, 1), arguments.isa or "")
    trial = _trial(arguments)
    lanes = [Lane(lane) for lane in arguments.lane or Lane]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = runner.run(trial, _opener(arguments), lanes)
    record = trial_record.to_record(trial, trial_record.Origin("", Tier.DEFAULT), outcome)
    record |= {"status": "as_expected" if record["as_expected"] else "new", "departure": ""}
    print(dump(record) if arguments.json else _story(trial, record))
    return 0 if record["as_expected"] else 1


def _trial(arguments: argparse.Namespace) -> Trial:
    shapes = [shape(text) for text in arguments.input]
    reference_steps, subject_steps = calls.parse(arguments.torch), calls.parse(arguments.mindspore)
    process = arguments.isa or ""
    reference, subject = _target(reference_steps, process), _target(subject_steps, process, arguments.mode)
    if reference.framework == subject.framework:
        raise HarnessError(f"both calls are of {reference.framework}; give one of each framework")
    open_backend = _opener(arguments)
    built = [
        adhoc.build(target, steps, shapes, cast(Describing, open_backend(target)))
        for target, steps in ((reference, reference_steps), (subject, subject_steps))
    ]
    case = adhoc.case(arguments.key, built[0], built[1], shapes, arguments.shapes_only)
    return Trial(_as_asked(case, arguments), arguments.dtype, reference, subject)


def _as_asked(case: Case, arguments: argparse.Namespace) -> Case:
    """The case with what the arguments say of its result."""
    case = replace(case, derivatives=arguments.derivatives)
    if arguments.expect:
        case = replace(case, expect=Expectation(arguments.expect))
    if arguments.output_shape:
        case = replace(case, documented_shape=shape(arguments.output_shape))
    if arguments.rtol is not None or arguments.atol is not None:
        row = Tolerance(arguments.rtol or 0.0, arguments.atol or 0.0, "given on the command line")
        case = replace(case, tolerances={arguments.dtype: row}, lanes=(Lane.ROUNDING,))
    return case


def _opener(arguments: argparse.Namespace) -> Open:
    def open_backend(target: Target) -> Backend:
        return targets.backend(target, max(arguments.threads, 1))

    return open_backend


def _target(steps: tuple[Step, ...], process: str, mode: str = "") -> Target:
    names = {step.call.partition(".")[0] for step in steps}
    if len(names) > 1:
        raise HarnessError(f"one chain has calls of {' and '.join(sorted(names))}; a side is of one framework")
    target = targets.parse(str(Target(names.pop(), "cpu", mode, isa=process)), process)
    reason = targets.obstacle(target)
    if reason:
        raise HarnessError(f"{target} cannot run here: {reason}")
    return target


def _story(trial: Trial, record: dict[str, Any]) -> str:
    notes = [
        f"note: {framework} has no parameter '{parameter.name}' here"
        for parameter in trial.case.state
        for framework in sorted(parameter.lacking)
    ]
    verdict = "agree" if record["as_expected"] else "diverge"
    lines = [f"{verdict}: {trial_record.reason(record)}" if verdict == "diverge" else f"{verdict}: {record['verdict']}"]
    return "\n".join([*lines, "", *trial_record.details(record), *notes])
