"""A case without a case file: two chains of calls, aligned by what the built layers have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.backends.pipeline import Absent
from harness.errors import HarnessError
from harness.model import Case, Expectation, Lane, Parameter, Side, Target
from harness.protocol import Backend, Request, Step

Shapes = Mapping[str, tuple[int, ...]]


class Describing(Backend, Protocol):
    """A backend that can say what parameters a pipeline's steps have."""

    def describe(self, request: Request) -> Sequence[Shapes]:
        """Name and shape of the parameters of each step."""


@dataclass(frozen=True)
class Built:
    """One side as its framework built it; ``shapes`` is ``None`` if it refused to."""

    target: Target
    steps: tuple[Step, ...]
    layer: int
    shapes: Shapes | None


def build(target: Target, steps: tuple[Step, ...], inputs: Sequence[tuple[int, ...]], backend: Describing) -> Built:
    """Build a side to learn its parameters. Raises HarnessError if more than one step has some."""
    request = Request(steps, 0, tuple(np.zeros(shape, np.float32) for shape in inputs), None)
    try:
        described = backend.describe(request)
    except Absent as error:
        raise HarnessError(str(error)) from None
    except Exception:  # the trial itself will meet the same error and say so
        return Built(target, steps, 0, None)
    owners = [index for index, shapes in enumerate(described) if shapes]
    if len(owners) > 1:
        names = ", ".join(steps[index].call for index in owners)
        raise HarnessError(f"only one step of a side may have parameters, here: {names}")
    layer = owners[0] if owners else 0
    return Built(target, steps, layer, described[layer])


def case(
    key: str,
    reference: Built,
    subject: Built,
    inputs: Sequence[tuple[int, ...]],
    shapes_only: bool,
) -> Case:
    """The case that compares two built sides, with the same weights in both.

    Args:
        key: what the inputs and weights are drawn by.
        reference: the side to compare against.
        subject: the side to judge.
        inputs: shape of each input.
        shapes_only: compare output shapes alone, with the weights as built.

    Weights that do not fit the other side are left as they are: the subject then refuses them when they are loaded.
    """
    refused = reference.shapes is None or subject.shapes is None
    align = not shapes_only and not refused
    return Case(
        id=key,
        layer=subject.steps[subject.layer].call.rpartition(".")[2],
        family="compare",
        values={},
        swept=(),
        inputs={f"x{index}" if index else "x": tuple(shape) for index, shape in enumerate(inputs)},
        state=_aligned(reference, subject) if align else (),
        sides={built.target.framework: Side(built.steps, built.layer) for built in (reference, subject)},
        claims=(),
        expect=Expectation.SAME_SHAPE if shapes_only else Expectation.EQUAL,
        lanes=tuple(Lane),
        align=align,
    )


def _aligned(reference: Built, subject: Built) -> tuple[Parameter, ...]:
    theirs, ours = dict(reference.shapes or {}), dict(subject.shapes or {})
    left, right = reference.target.framework, subject.target.framework
    found = []
    for name, shape in theirs.items():
        partner = name if name in ours else _unclaimed(ours, theirs, shape)
        if partner is None:
            found.append(Parameter(name, shape, lacking=frozenset({right})))
            continue
        axis = _extra_axis(shape, ours[partner])
        places = {} if axis is None else {right: axis}
        found.append(Parameter(name, shape, names={right: partner}, expand_dims=places))
        del ours[partner]
    return (*found, *(Parameter(name, shape, lacking=frozenset({left})) for name, shape in ours.items()))


def _unclaimed(ours: Shapes, theirs: Shapes, shape: tuple[int, ...]) -> str | None:
    def fits(name: str) -> bool:
        return ours[name] == shape or _extra_axis(shape, ours[name]) is not None

    return next((name for name in ours if name not in theirs and fits(name)), None)


def _extra_axis(shape: tuple[int, ...], longer: tuple[int, ...]) -> int | None:
    if len(longer) != len(shape) + 1:
        return None
    return next((axis for axis in range(len(longer)) if longer == (*shape[:axis], 1, *shape[axis:])), None)
