"""The end of a run in the terminal: a line per layer and subject, the new classes, and what to do next."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from harness import trial_record
from harness.classes import DivergenceClass, counted
from harness.determinism import table as determinism
from harness.known import Status
from harness.model import Verdict
from harness.records import OUTPUT, Results, check

LONGEST_LIST = 20
ANNOTATIONS = 10  # GitHub shows no more of a step
_MOST_NAMES = 4


class Terminal(Protocol):
    """The part of pytest's terminal reporter that is used here."""

    def write_sep(self, sep: str, title: str | None = None, **markup: bool) -> None:
        """A heading."""

    def write_line(self, line: str, **markup: bool) -> None:
        """A line."""


def write(
    terminal: Terminal,
    results: Results,
    found: Sequence[DivergenceClass],
    folder: Path,
    here: Path,
    *,
    verbose: bool = False,
) -> None:
    """Print the summary.

    Args:
        terminal: where.
        results: the run's.
        found: the classes of its divergences.
        folder: where the pages are.
        here: where the user is.
        verbose: whether all trials of each red class are listed.
    """
    terminal.write_sep("=", "conformance")
    for line in (*layer_lines(results.trials), *coverage_lines(results), *determinism.lines(results), *isas(results)):
        terminal.write_line(line)
    lacking = [f"NOT RUN: {target}: {why}" for target, why in _known_before(results)] + not_run_lines(results)
    for line in (*lacking, *(f"INCOMPLETE: {problem}" for problem in results.problems)):
        terminal.write_line(line, red=True)
    for heading, *lines in [*blocks(found, verbose=verbose), *weak_block(results.trials, verbose=verbose)]:
        terminal.write_line(heading, red=True)
        for line in lines:
            terminal.write_line(f"  {line}")
    terminal.write_line(f"in all: {counted(found)}")
    if not verbose and any(each.red and each.count > 1 for each in found):
        terminal.write_line("all trials of each class: -v lists them; --tb=line prints a line for each failure")
    for id_ in results.unmatched:
        terminal.write_line(f"unmatched: no trial met the known divergence '{id_}': remove or mend it", red=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in github_lines(found):
            terminal.write_line(line)
    red = any(Status(trial["status"]).red for trial in results.trials)
    terminal.write_line(_next(red, results, Path(os.path.relpath(folder, here))))


def isas(results: Results) -> list[str]:
    """The instruction sets that took effect, as the targets tell, and those that were asked for something else."""
    found: dict[str, list[str]] = defaultdict(list)
    targets = {name: told for run in results.runs for name, told in run.header.get("targets", {}).items()}
    for name, told in sorted((name, told) for name, told in targets.items() if told.get("isa")):
        asked = told.get("isa_asked")
        as_asked = asked in (None, "native", told["isa"])
        found[told["isa"]].append(name if as_asked else f"{name}, which was to keep within {asked}")
    shown = "; ".join(f"{word}: {', '.join(names)}" for word, names in sorted(found.items()))
    return [f"instruction set  {shown}"] if shown else []


def not_run_lines(results: Results) -> list[str]:
    """What showed only when a target was started, or when a host was lost: how many trials it cost, and why."""
    said = {target for target, _ in _known_before(results)}
    return [
        f"NOT RUN: {subject}: {count:,} trial{'' if count == 1 else 's'}: {why}"
        for subject, (count, why) in sorted(results.not_run.items())
        if subject not in said
    ]


def _known_before(results: Results) -> list[tuple[str, str]]:
    """Targets that were known not to run here before any trial was run, and why."""
    return sorted({item for run in results.runs for item in run.header.get("not_run", {}).items()})


def leading(found: Sequence[DivergenceClass], results: Results) -> list[str]:
    """The trials whose failures are printed in full: the smallest of each red class, and the first that is weak."""
    red = [each.trials[0] for each in found if each.red][:LONGEST_LIST]
    return [*red, *[trial["trial"] for trial in results.trials if trial["verdict"] == Verdict.WEAK][:1]]


def blocks(found: Sequence[DivergenceClass], *, verbose: bool = False) -> list[list[str]]:
    """A heading and lines for each red class, as far as the list goes, and what is left out."""
    red = [each for each in found if each.red]
    shown = [[_heading(each), *_lines(each), *(each.trials[1:] if verbose else ())] for each in red[:LONGEST_LIST]]
    if red[LONGEST_LIST:]:
        shown.append([f"... and {counted(red[LONGEST_LIST:])}; all are in the report"])
    return shown


def _heading(found: DivergenceClass) -> str:
    more = len(found.families) - _MOST_NAMES
    names = ", ".join(found.families[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    return f"{found.status}: {found.id}: {found.count:,} of {found.of:,} trials of {names}"


def _lines(found: DivergenceClass) -> list[str]:
    like = f"looks as {', '.join(map(repr, found.like))} in known.yaml does, outside of its scope" if found.like else ""
    lines = [found.says, found.condition.says, like, f"smallest trial: {found.trials[0]}", found.reproducer]
    return [line for line in lines if line]


def weak_block(trials: Sequence[Mapping[str, Any]], *, verbose: bool = False) -> list[list[str]]:
    """What proved nothing is red, and no divergence: one block for all of it, with the first one."""
    weak = [trial for trial in trials if trial["verdict"] == Verdict.WEAK]
    if not weak:
        return []
    heading = f"weak: {len(weak):,} trial{'' if len(weak) == 1 else 's'} proved nothing, the first is"
    others = [trial["trial"] for trial in weak[1:]] if verbose else []
    return [[heading, weak[0]["trial"], trial_record.reason(weak[0]), weak[0]["reproducer"], *others]]


def github_lines(found: Sequence[DivergenceClass]) -> list[str]:
    """A line for each red class that GitHub shows beside the changed files."""
    lines = []
    for each in [each for each in found if each.red][:ANNOTATIONS]:
        place = f"file={_escaped(str(each.example.get('file', '')), ',:')}"
        says = _escaped("\n".join([_heading(each), *_lines(each)]))
        lines.append(f"::error {place},title={_escaped(f'{each.status} divergence: {each.id}', ',:')}::{says}")
    return lines


def _escaped(text: str, also: str = "") -> str:
    """As GitHub reads it; what ends a property is escaped too where it stands in one."""
    return "".join(f"%{ord(each):02X}" if each in f"%\r\n{also}" else each for each in text)


def layer_lines(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """``Conv2d  mindspore@cpu: 612 trials: 580 bitwise, ...; 0 new`` for each layer and subject.

    What checks no output is counted apart.
    """
    ordered = sorted(trials, key=lambda trial: (trial["layer"], trial["subject"]))
    lines = []
    for (layer, subject), group in groupby(ordered, key=lambda trial: (trial["layer"], trial["subject"])):
        records = list(group)
        outputs = [record for record in records if check(record) == OUTPUT]
        others = [record for record in records if check(record) != OUTPUT]
        verdicts = [record["verdict"] for record in outputs]
        counts = ", ".join(f"{verdicts.count(each)} {each}" for each in Verdict if each in verdicts)
        shown = f"{len(outputs)} trials{': ' if counts else ''}{counts}; {_statuses(outputs)}"
        checks = f"; {len(others)} checks, {_statuses(others)}" if others else ""
        lines.append(f"{layer:<16} {subject}: {shown}{checks}")
    return lines


def _statuses(records: Sequence[Mapping[str, Any]]) -> str:
    statuses = [Status(record["status"]) for record in records]
    return f"{statuses.count(Status.KNOWN)} known, {sum(status.red for status in statuses)} new"


def coverage_lines(results: Results) -> list[str]:
    """How much of the sweeps the cases reach, a line per layer."""
    rows = [row for run in results.runs for row in run.header.get("coverage", [])]
    lines = []
    for layer, group in groupby(sorted(rows, key=lambda row: str(row["layer"])), key=lambda row: row["layer"]):
        families = list(group)
        covering = [row for row in families if row["combinations"] < row["product"] and row["strength"] > 1]
        least = min((row["coverage"] for row in families), default=1.0)
        weakest = min((row["strength"] for row in covering), default=0)
        arrays = f"{len(covering)} by covering arrays, t >= {weakest}" if covering else "no covering arrays"
        lines.append(f"{layer:<16} {len(families)} families, {arrays}; t-way coverage {least:.1%} at the least")
    return lines


def _next(red: bool, results: Results, folder: Path) -> str:
    page = f"{folder}/report.html"
    if any(run.problems for run in results.runs):
        return f"next: mend what stopped the run and start it again; what there is so far: {page}"
    if not results.measured:
        return "next: mend what keeps the targets from running; python -m harness doctor says what"
    if red:
        see = "run a reproducer above, or: python -m harness repro TRIAL"
        return f"next: {see}; then mend the case, or explain it in known.yaml. Report: {page}"
    if results.unmatched:
        return f"next: remove the unmatched entries from known.yaml. Report: {page}"
    elsewhere = "" if folder == Path("reports/latest") else f" {folder}"
    return f"next: open {page}, or: python -m harness claims{elsewhere}"
