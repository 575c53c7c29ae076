"""The values of a case's tensors in each lane: integers whose every sum is exact, or reals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness import dtypes, inputs
from harness.model import Array, Case, Lane
from harness.requests import COTANGENT, Tensors, tangent

# Largest |x| and |w| of the exact lane, tried in turn until every sum is representable. As large as can be: the more
# values there are, the less likely two places are equal by chance.
AMPLITUDES = ((31, 31), (7, 7), (4, 3), (2, 2), (1, 1))
WEIGHTINGS = (31, 7, 3, 2, 1)
# Where sums of ones would overflow, all but one in so many entries are zeros.
THINNINGS = (4, 16, 64, 256, 1024, 4096)
# So many entries of a tensor are special: a few, since all that a NaN reaches is alike.
SPECIAL_COUNT = 4
# Special values by name, for each of the few places.
_SIGNS = np.array([1.0, -1.0, 1.0, -1.0])
SPECIAL: Mapping[str, Callable[[str], Array]] = {
    "nan": lambda _: np.nan * _SIGNS,
    "inf": lambda _: np.inf * np.abs(_SIGNS),
    "negative-inf": lambda _: -np.inf * np.abs(_SIGNS),
    "infinities": lambda _: np.inf * _SIGNS,
    "largest": lambda dtype: dtypes.largest(dtype) * _SIGNS,
}


@dataclass(frozen=True)
class Spread:
    """How large the integers of an exact fill are, and how thinly they are sown.

    Attributes:
        inputs: largest magnitude of inputs and tangents.
        state: of parameters.
        cotangent: of the cotangent.
        thin_inputs: one entry in so many of the inputs and tangents is no zero.
        thin_cotangent: the same of the cotangent.
    """

    inputs: int
    state: int
    cotangent: int
    thin_inputs: int = 1
    thin_cotangent: int = 1

    @property
    def sure(self) -> bool:
        """Whether the number of terms alone bounds every sum; else the sums have to be looked at."""
        return self.thin_inputs == self.thin_cotangent == 1


SUBNORMAL = "subnormal"
SMALLEST = Spread(1, 1, 1)


def spreads(terms: Mapping[str, Array], limit: int) -> Iterator[Spread]:
    """Spreads to try in turn, up to the first that is sure.

    Args:
        terms: how many products reach each element, for the outputs and each derivative.
        limit: what no sum of magnitudes may reach.
    """
    longest = {name: int(count.max(initial=0)) for name, count in terms.items()}
    outputs = max((count for name, count in longest.items() if "." not in name), default=0)
    derivatives = max((count for name, count in longest.items() if "." in name), default=0)
    fitting = [(x, w) for x, w in AMPLITUDES if outputs * x * w < limit]
    for x, w in fitting[:1]:
        for weighting in WEIGHTINGS:
            # Derivatives by an input are sums of w, which is no larger than x.
            if derivatives * x * weighting < limit:
                yield Spread(x, w, weighting)
                return
        yield from (Spread(x, w, 1, 1, thin) for thin in THINNINGS)
    yield from (Spread(1, 1, 1, thin, weighting) for thin in THINNINGS for weighting in (1, *THINNINGS))


def integers(case: Case, spread: Spread, shape: tuple[int, ...] | None) -> Tensors:
    """Integers for every tensor; int64. The cotangent has the shape of the output, if that is given."""

    def fill(name: str, extents: tuple[int, ...]) -> Array:
        largest, thin = spread.inputs, spread.thin_inputs
        if name == COTANGENT:
            largest, thin = spread.cotangent, spread.thin_cotangent
        elif name in {parameter.name for parameter in case.state}:
            largest, thin = spread.state, 1
        return inputs.integers(inputs.tensor_key(case.id, name, Lane.EXACT), extents, largest, thin)

    return filled(case, fill, shape)


def reals(case: Case, shape: tuple[int, ...] | None) -> Tensors:
    """Reals for every tensor; float64."""
    return filled(
        case, lambda name, extents: inputs.reals(inputs.tensor_key(case.id, name, Lane.ROUNDING), extents), shape
    )


def ones(case: Case, kind: type[np.generic], shape: tuple[int, ...] | None) -> Tensors:
    """Ones for every tensor, which a sum of products counts."""
    return filled(case, lambda _, extents: np.ones(extents, kind), shape)


def filled(case: Case, fill: Callable[[str, tuple[int, ...]], Array], shape: tuple[int, ...] | None) -> Tensors:
    """Every tensor filled by its name and shape; without a shape of the output nothing to differentiate by."""
    state = {parameter.name: fill(parameter.name, parameter.shape) for parameter in case.state}
    given = {name: fill(name, extents) for name, extents in case.inputs.items()}
    if shape is None or not case.derivatives or not case.align:
        return Tensors(given, state)
    tangents = {name: fill(tangent(name), extents) for name, extents in case.inputs.items()}
    return Tensors(given, state, fill(COTANGENT, shape), tangents if case.derivatives > 1 else {})


def specialised(case: Case, tensors: Tensors, dtype: str) -> Tensors:
    """The integers with the special values that the case asks for among them; float64 where there are some."""

    def change(name: str, whole: Array) -> Array:
        holds = case.fillings[name].holds if name in case.fillings else ""
        if not holds:
            return whole
        if holds == SUBNORMAL:  # all of them: among ordinary integers they would be lost in the first sum
            return whole * dtypes.smallest_subnormal(dtype_of(case, name, dtype))
        places = inputs.places(inputs.tensor_key(case.id, f"{name} special", Lane.EXACT), whole.size, SPECIAL_COUNT)
        mixed = whole.astype(np.float64)
        mixed.flat[places] = SPECIAL[holds](dtype_of(case, name, dtype))[: len(places)]
        return mixed

    return tensors.map_named(change)


def dtype_of(case: Case, name: str, dtype: str) -> str:
    """A tensor's dtype: its own, or the trial's."""
    own = case.fillings[name].dtype if name in case.fillings else ""
    return own or dtype


def given(case: Case, tensors: Tensors, dtype: str) -> Tensors:
    """Each tensor in the dtype that the sides get it in."""
    return tensors.map_named(lambda name, array: array.astype(dtypes.dtype(dtype_of(case, name, dtype))))
