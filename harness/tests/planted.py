"""Examples of each kind of difference, planted into arrays of several shapes, in both lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.diagnosis import Evidence
from harness.model import Array

BOUND = 1e-5
WHOLE = slice(None)


@dataclass(frozen=True)
class Ground:
    """What is planted into: an array, and how its values came to be.

    Attributes:
        truth: what the reference should give.
        bias: its part of it.
        tensor: its name.
        rounds: whether both sides err, within the bound.
    """

    truth: Array
    bias: Array
    tensor: str = "output"
    rounds: bool = False

    def evidence(self, actual: Array) -> Evidence:
        """The two sides' arrays, erring if they are of reals, with what the adjudicator knows."""
        truth, unbiased = self.truth, self.truth - self.bias
        names: dict[str, Any] = {"tensor": self.tensor, "subject": "MindSpore", "reference": "torch"}
        if not self.rounds:
            sides = Evidence(actual.astype(np.float32), truth.astype(np.float32), **names)
            return replace(sides, truth=truth.astype(np.int64), unbiased=unbiased.astype(np.int64))
        errors = np.random.default_rng(3)
        mine, theirs = (
            array + (array != 0) * errors.uniform(-0.9, 0.9, array.shape) * BOUND for array in (actual, truth)
        )
        sides = Evidence(mine.astype(np.float32), theirs.astype(np.float32), **names)
        bound = np.full(truth.shape, BOUND)
        return replace(sides, truth=truth, unbiased=unbiased.astype(np.float32), bound=bound)


def ground(shape: tuple[int, ...], how: str, tensor: str = "output", seed: int = 0) -> Ground:
    """``whole`` or ``sparse`` integers, or ``real`` numbers; with a bias where there are channels."""
    rng = np.random.default_rng(seed)
    channels = (1, shape[1], *(1 for _ in shape[2:])) if len(shape) > 1 else (1,)
    if how == "real":
        return Ground(rng.standard_normal(shape), rng.standard_normal(channels), tensor, True)
    values = rng.integers(1, 900, shape) * rng.choice([-1, 1], shape)
    if how == "sparse":
        kept = np.zeros(shape, bool)
        kept[(..., *(slice(None, None, 2) for _ in shape[2:]))] = True
        values = values * kept
    return Ground(values.astype(np.float64), rng.integers(100, 200, channels).astype(np.float64), tensor)


GROUNDS = {
    f"{tensor}-{'x'.join(map(str, shape))}-{how}": ground(shape, how, tensor)
    for shape, tensor in [
        ((2, 6, 9, 11), "output"),
        ((2, 6, 15), "output"),
        ((8, 6, 5, 7), "grad.weight"),
        ((2, 6, 5, 6, 7), "grad.x"),
    ]
    for how in ("whole", "sparse", "real")
}
FLAT = {
    f"{len(shape)}-d-{how}": ground(shape, how, "grad.bias") for shape in ((8,), (5, 8)) for how in ("whole", "real")
}
EVERY = GROUNDS | FLAT


def pad(array: Array, axis: int, before: int, after: int, fill: float = 0) -> Array:
    return np.pad(
        array, [(before, after) if each == axis else (0, 0) for each in range(array.ndim)], constant_values=fill
    )


def rolled(array: Array, *amounts: tuple[int, int], fill: float | None = None) -> Array:
    """Moved on by each amount along each axis; what enters is what left, or the filling."""
    for axis, by in amounts:
        array = np.roll(array, by, axis)
        if fill is not None:
            np.moveaxis(array, axis, 0)[slice(0, by) if by >= 0 else slice(by, None)] = fill
    return array


def at_border(array: Array, value: Array | float, *places: tuple[int, slice]) -> Array:
    made = array.copy()
    values = np.broadcast_to(np.asarray(value, float), array.shape)
    for axis, part in places:
        np.moveaxis(made, axis, 0)[part] = np.moveaxis(values, axis, 0)[part]
    return made


def not_finite(array: Array, value: float, *at: Any) -> Array:
    made = array.copy()
    made[(..., *at)] = value
    return made


LAST, START, TWO = slice(-1, None), slice(0, 1), slice(-2, None)
Plant = Callable[[Ground], Array]
# Plants that need axes after the channels.
SPATIAL: Mapping[tuple[str, str], Plant] = {
    ("flipped", "last"): lambda g: np.flip(g.truth, -1),
    ("flipped", "all"): lambda g: np.flip(g.truth, tuple(range(2, g.truth.ndim))),
    ("shifted", "by one, zeros"): lambda g: rolled(g.truth, (g.truth.ndim - 1, 1), fill=0),
    ("shifted", "by minus two"): lambda g: rolled(g.truth, (2, -2), fill=7),
    ("shifted", "round"): lambda g: rolled(g.truth, (2, 1)),
    ("shifted", "each"): lambda g: rolled(g.truth, *((axis, 1) for axis in range(2, g.truth.ndim)), fill=0),
    ("cropped", "end"): lambda g: g.truth[..., :-1],
    ("cropped", "start"): lambda g: g.truth[:, :, 1:],
    ("cropped", "both"): lambda g: g.truth[:, :, 1:-2],
    ("extended", "end"): lambda g: pad(g.truth, g.truth.ndim - 1, 0, 2),
    ("extended", "start"): lambda g: pad(g.truth, 2, 1, 0, 5),
    ("resized", "moved"): lambda g: pad(g.truth, 2, 2, 0)[:, :, :-1],
    ("resized", "nothing in common"): lambda g: np.flip(g.truth, 2)[..., :-1],
    ("border_zero", "end"): lambda g: at_border(g.truth, 0, (2, LAST)),
    ("border_zero", "two ends"): lambda g: at_border(g.truth, 0, (2, START), (g.truth.ndim - 1, TWO)),
    ("border_bias", "start"): lambda g: at_border(g.truth, g.bias, (2, START)),
    ("border_bias", "two"): lambda g: at_border(g.truth, g.bias, (g.truth.ndim - 1, TWO)),
    ("border", "end"): lambda g: at_border(g.truth, 3 * g.truth[::-1] + 1, (2, LAST)),
    ("border", "both"): lambda g: at_border(g.truth, 3 * g.truth[::-1] + 1, (2, START), (2, LAST)),
    ("other", "an element inside"): lambda g: not_finite(g.truth, 1, *(extent // 2 for extent in g.truth.shape[2:])),
    ("other", "a slab inside"): lambda g: at_border(g.truth, 1, (2, slice(g.truth.shape[2] // 2, None, g.truth.size))),
}
# Plants that need channels with more than one element each.
CHANNELLED: Mapping[tuple[str, str], Plant] = {
    ("bias_missing", "subject"): lambda g: g.truth - g.bias,
    ("bias_doubled", "subject"): lambda g: g.truth + g.bias,
    ("scaled", "by channel"): lambda g: g.truth * np.arange(2, 2 + g.truth.shape[1]).reshape(g.bias.shape),
    ("offset", "by channel"): lambda g: g.truth + 3 * np.arange(g.truth.shape[1]).reshape(g.bias.shape),
    ("groups", "swapped"): lambda g: np.roll(g.truth, g.truth.shape[1] // 2, 1),
    ("groups", "three or four"): lambda g: g.truth[:, blocks(g.truth.shape[1], 2)],
    ("shuffled", "two"): lambda g: g.truth[:, np.arange(g.truth.shape[1]).reshape(2, -1).T.ravel()],
    ("permuted", "reversed"): lambda g: g.truth[:, ::-1],
    ("permuted", "two swapped"): lambda g: g.truth[:, [3, 1, 2, 0, *range(4, g.truth.shape[1])]],
    ("permuted", "first axis"): lambda g: g.truth[[1, 0, *range(2, len(g.truth))]],
}
ANYWHERE: Mapping[tuple[str, str], Plant] = {
    ("zeros", "all"): lambda g: g.truth * 0,
    ("negated", "all"): lambda g: -g.truth,
    ("rank", "one more"): lambda g: g.truth[None],
    ("rank", "one less"): lambda g: g.truth.reshape((*g.truth.shape[:-2], -1)) if g.truth.ndim > 1 else g.truth[None],
    ("scaled", "by three"): lambda g: g.truth * 3,
    ("scaled", "by a half"): lambda g: g.truth / 2,
    ("offset", "all"): lambda g: g.truth + 300,
    ("nonfinite", "one NaN"): lambda g: not_finite(g.truth, np.nan, 2),
    ("nonfinite", "some inf"): lambda g: np.where(np.abs(g.truth) > np.quantile(np.abs(g.truth), 0.8), np.inf, g.truth),
    ("other", "another draw"): lambda g: (
        np.random.default_rng(99).permutation(g.truth.ravel() * 2 + 1).reshape(g.truth.shape)
    ),
    ("other", "squared"): lambda g: g.truth**2 + 1,
    ("other", "noise"): lambda g: g.truth + np.random.default_rng(98).integers(1, 99, g.truth.shape),
    ("other", "one in three"): lambda g: np.where(
        np.arange(g.truth.size).reshape(g.truth.shape) % 3, g.truth, g.truth**2 + 1
    ),
}


def blocks(count: int, size: int) -> Array:
    """Neighbours moved together: the blocks' order is the one before."""
    return np.roll(np.arange(count).reshape(-1, size), 1, axis=0).ravel()


def planted() -> Iterator[tuple[str, str, Evidence]]:
    """Kind, name and evidence of every example."""
    for place, ground in EVERY.items():
        plants = dict(ANYWHERE)
        if ground.truth.ndim > 1:
            plants |= CHANNELLED
        if ground.truth.ndim > 2:
            plants |= SPATIAL
        for (kind, name), plant in plants.items():
            yield kind, f"{kind}: {name}: {place}", ground.evidence(plant(ground))
    yield from other_dtypes()
    yield from other_orders()


def other_dtypes() -> Iterator[tuple[str, str, Evidence]]:
    """What only reals, or both sides as they are, can show."""
    for place, ground in EVERY.items():
        exact = ground.evidence(ground.truth)
        theirs = exact.expected
        yield "agreed", f"agreed: {place}", replace(exact, actual=theirs.copy())
        if ground.truth.ndim > 1:
            lacking = ground.evidence(ground.truth - ground.bias)
            yield (
                "bias_missing",
                f"bias_missing: reference: {place}",
                replace(lacking, actual=theirs, expected=lacking.actual),
            )
        if ground.rounds:
            ulps = np.random.default_rng(5).integers(-3, 4, theirs.shape) * np.finfo(np.float32).eps
            yield (
                "rounding",
                f"rounding: ulps: {place}",
                replace(exact, actual=(theirs * (1 + ulps)).astype(np.float32), bound=None),
            )
            yield "rounding", f"rounding: 1.5 bounds: {place}", replace(exact, actual=(theirs + np.float32(3 * BOUND)))
            yield (
                "cast",
                f"cast: float16: {place}",
                replace(exact, actual=theirs.astype(np.float16).astype(np.float32), bound=None),
            )
            half = (theirs.astype(np.float16) * np.float16(1.002)).astype(np.float32)
            yield "cast", f"cast: computed in float16: {place}", replace(exact, actual=half)
            large = replace(exact, expected=theirs * 100, truth=None, unbiased=None)
            yield "cast", f"cast: bfloat16: {place}", replace(large, actual=bfloat16(large.expected), bound=None)
            yield "cast", f"cast: cut off: {place}", replace(large, actual=np.trunc(large.expected), bound=None)
            yield "cast", f"cast: to whole: {place}", replace(large, actual=np.rint(large.expected), bound=None)


def bfloat16(array: Array) -> Array:
    """Rounded to nearest, ties to even, on the bits."""
    bits = array.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def other_orders() -> Iterator[tuple[str, str, Evidence]]:
    """Axes in another order, of equal and of unequal extents."""
    for how in ("whole", "real"):
        for name, shape, axes in [
            ("height and width", (2, 6, 9, 9), (0, 1, 3, 2)),
            ("height and width, unequal", (2, 6, 9, 11), (0, 1, 3, 2)),
            ("weights", (6, 6, 3, 3), (1, 0, 2, 3)),
            ("weights, unequal", (6, 4, 3, 3), (1, 0, 2, 3)),
            ("channels last", (2, 6, 9, 11), (0, 2, 3, 1)),
            ("matrix", (5, 5), (1, 0)),
        ]:
            square = ground(shape, how)
            yield "transposed", f"transposed: {name}: {how}", square.evidence(np.transpose(square.truth, axes))


EXAMPLES = list(planted())
