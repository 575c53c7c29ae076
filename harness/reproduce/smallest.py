"""The smallest case that shows what a trial shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.casefile import Family
from harness.casefile.beyond import case_of, changed, channels, extents, shared
from harness.casefile.expressions import identity
from harness.divergence import signature
from harness.model import AGREEMENT, Case, Lane, Verdict
from harness.shrink import USUAL, Below, Limits, earlier, shrink, smaller

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
    alike = {Verdict(record["verdict"])} if Verdict(record["verdict"]) not in AGREEMENT else AGREEMENT
    lanes = [each["lane"] for each in record["comparisons"] if each["verdict"] in alike]
    return Lane(lanes[0]) if lanes and Lane.EXACT not in lanes else Lane.EXACT


def smallest(
    family: Family,
    row: Mapping[str, Any],
    record: Record,
    ask: Ask,
    limits: Limits = USUAL,
    *,
    also: Callable[[Record], bool] = lambda _: True,
) -> Smallest:
    """Shrink a trial while it is recognised by the same signature.

    Args:
        family: the trial's.
        row: its swept values, and any fixed ones that it has otherwise.
        record: the trial's.
        ask: runs a case.
        limits: of the search.
        also: what else has to hold of each record.
    """
    finding, lanes, seen = recognised(record), [lane(record)], dict[str, Record]()

    def keeps(tried: Mapping[str, Any]) -> bool | None:
        if case_of(family, changed(family, tried)) is None:
            return None
        answer = ask(family, changed(family, tried), lanes)
        seen[repr(sorted(tried.items()))] = answer
        return recognised(answer) == finding and also(answer)

    agreeing = Verdict(record["verdict"]) in AGREEMENT and not record["undocumented"]
    start = {**family.fixed, **row}
    found = shrink(start, simpler(family, agreeing=agreeing), keeps, limits)
    made = changed(family, found.row)
    shown = seen.get(repr(sorted(found.row.items())), record)
    return Smallest(made, family.case(made), shown, found.runs, found.finished)


def recognised(record: Record) -> tuple[Any, ...]:
    """The signature, and what else has to stay: a refusal's words, and that a document is departed from."""
    error = record["error"]
    # Without numbers, which are sizes; in no order, since a set that a message prints has none.
    words = frozenset(re.findall(r"[^\W\d]+", error["message"])) if error else frozenset()
    return signature(record), words, bool(record["undocumented"]), record["as_expected"]


def simpler(family: Family, *, agreeing: bool) -> dict[str, Below]:
    """For each name the values that are simpler than a given one; the names of the extents come first.

    Extents may become any smaller number. A swept number stays within its sweep, beyond which the document may say
    nothing, and any other that both calls speak of becomes smaller. Words stay: another word is another matter. Where
    both sides agree and should not, the simplest values would say nothing, so that only extents become smaller, and
    two at the least.
    """
    sizes, both, ways = extents(family) | channels(family), shared(family), dict[str, Below]()
    for name in sorted({**family.fixed, **family.sweep}, key=lambda each: each not in sizes):
        if name in sizes:
            ways[name] = _at_least_two if agreeing else smaller
        elif name in family.sweep:
            ways[name] = partial(_within, values=family.sweep[name])
        elif name in both and not agreeing:
            ways[name] = smaller
    return ways


def _at_least_two(value: Any) -> list[Any]:
    return [each for each in smaller(value) if isinstance(each, tuple) or each > 1]


def _within(value: Any, values: Sequence[Any]) -> list[Any]:
    """What stands before the value in its sweep; what is simpler at all than a value from beyond it."""
    numbers = [each for each in values if _is_number(each)]
    if identity(value) not in map(identity, values):
        return [*numbers, *(each for each in smaller(value) if identity(each) not in map(identity, numbers))]
    return earlier(value, numbers)


def _is_number(value: Any) -> bool:
    return all(map(_is_number, value)) if isinstance(value, tuple) else isinstance(value, int | float)
