"""The same small framework, wrong on purpose: each layer but the first few has exactly one fault."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from harness.tests.miniatures.adapter_honest import (
    DEVICES,
    DIALECT,
    PACKAGE,
    REQUIRES,
    Array,
    Linear,
    MiniatureBackend,
    Scale,
    Table,
    conflict,
    kept_within,
)
from harness.tests.miniatures.adapter_honest import (
    Dense as HonestDense,
)

__all__ = ["DEVICES", "DIALECT", "MODES", "PACKAGE", "REQUIRES", "WAYS", "Adapter", "conflict"]

MODES = ("", "graph")
NEEDS = ("harness.tests.miniatures.adapter_honest",)
WAYS = ("strict", "lenient", "lossy", "idle", "constructor")


class NoBias(Scale):
    """Takes a bias and leaves it out."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        return super().compute(x, weight, np.zeros_like(bias))


class Transposed(Linear):
    """Multiplies with the weight's other axis; for square weights, where nothing else tells."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        return super().compute(x, weight.T, bias)


class Shifted(Linear):
    """The output rolled by one along its last axis."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        return np.roll(super().compute(x, weight, bias), 1, -1)


class Dispatched(Linear):
    """Right but on SSE4.1, where the kernel that is taken rolls its output by one."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        right = super().compute(x, weight, bias)
        return np.roll(right, 1, -1) if kept_within() == "sse41" else right


class Opaque(Dispatched):
    """The same, and there is no derivative of it."""

    def derived(self, of: str, gradient: Array) -> Array:
        raise NotImplementedError("no derivative of this")


class Flipped(Linear):
    """The output flipped along its last axis."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        return np.flip(super().compute(x, weight, bias), -1)


class HalfCast(Linear):
    """Computes in float16, and gives the dtype that it was given; its derivatives are right."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        if self.deriving:
            return super().compute(x, weight, bias)
        half = (each.astype(np.float16) for each in (x, weight, bias))
        return super().compute(*half).astype(x.dtype)


class ShortFactors(Linear):
    """Reads ten explicit bits of each factor, and sums up in float32, as TF32 does; its derivatives are right."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        if x.dtype != np.float32:
            return super().compute(x, weight, bias)
        x, weight = ((each.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32) for each in (x, weight))
        return super().compute(x, weight, bias)


class WrongDtype(Linear):
    """Right values in float64."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        return super().compute(x, weight, bias).astype(np.float64)


class WrongShape(Linear):
    """The last slice is missing."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        return super().compute(x, weight, bias)[..., :-1]


class TwoOutputs(Linear):
    """An output more than the reference has."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        right = super().compute(x, weight, bias)
        return {"output": right, "output_1": right}


class Bounded(Linear):
    """Right where ``a <= b``, shifted elsewhere; and beyond 4 it does with ``a`` what it is told to do."""

    def __init__(self, ci: int, co: int, a: int, b: int, beyond: str = "") -> None:
        super().__init__(ci, co)
        self.a, self.b, self.beyond = a, b, beyond

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        if self.beyond == "abort" and self.a > 4:
            os.abort()
        while self.beyond == "hang" and self.a > 4:
            time.sleep(3600)
        right = super().compute(x, weight, bias)
        return right if self.a <= self.b else np.roll(right, 1, -1)


class NaN(Linear):
    """The last element is not a number."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        output = super().compute(x, weight, bias)
        output[(-1,) * output.ndim] = np.nan
        return output


class Unsupported(Linear):
    """Has no kernel on this device."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        raise NotImplementedError("no kernel on this device")


class Raises(Linear):
    """Fails in the phase that it is told to fail in."""

    def __init__(self, ci: int, co: int, at: str) -> None:
        super().__init__(ci, co)
        self.at = at
        if at == "construct":
            raise ValueError("no such layer")
        if at == "load":
            self.state["weight"] = np.zeros((co, ci, 1))

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        if self.at == "call":
            raise RuntimeError("no such input")
        return self._late

    def _late(self) -> Array:
        raise OSError("the computation failed a while ago")


class Crash(Linear):
    """Ends the process in the way that it is told to."""

    def __init__(self, ci: int, co: int, how: str) -> None:
        super().__init__(ci, co)
        self.how = how

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        if self.how == "abort":
            os.abort()
        if self.how == "exit":
            os._exit(3)
        if self.how == "quit":
            sys.exit("no such input")
        if self.how == "memory":
            return np.empty(1 << 50)
        if self.how == "disconnect":
            os.closerange(3, 256)  # the channel to whoever asks is among these
            time.sleep(3600)
        if self.how.startswith("once:"):
            return self._once(Path(self.how[5:]), x, weight, bias)
        print("about to die", flush=True)
        os.kill(os.getpid(), {"segv": signal.SIGSEGV, "kill": signal.SIGKILL}[self.how])
        return None

    def _once(self, met: Path, x: Array, weight: Array, bias: Array) -> Array:
        """Dies the first time."""
        if not met.exists():
            met.touch()
            os.abort()
        return super().compute(x, weight, bias)  # type: ignore[no-any-return]


class Hang(Linear):
    """Does not return: with the interpreter's lock held, as native code may, or without."""

    def __init__(self, ci: int, co: int, how: str) -> None:
        super().__init__(ci, co)
        self.how = how

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        if self.how == "locked":
            ctypes.PyDLL(None).sleep(3600)
        while True:
            time.sleep(3600)


class Slow(Linear):
    """Right, after a while."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        if not self.deriving:
            time.sleep(0.3)
        return super().compute(x, weight, bias)


def _not_a_number(gradient: Array) -> Array:
    return np.where(np.arange(gradient.size).reshape(gradient.shape) == 0, np.nan, gradient).astype(gradient.dtype)


def _fails(gradient: Array) -> Array:
    raise RuntimeError("no derivative of that")


def _lacks(gradient: Array) -> Array:
    raise NotImplementedError("no such derivative on this device")


class WrongGradient(Linear):
    """Right but for the derivative by one tensor, and shifted as a whole if it is told to be."""

    WAYS: ClassVar[Mapping[str, Callable[[Array], Array]]] = {
        "transposed": lambda gradient: gradient.T.copy(),
        "halved": lambda gradient: gradient / gradient.dtype.type(2),
        "shifted": lambda gradient: np.roll(gradient, 1, -1),
        "cropped": lambda gradient: gradient[..., :-1],
        "widened": lambda gradient: gradient.astype(np.float64),
        "nan": _not_a_number,
        "fails": _fails,
        "lacks": _lacks,
    }

    def __init__(self, ci: int, co: int, of: str, how: str, shift: int = 0) -> None:
        super().__init__(ci, co)
        self.of, self.how, self.shift = of, how, shift

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        return np.roll(super().compute(x, weight, bias), 0 if self.deriving else self.shift, -1)

    def derived(self, of: str, gradient: Array) -> Array:
        return self.WAYS[self.how](gradient) if of == self.of else gradient


class Noisy(Linear):
    """Off by so much, and in one tensor by some noise besides, which no two calls in a row have alike."""

    calls = itertools.count()

    def __init__(self, ci: int, co: int, noise: float, off: float = 0, of: str = "output") -> None:
        super().__init__(ci, co)
        self.noise, self.off, self.of = noise, off, of

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        right = super().compute(x, weight, bias)
        return right if self.deriving else self.derived("output", right + right.dtype.type(self.off))

    def derived(self, of: str, gradient: Array) -> Array:
        noise = gradient.dtype.type(self.noise * (1 + next(self.calls) % 2)) if of == self.of else 0
        return gradient + noise


class Compiled(Linear):
    """Other than it should be in one tensor and in graph mode only: shifted, or the next larger numbers."""

    def __init__(self, ci: int, co: int, how: str, of: str = "output") -> None:
        super().__init__(ci, co)
        self.how, self.of = how, of

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        right = super().compute(x, weight, bias)
        return right if self.deriving else self.derived("output", right)

    def derived(self, of: str, gradient: Array) -> Array:
        if not self.mode or of != self.of:
            return gradient
        if self.how == "shifted":
            return np.roll(gradient, 1, -1)
        return np.nextafter(gradient, gradient.dtype.type(np.inf))


class Dense(HonestDense):
    """The same in another layout and under other names, with another default, and without a gain."""

    weight = "kernel"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        group: int = 1,
        has_bias: bool = False,
        kernel_init: Any = None,
        bias_init: Any = None,
    ) -> None:
        super().__init__(inputs, outputs, group, has_bias, weight_init=kernel_init, bias_init=bias_init)
        if kernel_init is None:
            self.state["kernel"] = self.state["kernel"].T.copy()

    @property
    def matrix(self) -> Array:
        return self.state["kernel"].T


class MoreSpread(Dense):
    """Initial values with a tenth more spread."""

    def draw(self, shape: tuple[int, ...], fan: int) -> Array:
        return np.float32(1.1) * super().draw(shape, fan)


class OtherFamily(Dense):
    """Normal initial values of the right deviation."""

    def draw(self, shape: tuple[int, ...], fan: int) -> Array:
        return np.random.normal(0, (3 * fan) ** -0.5, shape).astype(np.float32)


class WrongFan(Dense):
    """Leaves the groups out of the fan-in."""

    def fan_in(self, ci: int, groups: int) -> int:
        return ci


class SameSeed(Dense):
    """Does not heed its framework's generator: every layer starts alike."""

    def draw(self, shape: tuple[int, ...], fan: int) -> Array:
        return np.random.default_rng(0).uniform(-(fan**-0.5), fan**-0.5, shape).astype(np.float32)


class Threaded(Linear):
    """Its last bits depend on how many threads there are."""

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        right = super().compute(x, weight, bias)
        return right + right.dtype.type(os.environ.get("OMP_NUM_THREADS") != "1")


def times(x: Array, by: float) -> Any:
    """A function of the framework."""
    return x * x.dtype.type(by)


class Times:
    """The same as a layer without parameters."""

    def __init__(self, by: float = 1) -> None:
        self.by = by

    def __call__(self, x: Array) -> Any:
        return times(x, self.by)


RIGHT = (Linear, Scale, Table, Slow, Dense, Times)
BACKWARD = (WrongGradient, Noisy, Compiled)
WRONG = (
    NoBias,
    Transposed,
    Shifted,
    Dispatched,
    Opaque,
    Bounded,
    Flipped,
    HalfCast,
    ShortFactors,
    Threaded,
    WrongDtype,
    WrongShape,
    TwoOutputs,
    NaN,
)
DRAWN = (MoreSpread, OtherFamily, WrongFan, SameSeed)
FAILING = (Unsupported, Raises, Crash, Hang)


class Adapter(MiniatureBackend):
    """Right and wrong layers side by side."""

    name = "mini"
    layers: ClassVar[Mapping[str, Any]] = {
        thing.__name__: thing for thing in (*RIGHT, *WRONG, *BACKWARD, *DRAWN, *FAILING, times)
    }

    def load(self, layer: Any, state: Mapping[str, Array], way: str) -> None:
        """Three ways that are wrong: ``lenient`` takes any shape, ``lossy`` loses a bit, ``idle`` does nothing."""
        if way not in ("lenient", "lossy", "idle"):
            return super().load(layer, state, way)
        for name, array in state.items() if way != "idle" else ():
            lost = array.view(np.uint32) & np.uint32(0xFFFFFFFE) if way == "lossy" else array
            self.assign(layer, name, lost.view(array.dtype))
        return None

    def initial(self, state: Mapping[str, Array]) -> dict[str, Any]:
        return {f"{name}_init": array.copy() for name, array in state.items()}
