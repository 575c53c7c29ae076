"""What every adapter has in common: run the steps in order and say in which phase an error arose."""

from __future__ import annotations

import importlib
import inspect
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from harness.protocol import Argument, Failure, Observation, Phase, Request, Step, literal

Array = np.ndarray[Any, Any]


class StateMismatch(Exception):
    """The weights that the case file aligns do not fit the layer that the framework built."""


class Absent(Exception):
    """The framework has no class or function of this name."""


class DeviceLost(Exception):
    """An earlier call has left the device in a state in which it answers every call with its error."""


@dataclass(frozen=True)
class Point:
    """Where derivatives are taken, and by what they are weighted, in the framework's tensors.

    Attributes:
        inputs: of the first step.
        cotangent: by which the output is weighted.
        tangents: by which the derivative of each input is weighted; empty where no second one is asked for.
    """

    inputs: List[Any]
    cotangent: Any
    tangents: List[Any]


@dataclass(frozen=True)
class Gradients:
    """Derivatives, in the framework's tensors.

    Attributes:
        inputs: of the weighted sum of the output, by each input; ``None`` for one of integers.
        state: the same by each parameter.
        second: of the weighted sum of the inputs' derivatives, by each parameter.
    """

    inputs: Sequence[Optional[Any]]
    state: Mapping[str, Any]
    second: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Chain:
    """Steps of which each receives the output of the one before."""

    steps: Sequence[Callable[..., Any]]

    def __call__(self, *inputs: Any) -> Any:
        """The last step's output."""
        value = self.steps[0](*inputs)
        for step in self.steps[1:]:
            value = step(value)
        return value


def first(output: Any) -> Any:
    """The output that is differentiated, where there are several."""
    return output[0] if isinstance(output, (tuple, list)) else output


class PipelineBackend:
    """A backend whose framework has classes to construct and call, or functions of tensors.

    A framework's adapter fills in the hooks below that raise; the order of the phases and the errors are handled here.

    Attributes:
        CALLED: the method of a built layer that a call of it runs.
        CONSTRUCTOR: the way to load a state by arguments of the constructor, for a framework that has it.
    """

    CALLED = "__call__"
    CONSTRUCTOR = "constructor"

    def resolve(self, call: str) -> Any:
        """The class or function with this dotted name. Raises AttributeError or ImportError where there is none."""
        module, _, name = call.rpartition(".")
        return getattr(importlib.import_module(module), name)

    def to_tensor(self, array: Array) -> Any:
        """The framework's tensor of this array, dtype kept."""
        raise NotImplementedError

    def to_array(self, tensor: Any) -> Array:
        """The framework's tensor as an array, synchronised and detached."""
        raise NotImplementedError

    def to_arrays(self, output: Any) -> Dict[str, Array]:
        """The output tensors by name; a single one, or the first, is called ``output``."""
        outputs = output if isinstance(output, (tuple, list)) else (output,)
        return {f"output_{index}" if index else "output": self.to_array(each) for index, each in enumerate(outputs)}

    def parameters(self, layer: Any) -> Dict[str, Tuple[int, ...]]:
        """Name and shape of each parameter of a built layer."""
        raise NotImplementedError

    def assign(self, layer: Any, name: str, array: Array) -> None:
        """Set one parameter, whose shape has been checked."""
        raise NotImplementedError

    def read(self, layer: Any, name: str) -> Array:
        """One parameter's value."""
        raise NotImplementedError

    def load(self, layer: Any, state: Mapping[str, Array], way: str) -> None:
        """Hand the state over in one of the framework's own ways, unchecked. Raises Absent where there is none such."""
        raise Absent(f"no way to load a state by '{way}'")

    def initial(self, state: Mapping[str, Array]) -> Dict[str, Any]:
        """The constructor's arguments that make it start with this state. Raises Absent where it takes none."""
        raise Absent(f"no way to load a state by '{self.CONSTRUCTOR}'")

    def function(self, thing: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Callable[..., Any]:
        """The function of tensors alone, its other arguments being fixed."""
        return lambda *tensors: thing(*tensors, *args, **kwargs)

    def chained(self, steps: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
        """The steps as one callable, each receiving the output of the one before."""
        return Chain(steps)

    def gradients(self, run: Callable[..., Any], layer: Any, point: Point) -> Gradients:
        """The derivatives of a chain's first output at a point; ``layer`` is the step with the parameters."""
        raise NotImplementedError("this backend does not differentiate")

    def seed(self, seed: int) -> None:
        """Set the framework's generator."""
        raise NotImplementedError

    def build(self, request: Request) -> Sequence[Callable[..., Any]]:
        """The request's steps, freshly built."""
        return [self._construct(step, request) for step in self._initialised(request)]

    def prepare(self, layer: Any, request: Request) -> Any:
        """A chance to bring a freshly built step to the request's dtype or mode."""
        return layer

    def synchronise(self) -> None:
        """Wait until the device has done all that it was given. Raises what failed there."""

    def unsupported(self, error: BaseException) -> bool:
        """Whether the framework says by this error that it lacks the computation on this device."""
        return isinstance(error, NotImplementedError)

    def observe(self, request: Request) -> Observation:
        """Construct, load, call, fetch; see :class:`harness.protocol.Backend`. Raises DeviceLost."""
        self._ready()
        phase = Phase.CONSTRUCT
        outputs: Dict[str, Array] = {}
        start = time.perf_counter()
        try:
            if request.seed is not None:
                self.seed(request.seed)
            steps = self.build(request)
            layer = steps[request.layer]
            phase = Phase.LOAD
            if request.state is not None:
                self._load(layer, request.state, request.load)
            phase = Phase.FETCH if request.want == "state" else Phase.CALL
            if request.want == "state":
                outputs = {name: self.read(layer, name) for name in self.parameters(layer)}
            else:
                run = self.chained(steps)
                output = run(*[self.to_tensor(array) for array in request.inputs])
                self.synchronise()
                phase = Phase.FETCH
                outputs = self.to_arrays(output)
                phase = Phase.BACKWARD
                outputs.update(self._derivatives(run, layer, request, outputs["output"].shape))
            self.synchronise()
        except MemoryError:
            raise  # the machine's fault, and no word of the framework's on the request
        except Exception as error:
            if type(error).__name__ == "OutOfMemoryError":  # torch's, of a device's memory
                raise MemoryError(str(error)) from error
            with suppress(Exception):
                self.synchronise()  # what a failed call has left under way shall not fail in the next one
            unsupported = isinstance(error, Absent) or self.unsupported(error)
            misfit = isinstance(error, StateMismatch)
            failure = Failure(phase, type(error).__name__, str(error).strip(), unsupported, misfit)
            return Observation(outputs, failure, time.perf_counter() - start)
        return Observation(outputs, None, time.perf_counter() - start)

    def _ready(self) -> None:
        """Raise DeviceLost if the device fails before anything is asked of it."""
        try:
            self.synchronise()
        except Exception as error:
            reason = " ".join(str(error).split())
            raise DeviceLost(
                f"an earlier call has left the device useless: {type(error).__name__}: {reason}"
            ) from error

    def describe(self, request: Request) -> List[Dict[str, Tuple[int, ...]]]:
        """Name and shape of the parameters of each step, freshly built. Raises whatever the framework raises."""
        built = [(step, self._construct(step, request)) for step in request.steps]
        return [self.parameters(thing) if inspect.isclass(self.resolve(step.call)) else {} for step, thing in built]

    def signature(self, call: str, of: str) -> List[Argument]:
        """See :class:`harness.protocol.Backend`."""
        try:
            thing = self._find(call)
            # A class's own signature is its constructor's; that of a function has no second one.
            parameters = inspect.signature(getattr(thing, self.CALLED) if of == "call" else thing).parameters
        except (Absent, AttributeError, ValueError, TypeError) as error:
            raise LookupError(f"{call} does not tell its signature: {error}") from error
        return [
            Argument(name, None if each.default is each.empty else literal(each.default))
            for name, each in parameters.items()
            if name != "self"
        ]

    def _find(self, call: str) -> Any:
        try:
            return self.resolve(call)
        except (AttributeError, ImportError) as error:
            raise Absent(f"there is no {call}: {error}") from error

    def _initialised(self, request: Request) -> List[Step]:
        steps = list(request.steps)
        if request.load == self.CONSTRUCTOR and request.state is not None:
            step = steps[request.layer]
            steps[request.layer] = Step(step.call, {**step.kwargs, **self.initial(request.state)}, step.args)
        return steps

    def _construct(self, step: Step, request: Request) -> Callable[..., Any]:
        thing = self._find(step.call)
        args, kwargs = [self._value(each) for each in step.args], {k: self._value(v) for k, v in step.kwargs.items()}
        if inspect.isclass(thing):
            built: Callable[..., Any] = self.prepare(thing(*args, **kwargs), request)
            return built
        return self.function(thing, args, kwargs)

    def _value(self, value: Any) -> Any:
        """An argument with every step within it built or called."""
        if isinstance(value, Step):
            args, kwargs = map(self._value, value.args), {k: self._value(v) for k, v in value.kwargs.items()}
            return self._find(value.call)(*args, **kwargs)
        return tuple(map(self._value, value)) if isinstance(value, tuple) else value

    def _load(self, layer: Any, state: Mapping[str, Array], way: str) -> None:
        if way:
            if way != self.CONSTRUCTOR:
                self.load(layer, state, way)
            return
        # Frameworks are lenient here (MindSpore's set_data takes any shape without a word), so the check is ours.
        built, given = self.parameters(layer), {name: array.shape for name, array in state.items()}
        if built != given:
            raise StateMismatch(f"the layer has {_listed(built)}; to be loaded are {_listed(given)}")
        for name, array in state.items():
            self.assign(layer, name, array)

    def _derivatives(
        self, run: Callable[..., Any], layer: Any, request: Request, shape: Tuple[int, ...]
    ) -> Dict[str, Array]:
        if request.cotangent is None or request.cotangent.shape != shape:
            return {}  # an output of another shape is a finding already, and has no derivative to compare
        point = Point(
            [self.to_tensor(array) for array in request.inputs],
            self.to_tensor(request.cotangent),
            [self.to_tensor(array) for array in request.tangents],
        )
        found = self.gradients(run, layer, point)
        named = {f"grad.{index}": each for index, each in enumerate(found.inputs) if each is not None}
        named.update({f"grad.{name}": each for name, each in found.state.items()})
        named.update({f"grad2.{name}": each for name, each in found.second.items()})
        return {name: self.to_array(each) for name, each in named.items()}


def _listed(shapes: Mapping[str, Tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in sorted(shapes.items())) or "no parameters"
