"""The smallest case that shows what a trial shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.casefile import Family
from harness.casefile.beyond import case_of
from harness.casefile.expressions import expressions_in, is_name, reached_by
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


def smallest(family: Family, row: Mapping[str, Any], record: Record, ask: Ask, limits: Limits = USUAL) -> Smallest:
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

    agreeing = Verdict(record["verdict"]) in AGREEMENT and not record["undocumented"]
    start = {**family.fixed, **row}
    found = shrink(start, simpler(family, agreeing=agreeing), keeps, limits)
    made = _changed(family, found.row)
    shown = seen.get(repr(sorted(found.row.items())), record)
    return Smallest(made, family.case(made), shown, found.runs, found.finished)


def recognised(record: Record) -> tuple[Any, ...]:
    """The signature, and what else has to stay: a refusal's words, and that a document is departed from."""
    error = record["error"]
    # Without numbers, which are sizes; in no order, since a set that a message prints has none.
    words = frozenset(re.findall(r"[^\W\d]+", error["message"])) if error else frozenset()
    return signature(record), words, bool(record["undocumented"]), record["as_expected"]


def simpler(family: Family, *, agreeing: bool) -> dict[str, Below]:
    """For each name the values that are simpler than a given one; the names of the inputs' extents come first.

    Extents may become any smaller number. A swept number stays within its sweep, beyond which the document may say
    nothing, and any other becomes smaller. Words stay: another word is another matter. Where both sides agree and
    should not, the simplest values would say nothing, so that only extents become smaller, and two at the least.
    """
    sizes = extents(family) | _channels(family)
    sides = [tree for spec in family.sides.values() for tree in (*spec.arguments, spec.load)]
    used = sizes | _reached(family, (family.state, family.output_shape, *sides))
    ways: dict[str, Below] = {}
    for name in sorted({**family.fixed, **family.sweep}, key=lambda each: each not in sizes):
        if name in sizes:
            ways[name] = _at_least_two if agreeing else smaller
        elif name in family.sweep:
            ways[name] = partial(_earlier, values=family.sweep[name])
        elif name in used and not agreeing:
            ways[name] = smaller
    return ways


def _at_least_two(value: Any) -> list[Any]:
    return [each for each in smaller(value) if isinstance(each, tuple) or each > 1]


def extents(family: Family) -> set[str]:
    """The names that the inputs' extents are made of."""
    return _reached(family, family.inputs)


def _channels(family: Family) -> set[str]:
    """The names that are an extent of a parameter as they stand, as the number of channels is."""
    shapes = [entry["shape"] for entry in family.state.values()]
    return {each.text for shape in shapes if isinstance(shape, tuple) for each in shape if is_name(each)}


def _reached(family: Family, tree: Any) -> set[str]:
    """The fixed and swept names that a tree of the family speaks of, also by way of derived ones."""
    names = {inner for _, each in expressions_in(tree) for inner in each.names}
    return reached_by(names, family.derive) & {*family.fixed, *family.sweep}


def _earlier(value: Any, values: Sequence[Any]) -> list[Any]:
    numbers = [each for each in values if _is_number(each)]
    return earlier(value, numbers)


def _is_number(value: Any) -> bool:
    return all(map(_is_number, value)) if isinstance(value, tuple) else isinstance(value, int | float)


def _changed(family: Family, row: Mapping[str, Any]) -> dict[str, Any]:
    """The swept values of a row, and those that are not the family's fixed ones."""
    return {name: value for name, value in row.items() if name in family.sweep or value != family.fixed[name]}
