"""Padding and convolution against the definition written out as loops over output positions; no framework."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.backends import convolution
from harness.backends.convolution import (
    Array,
    Geometry,
    bias_gradient,
    conv,
    conv_gradients,
    conv_transpose,
    conv_transpose_gradients,
    pad,
    pad_gradient,
    same_amounts,
    weight_gradient,
)


def integers(rng: np.random.Generator, *shape: int, peak: int = 9) -> Array:
    """Non-zero int64, so that no term of a sum may be dropped unnoticed."""
    magnitude = rng.integers(1, peak, shape, endpoint=True)
    return np.asarray(magnitude * rng.choice([-1, 1], shape), np.int64)


def naive_conv(x: Array, weight: Array, g: Geometry, bias: Array | None = None) -> Array:
    """Gather: each output position sums over the taps, in Python integers."""
    (n, _, *size), (co, split, *kernel) = x.shape, weight.shape
    out = []
    for i, k, s, d, (low, high) in zip(size, kernel, g.stride, g.dilation, g.padding, strict=True):
        # Counted rather than calculated: the starts from which the whole kernel stays inside.
        out.append(sum(1 for start in range(0, i + low + high, s) if start + d * (k - 1) < i + low + high))
    result = np.zeros((n, co, *out), object)
    for b, o in itertools.product(range(n), range(co)):
        first = o // (co // g.groups) * split
        for at in itertools.product(*map(range, out)):
            total = 0 if bias is None else int(bias[o])
            for tap in itertools.product(*map(range, kernel)):
                where = [
                    a * s + t * d - p[0] for a, t, s, d, p in zip(at, tap, g.stride, g.dilation, g.padding, strict=True)
                ]
                if all(0 <= w < i for w, i in zip(where, size, strict=True)):
                    for c in range(split):
                        total += int(x[(b, first + c, *where)]) * int(weight[(o, c, *tap)])
            result[(b, o, *at)] = total
    return result


def naive_transpose(y: Array, weight: Array, g: Geometry, extra: tuple[int, ...], bias: Array | None = None) -> Array:
    """Also by gathering: an output position sums the inputs and taps that land on it."""
    (n, ci, *size), (_, split, *kernel) = y.shape, weight.shape
    sides = zip(size, kernel, g.stride, g.dilation, g.padding, extra, strict=True)
    out = [(i - 1) * s - sum(p) + d * (k - 1) + e + 1 for i, k, s, d, p, e in sides]
    result = np.zeros((n, split * g.groups, *out), object)
    for b, o in itertools.product(range(n), range(split * g.groups)):
        group = range(o // split * (ci // g.groups), (o // split + 1) * (ci // g.groups))
        for at in itertools.product(*map(range, out)):
            total = 0 if bias is None else int(bias[o])
            for tap in itertools.product(*map(range, kernel)):
                numerators = [a + p[0] - t * d for a, t, d, p in zip(at, tap, g.dilation, g.padding, strict=True)]
                if all(m % s == 0 and 0 <= m // s < i for m, s, i in zip(numerators, g.stride, size, strict=True)):
                    where = [m // s for m, s in zip(numerators, g.stride, strict=True)]
                    total += sum(int(y[(b, c, *where)]) * int(weight[(c, o % split, *tap)]) for c in group)
            result[(b, o, *at)] = total
    return result


def random_geometry(rng: np.random.Generator, rank: int) -> tuple[Geometry, tuple[int, ...]]:
    def draw(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(v) for v in rng.integers(low, high, rank, endpoint=True))

    padding = tuple(zip(draw(0, 2), draw(0, 2), strict=True))
    return Geometry(draw(1, 3), padding, draw(1, 3), int(rng.integers(1, 3, endpoint=True))), draw(1, 4)


SEEDS = range(60)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_conv_is_the_sum_over_the_taps(rank: int, seed: int) -> None:
    rng = np.random.default_rng([rank, seed])
    g, kernel = random_geometry(rng, rank)
    size = [(k - 1) * d + 1 + int(rng.integers(0, 5 - rank)) for k, d in zip(kernel, g.dilation, strict=True)]
    ci, co = (g.groups * int(m) for m in rng.integers(1, 3, 2, endpoint=True))
    n = int(rng.integers(1, 2, endpoint=True)) if rank < 3 else 1
    x, w, b = integers(rng, n, ci, *size), integers(rng, co, ci // g.groups, *kernel), integers(rng, co)
    actual = conv(x, w, g, b)
    assert actual.dtype == np.int64
    np.testing.assert_array_equal(actual, naive_conv(x, w, g, b))
    np.testing.assert_array_equal(conv(x, w, g), naive_conv(x, w, g))


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_conv_transpose_is_the_sum_of_what_lands(rank: int, seed: int) -> None:
    rng = np.random.default_rng([7, rank, seed])
    g, kernel = random_geometry(rng, rank)
    size = [3 + int(rng.integers(0, 3)) for _ in range(rank)]
    extra = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(g.stride, g.dilation, strict=True))
    # A crop that leaves nothing is another test's matter.
    full = [
        (i - 1) * s + d * (k - 1) + e + 1
        for i, k, s, d, e in zip(size, kernel, g.stride, g.dilation, extra, strict=True)
    ]
    g = Geometry(
        g.stride, tuple(p if sum(p) < f else (0, 0) for p, f in zip(g.padding, full, strict=True)), g.dilation, g.groups
    )
    ci, co = (g.groups * int(m) for m in rng.integers(1, 3, 2, endpoint=True))
    y, w, b = integers(rng, 2, ci, *size), integers(rng, ci, co // g.groups, *kernel), integers(rng, co)
    actual = conv_transpose(y, w, g, b, extra)
    assert actual.dtype == np.int64
    np.testing.assert_array_equal(actual, naive_transpose(y, w, g, extra, b))
    np.testing.assert_array_equal(conv_transpose(y, w, g, None, extra), naive_transpose(y, w, g, extra))


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_conv_transpose_is_the_adjoint_of_conv(rank: int, seed: int) -> None:
    rng = np.random.default_rng([11, rank, seed])
    g, kernel = random_geometry(rng, rank)
    size = [(k - 1) * d + 1 + int(rng.integers(0, 4)) for k, d in zip(kernel, g.dilation, strict=True)]
    x, w = integers(rng, 2, 2 * g.groups, *size), integers(rng, 3 * g.groups, 2, *kernel)
    forward = conv(x, w, g)
    y = integers(rng, *forward.shape)
    # The output padding that the stride's remainder asks for brings the adjoint back to the input's size.
    padded = [s + sum(p) for s, p in zip(size, g.padding, strict=True)]
    extra = tuple((p - d * (k - 1) - 1) % s for p, k, d, s in zip(padded, kernel, g.dilation, g.stride, strict=True))
    back = conv_transpose(y, w, g, output_padding=extra)
    assert back.shape == x.shape
    assert int((forward * y).sum()) == int((x * back).sum())


def plain(rank: int, groups: int = 1, **fields: Any) -> Geometry:
    return Geometry(
        **{"stride": (1,) * rank, "padding": ((0, 0),) * rank, "dilation": (1,) * rank, **fields}, groups=groups
    )


@pytest.mark.parametrize("function", [conv, conv_transpose])
def test_integers_stay_exact_where_floats_would_round(function: Any) -> None:
    x = np.array([[[2**30 + 1, 1, 0]]], np.int64)
    w = np.array([[[2**31 - 1, 2]]], np.int64)
    b = np.array([3], np.int64)
    high = (2**30 + 1) * (2**31 - 1)
    expected = {
        conv: [high + 2 + 3, 2**31 - 1 + 3],
        conv_transpose: [high + 3, 2 * (2**30 + 1) + 2**31 - 1 + 3, 2 + 3, 3],
    }[function]
    assert int(float(high)) != high
    actual = function(x, w, plain(1), b)
    assert actual.dtype == np.int64 and actual.ravel().tolist() == expected


def spy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kind of the dtype of each tap's product, as it is computed."""
    kinds: list[str] = []
    product = convolution._product

    def noted(tap: Array, seen: Array) -> Array:
        kinds.append(seen.dtype.kind)
        return product(tap, seen)

    monkeypatch.setattr(convolution, "_product", noted)
    return kinds


@pytest.mark.parametrize("function", [conv, conv_transpose])
@pytest.mark.parametrize(("peak", "in_float"), [(2**12, True), (2**26, False)])
def test_large_work_multiplies_in_float64_only_if_exact(
    monkeypatch: pytest.MonkeyPatch, function: Any, peak: int, in_float: bool
) -> None:
    rng = np.random.default_rng(5)
    g = Geometry((2, 1), ((1, 0), (0, 2)), (1, 2), 2)
    x, w, b = integers(rng, 2, 4, 7, 6, peak=peak), integers(rng, 4, 2, 2, 3, peak=peak), integers(rng, 4, peak=2**60)
    expected = function(x, w, g, b)
    used = spy(monkeypatch)
    function(x, w, g, b)
    assert set(used) == {"i"}
    used.clear()
    monkeypatch.setattr(convolution, "LARGE_WORK", 0)
    actual = function(x, w, g, b)
    assert set(used) == {"f" if in_float else "i"}
    assert actual.dtype == np.int64
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("function", [conv, conv_transpose])
def test_work_is_counted_in_multiply_accumulates(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    rng = np.random.default_rng(1)
    x, w = integers(rng, 2, 4, 5), integers(rng, 4, 2, 3)
    # Both directions: batch x channels x positions x channels of the group x taps.
    work = 2 * 4 * (3 if function is conv else 5) * 2 * 3
    used = spy(monkeypatch)
    for limit in (work, work - 1):
        monkeypatch.setattr(convolution, "LARGE_WORK", limit)
        function(x, w, plain(1, groups=2))
    assert used == ["i"] * 3 + ["f"] * 3


@pytest.mark.parametrize("function", [conv, conv_transpose])
def test_integers_that_may_wrap_around_are_an_error(function: Any) -> None:
    x, w = np.full((1, 1, 4), 2**31, np.int64), np.full((1, 1, 2), 2**30, np.int64)
    assert function(x, w, plain(1)).max() == 2**62
    with pytest.raises(OverflowError, match="int64"):
        function(x, 2 * w, plain(1))
    with pytest.raises(OverflowError, match="int64"):
        function(x, w, plain(1), np.array([2**62], np.int64))
    with pytest.raises(OverflowError, match="int64"):
        function(np.array([[[-(2**63), 1, 1, 1]]], np.int64), np.ones((1, 1, 1), np.int64), plain(1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32])
@pytest.mark.parametrize("function", [conv, conv_transpose])
def test_the_dtype_is_kept(function: Any, dtype: type) -> None:
    x: Array = np.ones((1, 2, 5), dtype)
    w: Array = np.ones((2, 2, 2), dtype)
    b = np.zeros(2, np.int8)
    assert function(x, w, plain(1), b).dtype == dtype


@pytest.mark.parametrize("function", [conv, conv_transpose])
def test_reals_are_float64_sums(function: Any) -> None:
    x: Array = np.array([[[1.0, 2.0**-50, 0.0]]])
    w: Array = np.array([[[1.0, 1.0]]])
    assert function(x, w, plain(1))[0, 0, int(function is conv_transpose)] == 1 + 2.0**-50


def test_infinities_and_nan_pass_without_a_warning() -> None:
    x, w = np.array([[[np.inf, -np.inf, 1.0, 2.0]]]), np.ones((1, 1, 2))
    np.testing.assert_array_equal(conv(x, w, plain(1)), [[[np.nan, -np.inf, 3.0]]])
    np.testing.assert_array_equal(conv_transpose(x, w, plain(1)), [[[np.inf, np.nan, -np.inf, 3.0, 2.0]]])


@pytest.mark.parametrize("function", [conv, conv_transpose])
def test_an_empty_batch_gives_an_empty_batch(function: Any) -> None:
    assert function(np.zeros((0, 2, 5), np.int64), np.ones((2, 2, 2), np.int64), plain(1)).shape[0] == 0


X, W = np.ones((1, 4, 6), np.int64), np.ones((4, 2, 3), np.int64)
# What is wrong, and the start of the message that says so.
WRONG: dict[str, tuple[Array, Array, Geometry, str]] = {
    "more axes in the weight": (X, W[..., None], plain(1, 2), "input .* differ"),
    "no kernel": (X[..., 0], W[..., 0], plain(0, 2), "input .* differ"),
    "no channels": (np.ones(3), np.ones(3), plain(1), "input .* differ"),
    "channels": (X[:, :3], W, plain(1, 2), "input .* do not fit"),
    "groups": (X, W[:3], plain(1, 2), "input .* do not fit"),
    "channels in groups": (X[:, :3], W[:3, :1], plain(1, 2), "input .* do not fit"),
    "no groups": (X, W, plain(1, 0), "not positive"),
    "stride": (X, W, plain(1, 2, stride=(0,)), "not positive"),
    "strides": (X, W, plain(1, 2, stride=(1, 1)), "Geometry"),
    "geometry of a plane": (X, W, plain(2, 2), "Geometry"),
    "dilation": (X, W, plain(1, 2, dilation=(0,)), "not positive"),
    "padding": (X, W, plain(1, 2, padding=((-1, 0),)), "not positive"),
    "empty input": (X[..., :0], W, plain(1, 2, padding=((4, 4),)), "not positive"),
    "empty kernel": (X, W[..., :0], plain(1, 2), "not positive"),
    "integers beside reals": (X, W.astype(np.float64), plain(1, 2), ".* cannot be mixed"),
}


@pytest.mark.parametrize("function", [conv, conv_transpose])
@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_an_error(function: Any, case: str) -> None:
    assert function(X, W, plain(1, 2)).size
    *arguments, message = WRONG[case]
    with pytest.raises(ValueError, match=f"^{message}"):
        function(*arguments)


@pytest.mark.parametrize("function", [conv, conv_transpose])
def test_a_weight_whose_channels_do_not_split_into_groups_is_an_error(function: Any) -> None:
    x, w = (X[:, :2], W[:3, :1]) if function is conv else (X[:, :3], W[:3, :1])
    with pytest.raises(ValueError, match="do not fit in 2 groups"):
        function(x, w, plain(1, 2))


@pytest.mark.parametrize("function", [conv, conv_transpose])
@pytest.mark.parametrize("bias", [np.ones(1, np.int64), np.ones((4, 1), np.int64)])
def test_a_bias_of_another_shape_is_an_error(function: Any, bias: Array) -> None:
    with pytest.raises(ValueError, match="bias"):
        function(X, W, plain(1, 2), bias)


def test_a_kernel_that_reaches_too_far_is_an_error() -> None:
    assert conv(X, W, plain(1, 2, dilation=(3,), padding=((1, 0),))).shape == (1, 4, 1)
    with pytest.raises(ValueError, match="kernel"):
        conv(X, W, plain(1, 2, dilation=(3,)))


@pytest.mark.parametrize("extra", [(2,), (-1,), (0, 0)])
def test_output_padding_is_smaller_than_stride_or_dilation(extra: tuple[int, ...]) -> None:
    for geometry in (plain(1, 2, stride=(2,)), plain(1, 2, dilation=(2,))):
        assert conv_transpose(X, W, geometry, output_padding=(1,)).size
        with pytest.raises(ValueError, match="output padding"):
            conv_transpose(X, W, geometry, output_padding=extra)


def test_a_crop_that_leaves_nothing_is_an_error() -> None:
    assert conv_transpose(X, W, plain(1, 2, padding=((3, 4),))).shape == (1, 4, 1)
    with pytest.raises(ValueError, match="nothing"):
        conv_transpose(X, W, plain(1, 2, padding=((4, 4),)))


def test_beyond_the_scatter_is_only_the_bias() -> None:
    y, w = np.array([[[5, 6]]], np.int64), np.array([[[2]]], np.int64)
    out = conv_transpose(y, w, plain(1, stride=(3,)), np.array([100], np.int64), (2,))
    assert out.tolist() == [[[110, 100, 100, 112, 100, 100]]]


PADDED = {
    ("constant", 2, 3): [8, 8, 1, 2, 3, 4, 8, 8, 8],
    ("constant", -1, 2): [2, 3, 4, 8, 8],
    ("constant", 2, -3): [8, 8, 1],
    ("constant", -4, 1): [8],
    ("constant", -1, -3): [],
    ("reflect", 2, 3): [3, 2, 1, 2, 3, 4, 3, 2, 1],
    ("reflect", 0, 1): [1, 2, 3, 4, 3],
    ("replicate", 2, 5): [1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4],
    ("circular", 2, 3): [3, 4, 1, 2, 3, 4, 1, 2, 3],
    ("circular", 4, 0): [1, 2, 3, 4, 1, 2, 3, 4],
}


@pytest.mark.parametrize(("mode", "low", "high"), PADDED)
def test_pad_along_each_axis(mode: str, low: int, high: int) -> None:
    row, expected = np.arange(1, 5), np.array(PADDED[mode, low, high], np.int64)
    np.testing.assert_array_equal(pad(row, [(low, high)], mode, 8), expected, strict=True)
    square = np.broadcast_to(row, (2, 3, 4))
    # The order of the axes: the column is padded, and the row is not.
    padded = pad(square.swapaxes(1, 2), [(low, high), (0, 0)], mode, 8)
    np.testing.assert_array_equal(padded, np.broadcast_to(expected[:, None], (2, expected.size, 3)), strict=True)


def test_pad_fills_corners_axis_after_axis() -> None:
    x = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(pad(x, [(1, 0), (0, 1)], "reflect"), [[3, 4, 5, 4], [0, 1, 2, 1], [3, 4, 5, 4]])
    np.testing.assert_array_equal(pad(x, [(1, 0), (0, 1)], value=7), [[7, 7, 7, 7], [0, 1, 2, 7], [3, 4, 5, 7]])


@pytest.mark.parametrize(
    ("mode", "amounts", "message"),
    [
        *[("reflect", (4, 0), "longer"), ("reflect", (0, 4), "longer"), ("mirror", (1, 1), "none of")],
        *[("circular", (5, 0), "longer"), ("circular", (0, 5), "longer"), ("constant", (-2, -3), "negative length")],
        *[("constant", (-5, 6), "crops"), ("constant", (6, -5), "crops"), ("constant", (4, -7), "crops")],
    ],
)
def test_pad_rejects_what_the_axis_cannot_give(mode: str, amounts: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pad(np.arange(4), [amounts], mode)


def test_pad_needs_its_axes_and_something_to_repeat() -> None:
    with pytest.raises(ValueError, match="axes"):
        pad(np.arange(4), [(0, 0), (0, 0)])
    for mode in ("reflect", "replicate", "circular"):
        with pytest.raises(ValueError, match="longer"):
            pad(np.zeros(0), [(0, 1)], mode)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_cropping_is_defined_for_constant_only(mode: str) -> None:
    with pytest.raises(NotImplementedError, match="negative"):
        pad(np.arange(4), [(-1, 2)], mode)


@pytest.mark.parametrize("value", [0.5, 2**63, float("inf"), float("nan")])
def test_a_value_that_the_dtype_cannot_hold_is_not_rounded(value: float) -> None:
    with pytest.raises(NotImplementedError, match="int64"):
        pad(np.arange(4), [(1, 1)], value=value)
    np.testing.assert_array_equal(pad(np.zeros(1), [(1, 0)], value=value), [float(value), 0.0])


def test_same_puts_the_odd_zero_at_the_end() -> None:
    assert same_amounts((1, 2, 3, 4, 2), (5, 1, 1, 1, 3)) == ((0, 0), (0, 1), (1, 1), (1, 2), (1, 2))


# -- derivatives, by what each element alone adds to the weighted sum --------------------------------------------------


def one_by_one(linear: Callable[[Array], Array], shape: tuple[int, ...], gradient: Array) -> Array:
    """sum(gradient * linear(unit)) for each unit array; exact, in integers."""
    found = np.zeros(shape, np.int64)
    for place in np.ndindex(shape):
        unit = np.zeros(shape, np.int64)
        unit[place] = 1
        found[place] = (gradient * linear(unit)).sum()
    return found


def unpadded(g: Geometry) -> Geometry:
    return Geometry(g.stride, ((0, 0),) * len(g.stride), g.dilation, g.groups)


GRADIENT_SEEDS = range(25)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("seed", GRADIENT_SEEDS)
def test_the_derivatives_of_conv_are_what_each_element_adds(rank: int, seed: int) -> None:
    rng = np.random.default_rng([13, rank, seed])
    g, kernel = random_geometry(rng, rank)
    g = unpadded(g)
    # Up to the stride's remainder of positions that no window reaches.
    size = [(k - 1) * d + 1 + int(rng.integers(0, 4)) for k, d in zip(kernel, g.dilation, strict=True)]
    x, w = integers(rng, 2, 2 * g.groups, *size), integers(rng, 3 * g.groups, 2, *kernel)
    gradient = integers(rng, *conv(x, w, g).shape)
    by_x, by_weight = conv_gradients(x, w, g, gradient)
    assert by_x.dtype == by_weight.dtype == np.int64
    np.testing.assert_array_equal(by_x, one_by_one(lambda unit: conv(unit, w, g), x.shape, gradient), strict=True)
    np.testing.assert_array_equal(by_weight, one_by_one(lambda unit: conv(x, unit, g), w.shape, gradient), strict=True)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("seed", GRADIENT_SEEDS)
def test_the_derivatives_of_conv_transpose_are_what_each_element_adds(rank: int, seed: int) -> None:
    rng = np.random.default_rng([17, rank, seed])
    g, kernel = random_geometry(rng, rank)
    size = [2 + int(rng.integers(0, 3)) for _ in range(rank)]
    # The longest or the next to it: beyond the stride where the dilation is larger.
    extra = tuple(max(0, max(s, d) - 1 - int(rng.integers(0, 2))) for s, d in zip(g.stride, g.dilation, strict=True))
    sides = zip(size, kernel, g.stride, g.dilation, extra, strict=True)
    full = [(i - 1) * s + d * (k - 1) + e + 1 for i, k, s, d, e in sides]
    crops = tuple(p if sum(p) < f else (0, 0) for p, f in zip(g.padding, full, strict=True))
    g = Geometry(g.stride, crops, g.dilation, g.groups)
    y, w = integers(rng, 2, 2 * g.groups, *size), integers(rng, 2 * g.groups, 3, *kernel)
    gradient = integers(rng, *conv_transpose(y, w, g, None, extra).shape)
    by_y, by_weight = conv_transpose_gradients(y, w, g, gradient)
    np.testing.assert_array_equal(
        by_y, one_by_one(lambda unit: conv_transpose(unit, w, g, None, extra), y.shape, gradient), strict=True
    )
    np.testing.assert_array_equal(
        by_weight, one_by_one(lambda unit: conv_transpose(y, unit, g, None, extra), w.shape, gradient), strict=True
    )


def test_an_output_padding_beyond_the_stride_has_room_for_windows_without_an_entry() -> None:
    g, extra = Geometry((1,), ((0, 0),), (3,)), (2,)
    y, w = np.arange(1, 4).reshape(1, 1, 3), np.array([[[2, 5]]])
    gradient = np.arange(1, 1 + conv_transpose(y, w, g, None, extra).size).reshape(1, 1, -1)
    by_y, by_weight = conv_transpose_gradients(y, w, g, gradient)
    # The kernel's two taps lie three apart: y's entry at p goes to p with 2 and to p + 3 with 5.
    assert by_y.tolist() == [[[2 * 1 + 5 * 4, 2 * 2 + 5 * 5, 2 * 3 + 5 * 6]]]
    assert by_weight.tolist() == [[[1 + 2 * 2 + 3 * 3, 4 + 2 * 5 + 3 * 6]]]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("amounts", [((0, 0), (0, 0)), ((1, 2), (2, 0)), ((2, 1), (0, 3)), ((0, 2), (3, 3))])
def test_the_derivative_of_pad_collects_what_was_taken(mode: str, amounts: tuple[tuple[int, int], ...]) -> None:
    shape = (2, 3, 4)  # the first axis is not padded
    gradient = integers(np.random.default_rng(19), *pad(np.zeros(shape, np.int64), amounts, mode).shape)
    found = pad_gradient(shape, amounts, mode, gradient)
    expected = one_by_one(lambda unit: pad(unit, amounts, mode), shape, gradient)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("amounts", [((-1, 0), (2, -2)), ((-1, -1), (-3, 1)), ((0, -2), (0, 0))])
def test_the_derivative_of_a_crop_is_zero_where_it_was_cropped(amounts: tuple[tuple[int, int], ...]) -> None:
    shape = (2, 3, 4)
    gradient = integers(np.random.default_rng(23), *pad(np.zeros(shape, np.int64), amounts).shape)
    expected = one_by_one(lambda unit: pad(unit, amounts), shape, gradient)
    assert not expected.all()
    np.testing.assert_array_equal(pad_gradient(shape, amounts, "constant", gradient), expected, strict=True)


def test_derivatives_that_may_wrap_around_are_an_error() -> None:
    huge, one, g = np.full((1, 1, 4), 2**62), np.ones((1, 1, 1), np.int64), plain(1)
    with pytest.raises(OverflowError, match="may not fit into int64"):
        weight_gradient(huge, np.ones((1, 1, 4), np.int64), g, (1,))
    with pytest.raises(OverflowError, match="may not fit into int64"):
        conv_gradients(one.repeat(4, 2), one, g, huge * 2 - 1 + huge)
    with pytest.raises(OverflowError, match="may not fit into int64"):
        conv_transpose_gradients(one.repeat(4, 2), 4 * one, g, huge)


def test_collected_derivatives_that_may_wrap_around_are_an_error() -> None:
    huge = np.full((1, 2, 4), 2**62)
    with pytest.raises(OverflowError, match="sums of 8 terms may not fit into int64"):
        bias_gradient(huge, 1)
    with pytest.raises(OverflowError, match="sums of 4 terms may not fit into int64"):
        pad_gradient((1, 2, 2), ((1, 1),), "replicate", huge)
    assert pad_gradient((1, 2, 2), ((1, 1),), "constant", huge).tolist() == huge[..., 1:3].tolist()


@pytest.mark.parametrize(("peak", "in_float"), [(2**12, True), (2**26, False)])
def test_the_weights_derivative_multiplies_in_float64_only_if_it_is_much_and_exact(
    monkeypatch: pytest.MonkeyPatch, peak: int, in_float: bool
) -> None:
    rng, g = np.random.default_rng(29), Geometry((2, 1), ((0, 0),) * 2, (1, 2), 2)
    x, w = integers(rng, 2, 4, 7, 6, peak=peak), integers(rng, 4, 2, 2, 3, peak=9)
    gradient = integers(rng, *conv(x, w, g).shape, peak=peak)
    places = gradient[0, 0].size
    work = 2 * 4 * places * 4 // 2 * 6
    used, expected = spy(monkeypatch), weight_gradient(x, gradient, g, (2, 3))
    assert set(used) == {"i"}
    for limit, kind in ((work, "i"), (work - 1, "f" if in_float else "i")):
        used.clear()
        monkeypatch.setattr(convolution, "LARGE_WORK", limit)
        np.testing.assert_array_equal(weight_gradient(x, gradient, g, (2, 3)), expected, strict=True)
        assert used == [kind] * 6


def test_infinities_in_derivatives_pass_without_a_warning() -> None:
    x = np.array([[[np.inf, 1.0, -np.inf]]])
    by_x, by_weight = conv_gradients(x, np.array([[[0.0]]]), plain(1), np.ones((1, 1, 3)))
    assert np.isnan(by_weight).all()
    assert by_x.tolist() == [[[0.0, 0.0, 0.0]]]
