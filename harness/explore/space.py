"""What is searched: which families, and which values each of their names may be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.casefile import CaseFile, Family
from harness.casefile.beyond import channels, domain, extents, shared
from harness.model import Check, Expectation, Lane, Tier

# Values reach this far beyond the largest one of the sweep, and beyond a fixed one.
FARTHER = 5
# Where a document says that a call is refused, or that the two differ, it speaks of the values that it names; beyond
# them it says nothing. That they are equal, or of equal shape, is meant of any.
SAID_OF_ANY = (Expectation.EQUAL, Expectation.SAME_SHAPE)


@dataclass(frozen=True)
class Space:
    """One family's rows.

    Attributes:
        swept: what each swept name may be given.
        fixed: the same for each extent, and each fixed number that both calls speak of; the family's own value
            comes first.
    """

    family: Family
    swept: Mapping[str, list[Any]]
    fixed: Mapping[str, list[Any]]


def spaces(file: CaseFile) -> list[Space]:
    """The families that are searched: those of which a document says something for any values."""
    return [_space(family) for family in file.families if _is_searched(family)]


def _is_searched(family: Family) -> bool:
    says_something = family.expect in SAID_OF_ANY and family.stated.check is Check.OUTPUT
    # Special values are right for the sizes that they are given for.
    return says_something and Lane.EXACT in family.lanes and family.tier is not Tier.FULL and not family.tensors


def _space(family: Family) -> Space:
    sizes = extents(family) | channels(family)
    swept = {name: domain(values, FARTHER) for name, values in family.sweep.items()}
    # A shape that a document prints is one for the parameters that it is printed with.
    varied = sizes if family.output_shape is not None else sizes | shared(family)
    numbers = {name: value for name, value in family.fixed.items() if name in varied and type(value) is int}
    return Space(family, swept, {name: _around(value, size=name in sizes) for name, value in numbers.items()})


def _around(value: int, *, size: bool) -> list[int]:
    """A fixed number and those around it; an extent from one on."""
    least = 1 if size else min(value, 1)
    return [value, *(each for each in range(least, value + FARTHER + 1) if each != value)]
