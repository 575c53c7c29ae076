"""The smallest case that shows what a trial shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.casefile import Family
from harness.casefile.beyond import case_of
from harness.casefile.expressions import expressions_in, reached_by
from harness.divergence import signature
from harness.model import AGREEMENT, Case, Lane, Verdict
from harness.shrink import Below, Limits, earlier, shrink, smaller

Record = Mapping[str, Any]
# The record of a family's trial with these values, in these lanes.
Ask = Callable[[Family, Mapping[str, Any], Sequence[Lane]], Record]


@dataclass(frozen=True)
class Smallest:
    """What was made of a trial.

    Attributes:
        row: the values that differ from the family's fixed ones, or that it sweeps.
        record: of the smallest trial, in the lane that shows it.
        runs: how many cases were run on the way.
    """

    row: dict[str, Any]
    case: Case
    record: Record
    runs: int
    finished: bool = True


def lane(record: Record) -> Lane:
    """The lane that shows what the trial shows, the exact one where both do."""
    lanes = [each["lane"] for each in record["comparisons"] if each["verdict"] == record["verdict"]]
    return Lane(lanes[0]) if lanes and Lane.EXACT not in lanes else Lane.EXACT


def smallest(family: Family, row: Mapping[str, Any], record: Record, ask: Ask, limits: Limits = Limits()) -> Smallest:
    """Shrink a trial while it is recognised by the same signature.

    Args:
        family: the trial's.
        row: its swept values, and any fixed ones that it has otherwise.
        record: the trial's.
        ask: runs a case.
        limits: of the search.
    """
    finding, lanes, seen = recognised(record), [lane(record)], dict[str, Record]()

    def keeps(tried: Mapping[str, Any]) -> bool | None:
        if case_of(family, _changed(family, tried)) is None:
            return None
        answer = ask(family, _changed(family, tried), lanes)
        seen[repr(sorted(tried.items()))] = answer
        return recognised(answer) == finding

    start = {**family.fixed, **row}
    found = shrink(start, simpler(family, agreeing=Verdict(record["verdict"]) in AGREEMENT), keeps, limits)
    made = _changed(family, found.row)
    shown = seen.get(repr(sorted(found.row.items())), record)
    return Smallest(made, family.case(made), shown, found.runs, found.finished)


def recognised(record: Record) -> tuple[Any, ...]:
    """The signature, and what else has to stay: a refusal's words, and that a document is departed from."""
    error = record["error"]
    words = re.sub(r"[\W\d]+", " ", error["message"])[:60] if error else ""
    return signature(record), words, bool(record["undocumented"]), record["as_expected"]


def simpler(family: Family, *, agreeing: bool) -> dict[str, Below]:
    """For each name the values that are simpler than a given one; the names of the inputs' extents come first.

    Extents may become any smaller number. A swept parameter stays within its sweep, beyond which the document may
    say nothing, and any other becomes smaller; unless both sides agree where they should not, since then the simplest
    values would say nothing.
    """
    names = {inner for _, each in expressions_in(family.inputs) for inner in each.names}
    extents = reached_by(names, family.derive) & {*family.fixed, *family.sweep}
    ways: dict[str, Below] = {}
    for name in sorted({**family.fixed, **family.sweep}, key=lambda each: each not in extents):
        if name in extents:
            ways[name] = smaller
        elif name in family.sweep:
            ways[name] = partial(earlier, values=family.sweep[name])
        elif not agreeing:
            ways[name] = smaller
    return ways


def _changed(family: Family, row: Mapping[str, Any]) -> dict[str, Any]:
    """The swept values of a row, and those that are not the family's fixed ones."""
    return {name: value for name, value in row.items() if name in family.sweep or value != family.fixed[name]}
