"""A side of a case as code: what to build, how the weights get in, what to call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.model import Case, Parameter
from harness.protocol import Step, literal

Dialects = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True)
class Written:
    """One side as code.

    Attributes:
        build: lines that make the layer and the other steps; the layer is called ``layer``.
        call: lines that turn ``x`` into the result, called ``x`` again.
    """

    build: tuple[str, ...]
    call: tuple[str, ...]


def write(case: Case, framework: str, prefix: str = "", given: Sequence[str] = ("x",)) -> Written:
    """The side's steps, objects named by their class, or by ``layer`` for the one that owns the weights.

    Args:
        case: both sides.
        framework: which one.
        prefix: of the names of what is built.
        given: what the first step is called with.
    """
    side = case.sides[framework]
    build, call, taken = [], [], set[str]()
    for index, step in enumerate(side.steps):
        kind = step.call.rpartition(".")[2]
        if not kind[:1].isupper():  # a function, by either framework's convention
            call.append(f"x = {_function(step, given)}")
            given = ("x",)
            continue
        name = prefix + ("layer" if index == side.layer else _fresh(kind.lower(), taken))
        build.append(f"{name} = {step}")
        call.append(f"x = {name}({', '.join(given)})")
        given = ("x",)
    return Written(tuple(build), tuple(call))


def _fresh(name: str, taken: set[str]) -> str:
    number = 1
    while (found := f"{name}{number if number > 1 else ''}") in taken:
        number += 1
    taken.add(found)
    return found


def _function(step: Step, given: Sequence[str]) -> str:
    rest = [literal(each) for each in step.args] + [f"{name}={literal(value)}" for name, value in step.kwargs.items()]
    return f"{step.call}({', '.join([*given, *rest])})"


def to_layout(parameter: Parameter, framework: str, array: str) -> str:
    """As :func:`harness.requests.to_side`, in code."""
    axes, axis = parameter.swap.get(framework), parameter.expand_dims.get(framework)
    moved = array if axes is None else f"numpy.swapaxes({array}, {axes[0]}, {axes[1]}).copy()"
    return moved if axis is None else f"numpy.expand_dims({moved}, {axis})"


def from_layout(parameter: Parameter, framework: str, array: str) -> str:
    """As :func:`harness.requests.from_side`, in code."""
    axes, axis = parameter.swap.get(framework), parameter.expand_dims.get(framework)
    moved = array if axis is None else f"numpy.squeeze({array}, {axis})"
    return moved if axes is None else f"numpy.swapaxes({moved}, {axes[0]}, {axes[1]}).copy()"


@cache
def templates(folder: Path) -> Environment:
    """The templates of a folder, for code: nothing is escaped, and each name has to be given."""
    return Environment(
        autoescape=False,
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
