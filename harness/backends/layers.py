"""What torch's layers are by their documentation, and their derivatives, in NumPy in the dtype of the input.

They answer to the argument names and defaults of torch. Exact integers (int64) or float64 in, the same out.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np

from harness.backends.convolution import (
    Array,
    Geometry,
    Pairs,
    bias_gradient,
    conv,
    conv_gradients,
    conv_transpose,
    conv_transpose_gradients,
    pad,
    pad_gradient,
    same_amounts,
)

IntOrTuple = Union[int, Sequence[int]]

# torch's names of the padding modes of a convolution, and those of ``pad``.
PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


class Layer:
    """What all layers here share.

    Attributes:
        state: parameters by torch's names; zeros at first, of the smallest dtype, which yields to that of the input.
    """

    rank = 0

    def __init__(self) -> None:
        """Without parameters."""
        self.state: dict[str, Array] = {}

    def __call__(self, x: Array) -> Array:
        """The layer of x, in x's dtype."""
        raise NotImplementedError

    def backward(self, x: Array, gradient: Array) -> tuple[Array, dict[str, Array]]:
        """The derivatives of sum(gradient * self(x)) by x and by each parameter."""
        raise NotImplementedError(f"no derivative of {type(self).__name__} is defined here")

    def linear(self, x: Array) -> Array:
        """The layer's part that is linear in x: that of all layers here but for a constant."""
        return self(x)


class Identity(Layer):
    """The input itself, whatever the arguments (page ``torch.nn.Identity``)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take anything, as torch does."""
        super().__init__()

    def __call__(self, x: Array) -> Array:
        """Any shape and dtype, unchanged."""
        return x

    def backward(self, x: Array, gradient: Array) -> tuple[Array, dict[str, Array]]:
        """See Layer."""
        return gradient, {}


class Transpose(Identity):
    """Page ``torch.transpose``: any shape and dtype, two axes in each other's place."""

    def __init__(self, dim0: int, dim1: int) -> None:
        """The two axes."""
        super().__init__()
        self.axes = (dim0, dim1)

    def __call__(self, x: Array) -> Array:
        """See Layer."""
        return np.swapaxes(x, *self.axes)

    def backward(self, x: Array, gradient: Array) -> tuple[Array, dict[str, Array]]:
        """See Layer."""
        return np.swapaxes(gradient, *self.axes), {}


class _Pad(Layer):
    mode = "constant"

    def __init__(self, padding: IntOrTuple) -> None:
        super().__init__()
        given = _integers(padding, 2 * self.rank, "padding")
        # torch counts from the last axis: left, right, top, bottom.
        self.amounts: Pairs = tuple((given[2 * i], given[2 * i + 1]) for i in reversed(range(self.rank)))
        self.value: float = 0

    def __call__(self, x: Array) -> Array:
        # torch.nn.functional.pad: constant padding takes any number of axes, the others with or without a batch.
        if self.mode != "constant" and x.ndim not in (self.rank + 1, self.rank + 2):
            raise ValueError(f"expected {self.rank + 1} or {self.rank + 2} axes, got the shape {x.shape}")
        return pad(x, self.amounts, self.mode, self.value)

    def backward(self, x: Array, gradient: Array) -> tuple[Array, dict[str, Array]]:
        return pad_gradient(x.shape, self.amounts, self.mode, gradient), {}


class ZeroPad1d(_Pad):
    """Page ``torch.nn.ZeroPad1d``: (left, right) zeros; negative amounts crop. ``ValueError`` as :func:`pad`."""

    rank = 1


class ZeroPad2d(_Pad):
    """Page ``torch.nn.ZeroPad2d``: (left, right, top, bottom) zeros; negative amounts crop."""

    rank = 2


class ConstantPad1d(_Pad):
    """Page ``torch.nn.ConstantPad1d``. ``NotImplementedError`` where the input's dtype cannot hold the value."""

    rank = 1

    def __init__(self, padding: IntOrTuple, value: float) -> None:
        """Amounts as in :class:`ZeroPad1d` or :class:`ZeroPad2d`, and the value to fill with."""
        super().__init__(padding)
        self.value = value

    def linear(self, x: Array) -> Array:
        """See Layer."""
        return pad(x, self.amounts)


class ConstantPad2d(ConstantPad1d):
    """Page ``torch.nn.ConstantPad2d``, otherwise as :class:`ConstantPad1d`."""

    rank = 2


class ReflectionPad1d(_Pad):
    """Page ``torch.nn.ReflectionPad1d``: (N, C, W) or (C, W); padding smaller than W, else ``ValueError``."""

    rank = 1
    mode = "reflect"


class ReflectionPad2d(ReflectionPad1d):
    """Page ``torch.nn.ReflectionPad2d``: (N, C, H, W) or (C, H, W)."""

    rank = 2


class ReplicationPad1d(_Pad):
    """Page ``torch.nn.ReplicationPad1d``: (N, C, W) or (C, W), the border repeated."""

    rank = 1
    mode = "replicate"


class ReplicationPad2d(ReplicationPad1d):
    """Page ``torch.nn.ReplicationPad2d``: (N, C, H, W) or (C, H, W)."""

    rank = 2


class CircularPad1d(_Pad):
    """Page ``torch.nn.CircularPad1d``: (N, C, W) or (C, W); padding at most W, else ``ValueError``."""

    rank = 1
    mode = "circular"


class CircularPad2d(CircularPad1d):
    """Page ``torch.nn.CircularPad2d``: (N, C, H, W) or (C, H, W)."""

    rank = 2


class _Convolution(Layer):
    """The part that both directions share: checked arguments, a batch axis, channels."""

    def __init__(
        self,
        channels: tuple[int, int],
        stride: IntOrTuple,
        padding: Pairs,
        dilation: IntOrTuple,
        groups: int,
    ) -> None:
        super().__init__()
        self.channels, groups = _integers(channels, 2, "channels", least=1), _integer(groups, "groups", least=1)
        if any(count % groups for count in self.channels):
            raise ValueError(f"{groups} groups do not divide in_channels and out_channels {self.channels}")
        strides = _integers(stride, self.rank, "stride", least=1)
        self.geometry = Geometry(strides, padding, _integers(dilation, self.rank, "dilation", least=1), groups)

    def _build(self, weight: tuple[int, ...], bias: bool) -> None:
        # The smallest dtype, because NumPy promotes it to any other: zeros must not turn integers into reals.
        self.state["weight"] = np.zeros(weight, np.int8)
        if bias:
            self.state["bias"] = np.zeros(self.channels[1], np.int8)

    def __call__(self, x: Array) -> Array:
        if x.ndim not in (self.rank + 1, self.rank + 2):
            raise ValueError(f"expected {self.rank + 1} or {self.rank + 2} axes, got the shape {x.shape}")
        return self._run(x) if x.ndim == self.rank + 2 else self._run(x[np.newaxis])[0]

    def backward(self, x: Array, gradient: Array) -> tuple[Array, dict[str, Array]]:
        """See Layer."""
        batched = x.ndim == self.rank + 2
        by_x, by_weight = self._gradients(*((x, gradient) if batched else (x[np.newaxis], gradient[np.newaxis])))
        found = {"weight": by_weight}
        if "bias" in self.state:
            found["bias"] = bias_gradient(gradient, x.ndim - self.rank - 1)
        return by_x if batched else by_x[0], found

    def linear(self, x: Array) -> Array:
        """See Layer."""
        bias = self.state.get("bias")
        return self(x) if bias is None else self(x) - bias.reshape(-1, *[1] * self.rank)

    def _run(self, x: Array) -> Array:
        raise NotImplementedError

    def _gradients(self, x: Array, gradient: Array) -> tuple[Array, Array]:
        raise NotImplementedError


class Conv1d(_Convolution):
    r"""Page ``torch.nn.Conv1d``: (N, C, L) or (C, L).

    ``state`` has weight (out_channels, in_channels / groups, \*kernel_size) and, with a bias, bias (out_channels,).
    Raises ``ValueError`` for arguments and shapes that the page excludes; the call ``OverflowError`` as :func:`conv`.
    """

    rank = 1

    def __init__(  # noqa: PLR0917 - torch takes them by position
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrTuple,
        stride: IntOrTuple = 1,
        padding: str | IntOrTuple = 0,
        dilation: IntOrTuple = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        """Names, order and defaults are torch's."""
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode {padding_mode!r} is none of {', '.join(PADDING_MODES)}")
        self.mode = PADDING_MODES[padding_mode]
        kernel = _integers(kernel_size, self.rank, "kernel_size", least=1)
        self.padding = self._amounts(padding, kernel, stride, dilation)
        # Padded beforehand and in every mode alike, so the convolution itself has nothing left to pad.
        super().__init__((in_channels, out_channels), stride, ((0, 0),) * self.rank, dilation, groups)
        self._build((self.channels[1], self.channels[0] // self.geometry.groups, *kernel), bias)

    def _amounts(
        self, padding: str | IntOrTuple, kernel: tuple[int, ...], stride: IntOrTuple, dilation: IntOrTuple
    ) -> Pairs:
        if not isinstance(padding, str):
            return tuple((p, p) for p in _integers(padding, self.rank, "padding", least=0))
        if padding == "valid":
            return ((0, 0),) * self.rank
        if padding != "same":
            raise ValueError(f"padding {padding!r} is neither a number nor 'same' nor 'valid'")
        if set(_integers(stride, self.rank, "stride")) != {1}:
            raise ValueError("padding='same' needs a stride of 1")
        return same_amounts(kernel, _integers(dilation, self.rank, "dilation", least=1))

    def _run(self, x: Array) -> Array:
        return conv(pad(x, self.padding, self.mode), self.state["weight"], self.geometry, self.state.get("bias"))

    def _gradients(self, x: Array, gradient: Array) -> tuple[Array, Array]:
        padded = pad(x, self.padding, self.mode)
        by_padded, by_weight = conv_gradients(padded, self.state["weight"], self.geometry, gradient)
        return pad_gradient(x.shape, self.padding, self.mode, by_padded), by_weight


class Conv2d(Conv1d):
    """Page ``torch.nn.Conv2d``: (N, C, H, W) or (C, H, W); otherwise as :class:`Conv1d`."""

    rank = 2


class ConvTranspose1d(_Convolution):
    r"""Page ``torch.nn.ConvTranspose1d``: (N, C, L) or (C, L).

    ``state`` has weight (in_channels, out_channels / groups, \*kernel_size) and, with a bias, bias (out_channels,).
    Raises ``ValueError`` for arguments and shapes that the page excludes, among them an output_padding that is not
    smaller than stride or dilation; the call ``OverflowError`` as :func:`conv_transpose`.
    """

    rank = 1

    def __init__(  # noqa: PLR0917 - torch takes them by position
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrTuple,
        stride: IntOrTuple = 1,
        padding: IntOrTuple = 0,
        output_padding: IntOrTuple = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: IntOrTuple = 1,
        padding_mode: str = "zeros",
    ) -> None:
        """Names, order and defaults are torch's."""
        if padding_mode != "zeros":
            raise ValueError(f"a transposed convolution has padding_mode 'zeros' only, not {padding_mode!r}")
        crops = tuple((p, p) for p in _integers(padding, self.rank, "padding", least=0))
        super().__init__((in_channels, out_channels), stride, crops, dilation, groups)
        self.output_padding = _integers(output_padding, self.rank, "output_padding", least=0)
        limits = [max(pair) for pair in zip(self.geometry.stride, self.geometry.dilation)]
        if any(map(operator.ge, self.output_padding, limits)):
            raise ValueError(f"output_padding {self.output_padding} is not smaller than stride or dilation")
        kernel = _integers(kernel_size, self.rank, "kernel_size", least=1)
        self._build((self.channels[0], self.channels[1] // self.geometry.groups, *kernel), bias)

    def _run(self, x: Array) -> Array:
        return conv_transpose(x, self.state["weight"], self.geometry, self.state.get("bias"), self.output_padding)

    def _gradients(self, x: Array, gradient: Array) -> tuple[Array, Array]:
        return conv_transpose_gradients(x, self.state["weight"], self.geometry, gradient)


class ConvTranspose2d(ConvTranspose1d):
    """Page ``torch.nn.ConvTranspose2d``: (N, C, H, W) or (C, H, W); otherwise as :class:`ConvTranspose1d`."""

    rank = 2


_LAYERS: tuple[type[Layer], ...] = (
    *(Identity, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, ZeroPad1d, ZeroPad2d, ConstantPad1d, ConstantPad2d),
    *(ReflectionPad1d, ReflectionPad2d, ReplicationPad1d, ReplicationPad2d, CircularPad1d, CircularPad2d),
)
LAYERS: Mapping[str, type[Layer]] = {
    **{f"torch.nn.{layer.__name__}": layer for layer in _LAYERS},
    "torch.transpose": Transpose,
}


def _integer(value: Any, name: str, least: int | None = None) -> int:
    # True is an index to Python; as a size it is a mistake.
    try:
        number = operator.index(value) if not isinstance(value, (bool, np.bool_)) else None
    except TypeError:
        number = None
    if number is None or (least is not None and number < least):
        wanted = "an integer" if least is None else f"an integer of at least {least}"
        raise ValueError(f"{name} must be {wanted}, not {value!r}")
    return number


def _integers(value: Any, count: int, name: str, least: int | None = None) -> tuple[int, ...]:
    """One integer for each of ``count`` places, from one for all or a sequence of them."""
    if not isinstance(value, (tuple, list)):
        return (_integer(value, name, least),) * count
    if len(value) != count:
        raise ValueError(f"{name} {tuple(value)} must have {count} entries")
    return tuple(_integer(entry, name, least) for entry in value)
