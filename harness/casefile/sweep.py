"""From swept names and exclusions to rows of values: the full product, or a covering array from covertable."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import covertable

from harness.casefile.expressions import identity

Row = dict[str, Any]


@dataclass(frozen=True)
class Exclusion:
    """Combinations that a family leaves out: the swept names that decide it, and the identities of excluded values.

    ``when`` is the predicate itself, for values that the sweep does not have.
    """

    names: tuple[str, ...]
    values: frozenset[Any]
    when: Callable[[Row], Any] = field(compare=False)

    def __call__(self, row: Mapping[str, Any]) -> bool:
        """Whether the row is left out."""
        return identity(tuple(row[name] for name in self.names)) in self.values

    def beyond(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of any values, fixed ones among them, would be left out.

        Raises:
            ExpressionError: that cannot be computed.
        """
        return bool(self.when(dict(row)))


def exclusion(sweep: Mapping[str, Sequence[Any]], names: Sequence[str], when: Callable[[Row], Any]) -> Exclusion:
    """Tabulate a predicate over the product of the names that it depends on, which is small."""
    combinations = itertools.product(*(sweep[name] for name in names))
    left_out = frozenset(identity(values) for values in combinations if when(dict(zip(names, values, strict=True))))
    return Exclusion(tuple(names), left_out, when)


@dataclass(frozen=True)
class Coverage:
    """How much of the sweep the rows reach.

    Attributes:
        rows: combinations taken.
        product: size of the full product, excluded combinations included.
        strength: t of the t-way coverage; the number of swept names for a full product.
        possible: t-way value tuples that some allowed combination has.
        covered: how many of these the rows have.
    """

    rows: int
    product: int
    strength: int
    possible: int
    covered: int

    @property
    def share(self) -> float:
        """Covered over possible; 1.0 where nothing is missed."""
        return self.covered / self.possible if self.possible else 1.0


def enumerate_rows(
    sweep: Mapping[str, Sequence[Any]], exclusions: Sequence[Exclusion], strength: int | None
) -> tuple[list[Row], Coverage]:
    """The rows of a sweep, in a stable order, and the coverage they reach.

    Args:
        sweep: values of each swept name.
        exclusions: combinations to leave out.
        strength: t of a covering array; ``None``, or not below the number of names, takes the full product.
    """
    product = math.prod(len(values) for values in sweep.values())
    if strength is None or strength >= len(sweep):
        everything = (dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values()))
        rows = [row for row in everything if not any(leaves_out(row) for leaves_out in exclusions)]
        return rows, Coverage(len(rows), product, len(sweep), len(rows), len(rows))
    controller = covertable.main.Controller(
        {name: list(values) for name, values in sweep.items()},
        strength=strength,
        constraints=[_constraint(leaves_out) for leaves_out in exclusions],
    )
    rows = [{name: made[name] for name in sweep} for made in controller.make()]
    places = {name: {identity(value): at for at, value in enumerate(values)} for name, values in sweep.items()}
    rows.sort(key=lambda row: [places[name][identity(row[name])] for name in sweep])
    covered = _tuples(rows, strength)
    # Counted here: covertable takes some tuples that no allowed combination has for possible.
    left = (taken for taken in _partial_rows(sweep, strength) if not _tuples([taken], strength) <= covered)
    missed = sum(_completes(taken, sweep, exclusions) for taken in left)
    return rows, Coverage(len(rows), product, strength, len(covered) + missed, len(covered))


def count_excluded(sweep: Mapping[str, Sequence[Any]], exclusions: Sequence[Exclusion]) -> int:
    """How many combinations of the full product the exclusions leave out."""
    if not exclusions:
        return 0
    everything = (dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values()))
    return sum(any(leaves_out(row) for leaves_out in exclusions) for row in everything)


def _constraint(leaves_out: Exclusion) -> dict[str, Any]:
    return {"operator": "fn", "requires": list(leaves_out.names), "evaluate": lambda row: not leaves_out(row)}


def _tuples(rows: Sequence[Row], strength: int) -> set[Any]:
    marked = ([(name, identity(value)) for name, value in row.items()] for row in rows)
    return {subset for row in marked for subset in itertools.combinations(row, strength)}


def _partial_rows(sweep: Mapping[str, Sequence[Any]], strength: int) -> Iterator[Row]:
    for names in itertools.combinations(sweep, strength):
        for values in itertools.product(*(sweep[name] for name in names)):
            yield dict(zip(names, values, strict=True))


def _completes(taken: Row, sweep: Mapping[str, Sequence[Any]], exclusions: Sequence[Exclusion]) -> bool:
    """Whether an allowed combination has these values."""
    if any(taken.keys() >= set(leaves_out.names) and leaves_out(taken) for leaves_out in exclusions):
        return False
    name = next((name for name in sweep if name not in taken), None)
    return name is None or any(_completes({**taken, name: value}, sweep, exclusions) for value in sweep[name])
