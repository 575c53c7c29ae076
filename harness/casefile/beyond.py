"""Cases beyond a family's sweep: which values a name may be given, and which rows make a case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.casefile.expressions import ExpressionError, expressions_in, is_name, reached_by
from harness.casefile.families import Family
from harness.model import Case

# Fresh values reach this far beyond the largest one of the sweep.
FARTHER = 3
LARGEST_INPUT = 2**16


def domain(values: Sequence[Any], farther: int = FARTHER) -> list[Any]:
    """What a swept name may be given: its own values; whole numbers, in tuples too, from the least to a bit beyond."""
    if all(type(value) is int for value in values):
        return list(range(min(values), max(values) + farther + 1))
    entries = [entry for value in values for entry in (value if isinstance(value, tuple) else (value,))]
    if not all(type(entry) is int for entry in entries):
        return list(values)
    reach = range(min(entries), max(entries) + farther + 1)
    lengths = sorted({len(value) for value in values if isinstance(value, tuple)})
    plain = list(reach) if any(type(value) is int for value in values) else []
    return plain + [
        _spread(reach, length, index) for length in lengths for index in range(len(reach) ** min(length, 2))
    ]


def _spread(reach: range, length: int, index: int) -> tuple[int, ...]:
    """The index-th tuple over a range; long ones repeat a short pattern, of which there are few enough to list."""
    first, second = index % len(reach), index // len(reach)
    # The step keeps the entries of a longer tuple from being equal in pairs.
    return tuple(reach[(first + second * place + place * (place > 1)) % len(reach)] for place in range(length))


def left_out(family: Family, row: Mapping[str, Any]) -> bool:
    """Whether an exclusion of the family leaves the row out. Raises ExpressionError where that cannot be computed."""
    return any(leaves_out.beyond(row) for leaves_out in family.exclusions)


def case_of(family: Family, row: Mapping[str, Any]) -> Case | None:
    """The case of a row of any values, fixed ones among them.

    Returns:
        ``None`` if it is left out, cannot be computed, would be large, or has an extent that is no positive number.
    """
    try:
        if left_out(family, row):
            return None
        made = family.case(dict(row))
    except ExpressionError:
        return None
    shapes = [*made.inputs.values(), *(parameter.shape for parameter in made.state)]
    if any(type(extent) is not int or extent < 1 for shape in shapes for extent in shape):
        return None
    return None if any(math.prod(shape) > LARGEST_INPUT for shape in made.inputs.values()) else made


def changed(family: Family, row: Mapping[str, Any]) -> dict[str, Any]:
    """The swept values of a row, and those that are not the family's fixed ones."""
    return {name: value for name, value in row.items() if name in family.sweep or value != family.fixed[name]}


def extents(family: Family) -> set[str]:
    """The names that the inputs' extents are made of."""
    return _reached(family, family.inputs)


def channels(family: Family) -> set[str]:
    """The names that are an extent of a parameter as they stand, as the number of channels is."""
    shapes = [entry["shape"] for entry in family.state.values()]
    return {each.text for shape in shapes if isinstance(shape, tuple) for each in shape if is_name(each)}


def shared(family: Family) -> set[str]:
    """The names that both sides' calls speak of: what one side leaves at its default has to stay on the other."""
    sides = [(*spec.arguments, spec.load) for spec in family.sides.values()]
    return set.intersection(*(_reached(family, each) for each in sides))


def _reached(family: Family, tree: Any) -> set[str]:
    """The fixed and swept names that a tree of the family speaks of, also by way of derived ones."""
    names = {inner for _, each in expressions_in(tree) for inner in each.names}
    return reached_by(names, family.derive) & {*family.fixed, *family.sweep}
