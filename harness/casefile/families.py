"""Families and their expansion to cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.casefile.checks import Stated
from harness.casefile.expressions import Expression, evaluate_tree
from harness.casefile.sides import SideSpec
from harness.casefile.sweep import Coverage, Exclusion, Row, count_excluded, enumerate_rows
from harness.model import Case, Claim, Expectation, Filling, Lane, Parameter, Tier, Tolerance


@dataclass(frozen=True)
class Document:
    """A document that claims come from, and the releases that it speaks of."""

    id: str
    title: str
    language: str = "en"
    mindspore: str = ""
    torch: str = ""


@dataclass(frozen=True)
class Unchecked:
    """A statement of a document that no trial can judge, and why."""

    document: str
    where: str
    says: str
    because: str


@dataclass(frozen=True)
class Recipe:
    """How one side's call is written on the other side.

    Attributes:
        says: what it does, in a line.
        given: the framework whose call is the pattern: a single call, whose arguments give the names their values.
        documented: the claim that states it, where a document does.
        when: the domain; ``None`` for every call that the pattern fits.
        family: both pipelines and all else that makes a case of them; it sweeps nothing.
        verified_by: the families that put it to the test, over its domain.
    """

    name: str
    says: str
    given: str
    documented: str
    when: Expression | None
    family: Family
    verified_by: tuple[str, ...]

    @property
    def pattern(self) -> Mapping[str, Any]:
        """The arguments of the given side's call: names to bind, and expressions or constants to be met."""
        spec = self.family.sides[self.given]
        arguments: Mapping[str, Any] = spec.arguments[spec.layer]
        return arguments


@dataclass(frozen=True)
class CaseFile:
    """One layer's case file."""

    path: Path
    layer: str
    documents: Mapping[str, Document]
    claims: tuple[Claim, ...]
    families: tuple[Family, ...]
    unchecked: tuple[Unchecked, ...] = ()
    recipes: tuple[Recipe, ...] = ()


@dataclass(frozen=True)
class Family:
    """One parametrised pair of calls with its sweep, exclusions and documented expectation."""

    name: str
    stem: str
    layer: str
    claims: tuple[str, ...]
    tier: Tier
    lanes: tuple[Lane, ...]
    dtypes: tuple[str, ...]
    expect: Expectation
    align: bool
    fixed: Mapping[str, Any]
    sweep: Mapping[str, tuple[Any, ...]]
    strength: int | None
    exclusions: tuple[Exclusion, ...]
    derive: Mapping[str, Any]
    inputs: Mapping[str, Any]
    state: Mapping[str, Any]
    sides: Mapping[str, SideSpec]
    output_shape: Any
    tolerances: Mapping[str, Tolerance]
    stated: Stated
    derivatives: int = 1
    tensors: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _enumerated(self) -> tuple[list[Row], Coverage]:
        return enumerate_rows(self.sweep, self.exclusions, self.strength)

    @property
    def coverage(self) -> Coverage:
        """What the cases reach of the sweep."""
        return self._enumerated[1]

    @property
    def excluded(self) -> int:
        """How many combinations of the full product are left out for a reason."""
        return count_excluded(self.sweep, self.exclusions)

    def cases(self) -> list[Case]:
        """Every case, in sweep order."""
        return [self.case(row) for row in self._enumerated[0]]

    def names(self, row: Row) -> dict[str, Any]:
        """The values of one row: fixed, swept and derived. Raises ExpressionError where one cannot be computed."""
        return derived(self.derive, {**self.fixed, **row})

    def identify(self, row: Row) -> str:
        """The id of a row's case."""
        return f"{self.stem}/{self.name}/{encode(row)}"

    def case(self, row: Row) -> Case:
        """The case of one row, of the sweep or beyond it. Raises ExpressionError where it cannot be computed."""
        values, names = {**self.fixed, **row}, self.names(row)
        shape = evaluate_tree(self.output_shape, names)
        return Case(
            id=self.identify(row),
            layer=self.layer,
            family=self.name,
            values=values,
            swept=tuple(self.sweep),
            inputs=evaluate_tree(self.inputs, names),
            state=_parameters(self.state, names, self.sides),
            sides={framework: spec.side(names) for framework, spec in self.sides.items()},
            claims=self.claims,
            expect=self.expect,
            lanes=self.lanes,
            align=self.align,
            documented_shape=shape,
            tolerances=self.tolerances,
            check=self.stated.check,
            side=self.stated.side,
            stated=self.stated.evaluate(names),
            refusal=self.stated.refusal,
            derivatives=self.derivatives,
            fillings={name: Filling(**entry) for name, entry in evaluate_tree(self.tensors, names).items()},
        )


def derived(derive: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values and, computed in order, the derived names."""
    names = dict(values)
    for name, tree in derive.items():
        names[name] = evaluate_tree(tree, names)
    return names


def encode(row: Row) -> str:
    """The swept values as part of an id: stable, readable, and without brackets or blanks."""
    return ",".join(f"{name}={word(value)}" for name, value in row.items()) or "as-given"


def word(value: Any) -> str:
    """One value as part of an id."""
    if isinstance(value, tuple):
        return "x".join(word(item) for item in value) or "empty"
    text = str(value).lower() if isinstance(value, bool) or value is None else str(value)
    return "".join(char if char.isalnum() or char in "._-+" else "_" for char in text)


def _parameters(state: Mapping[str, Any], names: Row, sides: Mapping[str, SideSpec]) -> tuple[Parameter, ...]:
    taken = []
    for name, tree in state.items():
        entry = evaluate_tree(tree, names)
        if not entry.get("when", True):
            continue
        places = {framework: entry.get(framework, {}) for framework in sides}
        taken.append(
            Parameter(
                name=name,
                shape=entry["shape"],
                names={side: place["name"] for side, place in places.items() if "name" in place},
                expand_dims={side: at for side in places if (at := places[side].get("expand_dims")) is not None},
                swap={side: place["swap"] for side, place in places.items() if "swap" in place},
                lacking=frozenset(side for side, spec in sides.items() if name in spec.lacks),
            )
        )
    return tuple(taken)
