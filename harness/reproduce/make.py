"""From a trial to what can be shown of it: run it, shrink it, settle the tensors of the smallest."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from harness import isa, runner
from harness.adjudicate import Setting, unjudged
from harness.casefile import CaseFile, word
from harness.casefile.beyond import extents
from harness.errors import HarnessError
from harness.model import Case, Lane, Trial
from harness.outcome import Open
from harness.reproduce.exhibit import Exhibit, Record, Shows, Source, shows, worth_showing
from harness.reproduce.find import Found
from harness.reproduce.smallest import Ask, Smallest, lane, smallest
from harness.shrink import USUAL, Limits

# What runs both sides.
_RUN = frozenset(Shows) - {Shows.SIGNATURE, Shows.STATE, Shows.MISFIT}


@dataclass(frozen=True)
class Made:
    """What was made of a trial.

    Attributes:
        exhibit: the smallest.
        record: of the trial itself.
        way: how far it was shrunk, in a line.
    """

    exhibit: Exhibit
    record: Record
    way: str


def make(found: Found, ask: Ask, open_backend: Open, limits: Limits | None = USUAL) -> Made:
    """Run the trial, and shrink what it shows.

    Args:
        found: the trial.
        ask: runs a case of its family.
        open_backend: gives the adjudicators.
        limits: of the shrinking; ``None`` leaves the trial as it is.

    Raises:
        HarnessError: it shows nothing, or nothing that a program of its own could show.
    """
    case, row = found.trial.case, {name: found.trial.case.values[name] for name in found.trial.case.swept}
    record = ask(found.family, row, list(Lane))
    if not worth_showing(record):
        raise HarnessError(f"{found.trial.id}: no divergence: {record['verdict']}, as the case file says")
    seen = shows(case, record)
    reason = (_unshowable(case, record) if seen is None or seen in _RUN else "") or _elsewhere(found.trial)
    if seen is None or reason:
        name = found.trial.id.split("/", 2)[2]
        again = shlex.join(
            ["python", "-m", "pytest", f"{found.file.path}::{found.family.name}::{name}", *_on(found.trial)]
        )
        raise HarnessError(f"{found.trial.id}: no program is written for {reason}; this runs it again: {again}")
    shrunk = None
    if limits is not None and seen not in (Shows.SIGNATURE, Shows.STATE):
        shrunk = smallest(found.family, row, record, ask, limits)
    trial = found.trial if shrunk is None else replace(found.trial, case=shrunk.case)
    shown = record if shrunk is None else shrunk.record
    setting = None if seen in (Shows.SIGNATURE, Shows.STATE) else _setting(trial, shown, open_backend)
    sources = _sources(found.file, case)
    return Made(Exhibit(trial, shown, seen, setting, sources, found.trial.id), record, _way(found, shrunk))


def _way(found: Found, shrunk: Smallest | None) -> str:
    """How far the trial was shrunk: inputs, and what else is another."""
    if shrunk is None:
        return "not shrunk"
    before, after = found.trial.case, shrunk.case
    changed = [name for name, value in after.values.items() if before.values[name] != value]
    named = [name for name in changed if name not in extents(found.family)]
    sizes = [[*(word(shape) for shape in case.inputs.values())] for case in (before, after)]
    given = [[f"{name}={word(case.values[name])}" for name in named] for case in (before, after)]
    start, end = (", ".join([*size, *values]) for size, values in zip(sizes, given, strict=True))
    words = f"shrunk from {start} to {end}" if changed else f"nothing simpler than {start} shows it"
    return f"{words} in {shrunk.runs} runs" + ("" if shrunk.finished else ", where the search was stopped")


def _elsewhere(trial: Trial) -> str:
    """Where the sides are, if a program, which is one process on the CPU, would show something else; else empty."""
    both = (trial.reference, trial.subject)
    devices = {each.device for each in both} - {"cpu"}
    if devices:
        return f"a side on {' and '.join(sorted(devices))}"
    if trial.against_itself:
        return "a framework that is held against itself"
    sets = {tuple(isa.variables(each.isa).items()) for each in both}
    return "two instruction sets, since a process has one" if len(sets) > 1 else ""


def _on(trial: Trial) -> list[str]:
    """The options that choose these sides, where they are others than a run has by default."""
    chosen = _elsewhere(trial) or trial.reference.isa or trial.subject.isa
    return ["--reference", str(trial.reference), "--subject", str(trial.subject)] if chosen else []


def _unshowable(case: Case, record: Record) -> str:
    """Why no program is written; empty if one can be."""
    if str(case.check) != "output":
        return f"a check of {record['check']}"
    differing = [each for each in record["comparisons"] if each["verdict"] == record["verdict"]][:1]
    if any(each.get("against") for each in differing):
        return "two modes of a framework that are held against each other"
    if any(each["tensor"].startswith("grad2.") for each in differing):
        return "second derivatives"
    if any(each.dtype for each in case.fillings.values()):
        return "tensors of dtypes of their own"
    if record["dtype"] == "bfloat16" and not record["error"]:
        return "values in bfloat16, which NumPy has not got"
    return str(record["verdict"]) if record["verdict"] in ("crash", "timeout", "weak", "not_run") else ""


def _setting(trial: Trial, record: Record, open_backend: Open) -> Setting:
    return next(iter(runner.settings(trial, open_backend, [lane(record)])), unjudged(trial.case, trial.dtype))


def _sources(file: CaseFile, case: Case) -> tuple[Source, ...]:
    claims = {each.id: each for each in file.claims}
    found = []
    for name in case.claims:
        document = file.documents[claims[name].document]
        releases = {"mindspore": document.mindspore, "torch": document.torch}
        found.append(Source(document.title, {each: text for each, text in releases.items() if text}, claims[name]))
    return tuple(found)
