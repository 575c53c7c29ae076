"""Frozen records and enums that pass between the rooms. Imports nothing of the harness but the protocol's records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from harness.protocol import Argument, Phase, Step

Array = np.ndarray[Any, Any]


class Verdict(StrEnum):
    """The grade of a comparison or a trial, best first."""

    BITWISE = "bitwise"
    WITHIN_BOUND = "within_bound"
    VALUE = "value"
    SHAPE = "shape"
    DTYPE = "dtype"
    REJECTED_BY_SUBJECT = "rejected_by_subject"
    REJECTED_BY_REFERENCE = "rejected_by_reference"
    REJECTED_BY_BOTH = "rejected_by_both"
    UNSUPPORTED = "unsupported"
    CRASH = "crash"
    TIMEOUT = "timeout"
    WEAK = "weak"
    NOT_RUN = "not_run"

    @property
    def rank(self) -> int:
        """Position from best to worst."""
        return list(Verdict).index(self)

    @property
    def rated(self) -> bool:
        """Whether the verdict counts in a rate; ``weak`` and ``not_run`` say nothing about either side."""
        return self not in (Verdict.WEAK, Verdict.NOT_RUN)


AGREEMENT = frozenset({Verdict.BITWISE, Verdict.WITHIN_BOUND})


class Expectation(StrEnum):
    """What a document says of a family."""

    EQUAL = "equal"
    SAME_SHAPE = "same_shape"
    DIFFERENT = "different"
    REJECTED_BY_SUBJECT = "rejected_by_subject"
    REJECTED_BY_REFERENCE = "rejected_by_reference"
    REJECTED_BY_BOTH = "rejected_by_both"

    def met_by(self, verdict: Verdict) -> bool:
        """Whether a trial with this verdict went as the document says."""
        if self is Expectation.EQUAL:
            return verdict in AGREEMENT
        if self is Expectation.SAME_SHAPE:
            return verdict in AGREEMENT or verdict is Verdict.VALUE
        if self is Expectation.DIFFERENT:
            return verdict in (Verdict.VALUE, Verdict.SHAPE, Verdict.DTYPE)
        return verdict.value == self.value


class Lane(StrEnum):
    """``exact``: small integers, every sum representable, tolerance zero. ``rounding``: reals, derived bound."""

    EXACT = "exact"
    ROUNDING = "rounding"


class Check(StrEnum):
    """What a family holds against a document: what a layer computes, or something else about it."""

    OUTPUT = "output"
    SIGNATURE = "signature"
    STATE = "state"
    ROUND_TRIP = "round_trip"
    INIT = "init"


class Tier(StrEnum):
    """How much of the case files a run takes. A tier holds every tier before it."""

    SMOKE = "smoke"
    DEFAULT = "default"
    FULL = "full"

    def holds(self, other: Tier) -> bool:
        """Whether a run of this tier takes a family of the other."""
        return list(Tier).index(other) <= list(Tier).index(self)


# How the place of a target starts that is played back from a file.
GOLDEN = "golden:"


@dataclass(frozen=True)
class Target:
    """A framework on a device, in a mode: ``torch@cpu+native``, ``mindspore@ascend:graph``; and where that is.

    Attributes:
        framework: as its adapter is called.
        device: ``cpu``, ``gpu`` or ``ascend``.
        mode: the framework's plain one if empty.
        isa: the instruction set that its process is kept within, one of :data:`harness.isa.WORDS`; empty for the
            portable baseline. Of a CPU alone.
        name: what people call it, where several are of one kind: from ``targets.toml``, or ``golden:FILE``.
        where: execnet's specification of another interpreter or host, or ``golden:FILE``; empty for this process.
    """

    framework: str
    device: str
    mode: str = ""
    name: str = ""
    where: str = ""
    isa: str = ""

    @classmethod
    def of_kind(cls, kind: str) -> Target:
        """The target that a :attr:`kind` spells; parts that are not there are empty, and none is checked."""
        framework, _, place = kind.partition("@")
        place, _, mode = place.partition(":")
        device, _, isa = place.partition("+")
        return cls(framework, device, mode, isa=isa)

    @property
    def kind(self) -> str:
        """What it is, wherever it runs: ``framework@device[+isa][:mode]``."""
        return f"{self.framework}@{self.device}" + (f"+{self.isa}" if self.isa else "") + self._in_mode

    @property
    def plain_kind(self) -> str:
        """What it is, whatever instruction set it is kept within: ``framework@device[:mode]``."""
        return f"{self.framework}@{self.device}{self._in_mode}"

    @property
    def _in_mode(self) -> str:
        return f":{self.mode}" if self.mode else ""

    @property
    def golden(self) -> bool:
        """Whether it is a recording, which answers what was asked then and nothing else."""
        return self.where.startswith(GOLDEN)

    def __str__(self) -> str:
        return self.name or self.kind


@dataclass(frozen=True)
class Claim:
    """One checkable statement of a document, in our own words."""

    id: str
    layer: str
    document: str
    where: str
    says: str


@dataclass(frozen=True)
class Parameter:
    """One entry of the state map: a reference-side parameter and where it lives on each side.

    Attributes:
        name: the parameter's name in the case file.
        shape: its shape in the canonical layout (the first-named side's).
        names: attribute name per framework, where it differs.
        expand_dims: axis of length one that a framework's layout has in addition, per framework.
        swap: two axes that a framework's layout has in each other's place, per framework.
        lacking: frameworks that have no such parameter in this case, by the document.
    """

    name: str
    shape: tuple[int, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    expand_dims: Mapping[str, int] = field(default_factory=dict)
    swap: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    lacking: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Side:
    """One side's pipeline for one case; ``load`` as in :class:`harness.protocol.Request`."""

    steps: tuple[Step, ...]
    layer: int
    load: str = ""

    def __str__(self) -> str:
        return " >> ".join(str(step) for step in self.steps)


@dataclass(frozen=True)
class Tolerance:
    """A row of the table for layers that no bound can be derived for: relative and absolute, with its reason."""

    rtol: float
    atol: float
    because: str


@dataclass(frozen=True)
class Refusal:
    """How a document says that a call is refused: in one of these phases, with one of these exception classes."""

    phases: tuple[Phase, ...] = ()
    errors: tuple[str, ...] = ()


# The swept name of a check of a signature, and its values for 'in this order' and for 'and no more'.
PARAMETER, ORDER, OTHERS = "parameter", "order", "others"


@dataclass(frozen=True)
class Signature:
    """What a document says of one side's parameters.

    Attributes:
        of: ``constructor``, or ``call`` for that of the built layer.
        parameters: in their order.
        complete: whether these are all.
        lacks: names that the side is said not to have.
    """

    of: str
    parameters: tuple[Argument, ...]
    complete: bool
    lacks: tuple[str, ...]


# The kinds of distribution that can be stated, and how many numbers each takes.
DISTRIBUTIONS = {"uniform": 2, "normal": 2, "truncated_normal": 4, "constant": 1}


@dataclass(frozen=True)
class Initial:
    """How a document says that a freshly built parameter is distributed.

    Attributes:
        tensor: the parameter's name in the case file.
        kind: uniform, normal, truncated_normal or constant; empty where both sides are held against each other.
        arguments: low and high; mean and standard deviation, and for the truncated one low and high in units of the
            latter; the constant.
    """

    tensor: str
    kind: str = ""
    arguments: tuple[float, ...] = ()


# What a tensor can hold among its integers, or in place of them.
SPECIAL_VALUES = ("nan", "inf", "negative-inf", "infinities", "largest", "subnormal")


@dataclass(frozen=True)
class Filling:
    """What is particular about one tensor's values.

    Attributes:
        dtype: its own; empty for the trial's.
        holds: the special values among its integers, one of :data:`SPECIAL_VALUES`; empty for none.
    """

    dtype: str = ""
    holds: str = ""


@dataclass(frozen=True)
class Case:
    """One parameter combination of a family, fully evaluated.

    Attributes:
        id: ``file stem/family/values``; stable, and free of brackets and blanks.
        values: every name that the case file gives a value, swept or not.
        swept: the names among them that the family sweeps.
        inputs: shape of each input, by name.
        sides: the pipeline of each framework.
        align: whether both sides get the same weights; without it only shapes are compared.
        documented_shape: the output shape that the document prints, where it prints one.
        tolerances: by dtype; empty for layers whose bound is derived.
        check: what is held against the document.
        side: the framework that a check other than of the output is about; empty for both.
        stated: what the document says of a signature or of initial values.
        refusal: how the document says that the call is refused.
        derivatives: how many times the output is differentiated: not, by inputs and state, or once more by the state.
        fillings: what is particular about some tensors, by name.
    """

    id: str
    layer: str
    family: str
    values: Mapping[str, Any]
    swept: tuple[str, ...]
    inputs: Mapping[str, tuple[int, ...]]
    state: tuple[Parameter, ...]
    sides: Mapping[str, Side]
    claims: tuple[str, ...]
    expect: Expectation
    lanes: tuple[Lane, ...]
    align: bool = True
    documented_shape: tuple[int, ...] | None = None
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    check: Check = Check.OUTPUT
    side: str = ""
    stated: Signature | Initial | None = None
    refusal: Refusal = Refusal()
    derivatives: int = 1
    fillings: Mapping[str, Filling] = field(default_factory=dict)

    @property
    def special(self) -> bool:
        """Whether a tensor holds values that are no plain integers."""
        return any(each.holds for each in self.fillings.values())


@dataclass(frozen=True)
class Trial:
    """One case at one dtype against one subject target.

    Attributes:
        again: whether both sides are asked twice, to see if they say the same.
    """

    case: Case
    dtype: str
    reference: Target
    subject: Target
    again: bool = False

    @classmethod
    def of(cls, case: Case, dtype: str, reference: Target, subject: Target, again: bool = False) -> Trial:
        """The trial of a case; no document speaks of a framework against itself, which has to do the same again."""
        if reference.framework == subject.framework:
            expect = Expectation.EQUAL if case.align else Expectation.SAME_SHAPE
            case = replace(case, claims=(), expect=expect, documented_shape=None, refusal=Refusal())
        return cls(case, dtype, reference, subject, again)

    @property
    def id(self) -> str:
        """``file stem/family/values,dtype,subject``."""
        return f"{self.case.id},{self.dtype},{self.subject}"

    @property
    def against_itself(self) -> bool:
        """Whether a framework is held against itself: elsewhere, or on another instruction set."""
        return self.reference.framework == self.subject.framework


@dataclass(frozen=True)
class Comparison:
    """How two tensors differ in one lane.

    Attributes:
        verdict: one of bitwise, within_bound, value, shape, dtype, weak.
        max_abs: largest |actual - expected|; ``None`` where the shapes or dtypes differ.
        max_ulp: largest distance in units in the last place of the dtype.
        mismatched: how many elements are outside the bound.
        worst_index: where |actual - expected| is largest relative to the bound.
        bound_ratio: largest error against the adjudicator (else against the reference) over the bound.
        disagrees: which side is outside the bound around the adjudicator: subject, reference, both, or ``None``.
        missed: names of the planted mutants that this comparison would not have caught.
        against: whom actual is held against, if not the reference: the subject in its plain mode.
    """

    tensor: str
    lane: Lane
    verdict: Verdict
    expected_shape: tuple[int, ...]
    actual_shape: tuple[int, ...]
    size: int = 0
    max_abs: float | None = None
    max_ulp: int | None = None
    mismatched: int = 0
    worst_index: tuple[int, ...] | None = None
    bound_ratio: float | None = None
    cosine: float | None = None
    disagrees: str | None = None
    missed: tuple[str, ...] = ()
    against: str = ""
