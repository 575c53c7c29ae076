"""Padding, convolution and its adjoint by definition, in NumPy alone and in any number of spatial axes.

Integers stay integers: a result is either exact or an error, never rounded and never wrapped around. The formulas
are those of the torch documentation pages ``torch.nn.Conv1d``, ``Conv2d``, ``ConvTranspose1d``, ``ConvTranspose2d``
and ``torch.nn.functional.pad``; there is no code of any framework behind them.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

Array = np.ndarray[Any, Any]
Pairs = tuple[tuple[int, int], ...]

# Multiply-accumulates above which NumPy's integer matmul, which has no BLAS, takes too long to wait for.
LARGE_WORK = 200_000_000
# float64 holds every integer up to here, so a sum that cannot exceed it is exact in any order.
EXACT_IN_FLOAT64 = 2**53


@dataclass(frozen=True)
class Geometry:
    """How a kernel moves over its input; every field has one entry for each spatial axis, in axis order.

    Attributes:
        stride: step between neighbouring windows, at least 1.
        padding: zeros before and after the axis, not negative; for the adjoint, what is cropped off its result.
        dilation: distance between neighbouring taps, at least 1.
        groups: number of channel groups that do not see each other.
    """

    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int = 1


def pad(x: Array, amounts: Sequence[tuple[int, int]], mode: str = "constant", value: float = 0) -> Array:
    """Pad the last ``len(amounts)`` axes, as on the page ``torch.nn.functional.pad``.

    Args:
        x: any shape and dtype.
        amounts: positions to add (before, after) each of the last axes, in axis order. Negative ones crop, in mode
            ``constant`` only.
        mode: ``constant``, ``reflect`` (the border is not repeated), ``replicate`` or ``circular``.
        value: what ``constant`` fills with.

    Returns:
        an array of x's dtype; each padded axis is as long as the axis and both its amounts together.

    Raises:
        ValueError: unknown mode, too few axes, more cropped than there is, or an axis too short for the mode: reflect
            takes less than its length at either end, circular at most its length, both and replicate not an empty one.
        NotImplementedError: a negative amount in another mode than ``constant``, which the page does not define, or
            a value that x's dtype cannot hold.
    """
    if mode not in ("constant", *_SOURCES):
        raise ValueError(f"padding mode {mode!r} is none of constant, {', '.join(_SOURCES)}")
    if x.ndim < len(amounts):
        raise ValueError(f"{len(amounts)} axes to pad, but the input has {x.ndim}")
    lengths = [size + sum(pair) for size, pair in zip(x.shape[x.ndim - len(amounts) :], amounts)]
    if any(length < 0 for length in lengths):
        raise ValueError(f"padding {tuple(amounts)} leaves a negative length of the shape {x.shape}")
    if mode == "constant":
        return _pad_constant(x, amounts, lengths, value)
    for axis, pair in enumerate(amounts, x.ndim - len(amounts)):
        x = np.take(x, _source_positions(x.shape[axis], pair, mode), axis=axis)
    return x


def same_amounts(kernel: Sequence[int], dilation: Sequence[int]) -> Pairs:
    """The zeros of ``padding='same'`` (page ``torch.nn.Conv2d``): where the total is odd, the end gets one more."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation)]
    return tuple((total // 2, total - total // 2) for total in totals)


@np.errstate(invalid="ignore", over="ignore")  # infinities and NaN are data here, nothing to warn about
def conv(x: Array, weight: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    r"""Cross-correlation with zero padding, as on the pages ``torch.nn.Conv1d`` and ``torch.nn.Conv2d``.

    Args:
        x: (n, ci, \*size).
        weight: (co, ci / groups, \*kernel).
        geometry: how the kernel moves.
        bias: (co,), or None.

    Returns:
        (n, co, \*out) with out = (size + before + after - dilation * (kernel - 1) - 1) // stride + 1, in the dtype
        that NumPy promotes the arguments to.

    Raises:
        ValueError: shapes or geometry that do not fit together, or integers and reals that do not mix exactly.
        OverflowError: integers that may not fit into their own dtype.
    """
    kernel, groups = _check(x, weight, geometry)
    x = pad(x, geometry.padding) if any(map(any, geometry.padding)) else x
    reach = _reach(kernel, geometry)
    if any(size < length for size, length in zip(x.shape[2:], reach)):
        raise ValueError(f"the kernel reaches over {reach}, more than the padded input's {x.shape[2:]}")
    out = tuple((size - r) // s + 1 for size, r, s in zip(x.shape[2:], reach, geometry.stride))
    n, ci, co = x.shape[0], x.shape[1], weight.shape[0]
    terms = ci // groups * math.prod(kernel)
    final, working = _dtypes(x, weight, bias, terms, work=n * co * math.prod(out) * terms)
    x = x.astype(working, copy=False)
    w = weight.astype(working).reshape(groups, co // groups, ci // groups, *kernel)
    total = np.zeros((n, groups, co // groups, math.prod(out)), working)
    for tap in itertools.product(*map(range, kernel)):
        seen = x[_last_axes(_window(tap, out, geometry))].reshape(n, groups, ci // groups, math.prod(out))
        total += _product(w[_last_axes(tap)], seen)
    return _add_bias(total.reshape(n, co, *out).astype(final, copy=False), bias)


@np.errstate(invalid="ignore", over="ignore")  # infinities and NaN are data here, nothing to warn about
def conv_transpose(
    y: Array,
    weight: Array,
    geometry: Geometry,
    bias: Array | None = None,
    output_padding: Sequence[int] | None = None,
) -> Array:
    r"""The adjoint of :func:`conv` in its first argument, as on the page ``torch.nn.ConvTranspose2d``.

    Every input position is scattered, times the kernel, over a canvas that starts with zeros; then the padding is
    cropped off. The output padding lengthens the canvas at its end, where the scatter may or may not reach.

    Args:
        y: (n, ci, \*size).
        weight: (ci, co / groups, \*kernel).
        geometry: that of the convolution whose adjoint this is.
        bias: (co,), added at every position; or None.
        output_padding: one for each spatial axis, smaller than the larger of stride and dilation. None: zeros.

    Returns:
        (n, co, \*out) with out = (size - 1) * stride - before - after + dilation * (kernel - 1) + output_padding + 1,
        in the dtype that NumPy promotes the arguments to.

    Raises:
        ValueError, OverflowError: as :func:`conv`; ValueError also for an output padding that is too large.
    """
    kernel, groups = _check(y, weight, geometry, transposed=True)
    extra = (0,) * len(kernel) if output_padding is None else tuple(output_padding)
    _check_output_padding(extra, geometry)
    size, reach = y.shape[2:], _reach(kernel, geometry)
    canvas = tuple((i - 1) * s + r + e for i, s, r, e in zip(size, geometry.stride, reach, extra))
    keep = tuple(slice(low, full - high) for full, (low, high) in zip(canvas, geometry.padding))
    if any(part.stop <= part.start for part in keep):
        raise ValueError(f"padding {geometry.padding} leaves nothing of the output {canvas}")
    n, ci, split = y.shape[0], y.shape[1], weight.shape[1]
    terms = ci // groups * math.prod(kernel)
    final, working = _dtypes(y, weight, bias, terms, work=n * groups * split * math.prod(size) * terms)
    # Channels in and out are swapped against the forward weight: each tap maps the group's inputs to its outputs.
    w = weight.astype(working).reshape(groups, ci // groups, split, *kernel).swapaxes(1, 2)
    seen = y.astype(working).reshape(n, groups, ci // groups, math.prod(size))
    total = np.zeros((n, groups * split, *canvas), working)
    for tap in itertools.product(*map(range, kernel)):
        total[_last_axes(_window(tap, size, geometry))] += _product(w[_last_axes(tap)], seen).reshape(
            n, groups * split, *size
        )
    return _add_bias(total[_last_axes(keep)].astype(final), bias)


@np.errstate(invalid="ignore", over="ignore")  # infinities and NaN are data here, nothing to warn about
def weight_gradient(big: Array, small: Array, geometry: Geometry, kernel: Sequence[int]) -> Array:
    r"""The derivative of sum(small * conv(big, weight)) by the weight: each tap sums what it multiplied.

    Args:
        big: (n, ci, \*size), what the kernel moves over.
        small: (n, co, \*out), an entry for each place of the kernel.
        geometry: how the kernel moves; it pads nothing.
        kernel: the kernel's extents.

    Returns:
        (co, ci / groups, \*kernel), in the dtype that NumPy promotes the arguments to.

    Raises:
        OverflowError: integers that may not fit into their own dtype.
    """
    n, ci, co, groups = big.shape[0], big.shape[1], small.shape[1], geometry.groups
    out, places = small.shape[2:], math.prod(small.shape[2:])
    final, working = _dtypes(big, small, None, n * places, work=n * co * places * ci // groups * math.prod(kernel))
    left = small.astype(working).reshape(n, groups, co // groups, places)
    seen, total = big.astype(working, copy=False), np.zeros((groups, co // groups, ci // groups, *kernel), working)
    for tap in itertools.product(*map(range, kernel)):
        right = seen[_last_axes(_window(tap, out, geometry))].reshape(n, groups, ci // groups, places)
        total[_last_axes(tap)] = _product(left, right.swapaxes(-1, -2)).sum(axis=0)
    return total.reshape(co, ci // groups, *kernel).astype(final, copy=False)


def conv_gradients(x: Array, weight: Array, geometry: Geometry, gradient: Array) -> tuple[Array, Array]:
    r"""The derivatives of sum(gradient * conv(x, weight)) by x and by the weight; nothing is padded.

    Args:
        x: (n, ci, \*size).
        weight: (co, ci / groups, \*kernel).
        geometry: that of the convolution, without padding.
        gradient: (n, co, \*out).

    Returns:
        arrays of the shapes of x and of the weight.
    """
    kernel, spans = weight.shape[2:], zip(gradient.shape[2:], geometry.stride, _reach(weight.shape[2:], geometry))
    # Where the stride leaves a remainder, no window reaches the end of x.
    left_over = [size - ((out - 1) * s + r) for size, (out, s, r) in zip(x.shape[2:], spans)]
    return (
        conv_transpose(gradient, weight, geometry, output_padding=left_over),
        weight_gradient(x, gradient, geometry, kernel),
    )


def conv_transpose_gradients(y: Array, weight: Array, geometry: Geometry, gradient: Array) -> tuple[Array, Array]:
    r"""The derivatives of sum(gradient * conv_transpose(y, weight)) by y and by the weight.

    Args:
        y: (n, ci, \*size).
        weight: (ci, co / groups, \*kernel).
        geometry: as of :func:`conv_transpose`.
        gradient: (n, co, \*out), output padding included.

    Returns:
        arrays of the shapes of y and of the weight.
    """
    canvas = pad(gradient, geometry.padding)  # what was cropped off has no part in the sum
    bare = Geometry(geometry.stride, ((0, 0),) * len(geometry.stride), geometry.dilation, geometry.groups)
    # A long output padding has room for windows that y has no entry for.
    own = tuple(slice(0, size) for size in y.shape[2:])
    return conv(canvas, weight, bare)[_last_axes(own)], weight_gradient(canvas, y, bare, weight.shape[2:])


def pad_gradient(shape: Sequence[int], amounts: Sequence[tuple[int, int]], mode: str, gradient: Array) -> Array:
    """The derivative of sum(gradient * pad(x)) by x, as :func:`pad`: each position collects what was taken from it.

    Args:
        shape: that of x.
        amounts: as of :func:`pad`.
        mode: as of :func:`pad`.
        gradient: the shape of the padded array.

    Raises:
        OverflowError: integers that may not fit into their own dtype.
    """
    if mode == "constant":
        return pad(gradient, [(-before, -after) for before, after in amounts])
    for axis, pair in enumerate(amounts, len(shape) - len(amounts)):
        _check_sum(gradient, gradient.shape[axis])
        collected = np.zeros((shape[axis], *np.delete(gradient.shape, axis)), gradient.dtype)
        np.add.at(collected, _source_positions(shape[axis], pair, mode), np.moveaxis(gradient, axis, 0))
        gradient = np.moveaxis(collected, 0, axis)
    return gradient


def bias_gradient(gradient: Array, channel: int) -> Array:
    """The derivative of sum(gradient * (x + bias)) by the bias, which lies along one axis of x.

    Raises:
        OverflowError: integers that may not fit into their own dtype.
    """
    _check_sum(gradient, gradient.size)
    total: Array = gradient.sum(axis=tuple(axis for axis in range(gradient.ndim) if axis != channel))
    return total


# Where the padded axis takes its positions from; position 0 is the first of the source axis.
_SOURCES: dict[str, Callable[[Array, int], Array]] = {
    "reflect": lambda position, size: size - 1 - np.abs(size - 1 - np.abs(position)),
    "replicate": lambda position, size: np.clip(position, 0, size - 1),
    "circular": lambda position, size: position % size,
}


def _source_positions(size: int, amounts: tuple[int, int], mode: str) -> Array:
    if min(amounts) < 0:
        raise NotImplementedError(f"a negative amount {amounts} is defined for constant padding only, not for {mode}")
    longest = {"reflect": size - 1, "circular": size}.get(mode, max(amounts))
    if size == 0 or max(amounts) > longest:
        raise ValueError(f"{mode} padding {amounts} needs a longer axis than {size}")
    return _SOURCES[mode](np.arange(-amounts[0], size + amounts[1]), size)


def _pad_constant(x: Array, amounts: Sequence[tuple[int, int]], lengths: Sequence[int], value: float) -> Array:
    if x.dtype.kind in "iu" and (not float(value).is_integer() or not _fits(int(value), x.dtype)):
        raise NotImplementedError(f"{x.dtype} cannot hold the padding value {value!r}: use a floating dtype")
    sizes = x.shape[x.ndim - len(amounts) :]
    crops = [(max(0, -low), max(0, -high)) for low, high in amounts]
    if any(sum(crop) > size for crop, size in zip(crops, sizes)):
        raise ValueError(f"padding {tuple(amounts)} crops more than there is of the shape {x.shape}")
    source = tuple(slice(low, size - high) for size, (low, high) in zip(sizes, crops))
    starts = [max(0, low) for low, _ in amounts]
    target = tuple(slice(at, at + part.stop - part.start) for at, part in zip(starts, source))
    padded = np.full((*x.shape[: x.ndim - len(amounts)], *lengths), value, x.dtype)
    padded[_last_axes(target)] = x[_last_axes(source)]
    return padded


def _fits(value: int, dtype: np.dtype[Any]) -> bool:
    return int(np.iinfo(dtype).min) <= value <= int(np.iinfo(dtype).max)


def _check(x: Array, weight: Array, geometry: Geometry, transposed: bool = False) -> tuple[tuple[int, ...], int]:
    kernel, groups = weight.shape[2:], geometry.groups
    if x.ndim != weight.ndim or not kernel:
        raise ValueError(f"input {x.shape} and weight {weight.shape} differ in their number of axes, or have no kernel")
    lengths = {len(geometry.stride), len(geometry.padding), len(geometry.dilation)}
    if lengths != {len(kernel)}:
        raise ValueError(f"{geometry} does not have one entry for each of {len(kernel)} spatial axes")
    least = (*kernel, *geometry.stride, *geometry.dilation, groups, *weight.shape[:2], *x.shape[2:])
    if min(least) < 1 or min(map(min, geometry.padding)) < 0:
        raise ValueError(f"not positive, or a negative padding: {geometry}, input {x.shape}, weight {weight.shape}")
    channels = weight.shape[0] if transposed else weight.shape[1] * groups
    if x.shape[1] != channels or weight.shape[0] % groups:
        raise ValueError(f"input {x.shape} and weight {weight.shape} do not fit in {groups} groups")
    return kernel, groups


def _check_output_padding(extra: tuple[int, ...], geometry: Geometry) -> None:
    if len(extra) != len(geometry.stride) or min(extra) < 0:
        raise ValueError(f"output padding {extra} is negative or has not one entry for each spatial axis")
    if any(e >= max(s, d) for e, s, d in zip(extra, geometry.stride, geometry.dilation)):
        raise ValueError(f"output padding {extra} is not smaller than stride or dilation of {geometry}")


def _reach(kernel: tuple[int, ...], geometry: Geometry) -> tuple[int, ...]:
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, geometry.dilation))


def _window(tap: tuple[int, ...], count: tuple[int, ...], geometry: Geometry) -> tuple[slice, ...]:
    """What one tap touches along each axis: ``count`` positions, a stride apart."""
    starts = map(operator.mul, tap, geometry.dilation)
    return tuple(slice(at, at + (n - 1) * s + 1, s) for at, n, s in zip(starts, count, geometry.stride))


def _last_axes(index: Sequence[Any]) -> tuple[Any, ...]:
    return (..., *index)


def _product(tap: Array, seen: Array) -> Array:
    # matmul hands only contiguous operands to BLAS.
    result: Array = np.matmul(np.ascontiguousarray(tap), np.ascontiguousarray(seen))
    return result


def _add_bias(total: Array, bias: Array | None) -> Array:
    if bias is None:
        return total
    if bias.shape != total.shape[1:2]:
        raise ValueError(f"bias {bias.shape} for {total.shape[1]} output channels")
    result: Array = total + bias.astype(total.dtype).reshape(-1, *[1] * (total.ndim - 2))
    return result


def _dtypes(x: Array, weight: Array, bias: Array | None, terms: int, work: int) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The result's dtype, and the one to multiply in."""
    operands = [x, weight] if bias is None else [x, weight, bias]
    final = np.result_type(*operands)
    if final.kind not in "iu":
        # NumPy promotes 64-bit integers beside reals to float64, which cannot hold them all.
        if any(a.dtype.kind in "iu" and a.dtype.itemsize >= final.itemsize for a in operands):
            raise ValueError(f"{[str(a.dtype) for a in operands]} cannot be mixed without rounding")
        return final, final
    bound = terms * _peak(x) * _peak(weight)
    if not _fits(bound + (0 if bias is None else _peak(bias)), final):
        raise OverflowError(f"sums of {terms} products may not fit into {final}")
    in_float = work > LARGE_WORK and bound < EXACT_IN_FLOAT64
    return final, np.dtype(np.float64) if in_float else final


def _check_sum(array: Array, terms: int) -> None:
    if array.dtype.kind in "iu" and not _fits(terms * _peak(array), array.dtype):
        raise OverflowError(f"sums of {terms} terms may not fit into {array.dtype}")


def _peak(array: Array) -> int:
    """The largest magnitude, as a Python integer because int64 has no absolute value of its minimum."""
    return max(abs(int(array.min())), abs(int(array.max()))) if array.size else 0
