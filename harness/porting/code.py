"""Writes a side of a case as code: what to build, how the weights get in, what to call."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.model import Case, Parameter
from harness.protocol import Step, literal
from harness.requests import own_name

Dialects = Callable[[str], Mapping[str, str]]
SOURCE = "source"
LARGEST = 7  # of the whole numbers that a script draws; less where sums would leave what float32 holds exactly
EXACT = 2**24


@dataclass(frozen=True)
class Written:
    """One side as code.

    Attributes:
        build: lines that make the layer and the other steps; the layer is called ``layer``.
        call: lines that turn ``x`` into the result, called ``x`` again.
    """

    build: tuple[str, ...]
    call: tuple[str, ...]


def write(case: Case, framework: str, prefix: str = "") -> Written:
    """The side's steps, objects named by their class, or by ``layer`` for the one that owns the weights."""
    side = case.sides[framework]
    build, call, taken = [], [], set[str]()
    for index, step in enumerate(side.steps):
        kind = step.call.rpartition(".")[2]
        if not kind[:1].isupper():  # a function, by either framework's convention
            call.append(f"x = {_function(step)}")
            continue
        name = prefix + ("layer" if index == side.layer else _fresh(kind.lower(), taken))
        build.append(f"{name} = {step}")
        call.append(f"x = {name}(x)")
    return Written(tuple(build), tuple(call))


def _fresh(name: str, taken: set[str]) -> str:
    number = 1
    while (found := f"{name}{number if number > 1 else ''}") in taken:
        number += 1
    taken.add(found)
    return found


def _function(step: Step) -> str:
    rest = [literal(each) for each in step.args] + [f"{name}={literal(value)}" for name, value in step.kwargs.items()]
    return f"{step.call}({', '.join(['x', *rest])})"


def carry(case: Case, giver: str, taker: str, dialects: Dialects) -> list[str]:
    """Lines that give ``layer`` of the taker the weights of ``source``, the giver's layer."""
    lines = []
    for each in case.state:
        if {giver, taker} & each.lacking:
            continue
        read = dialects(giver)["read"].format(layer=SOURCE, name=own_name(each, giver))
        array = to_layout(each, taker, from_layout(each, giver, read))
        lines.append(dialects(taker)["write"].format(layer="layer", name=own_name(each, taker), array=array))
    return lines


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


def snippet(case: Case, giver: str, taker: str, dialects: Dialects) -> str:
    """The taker's code, complete, for a person to paste."""
    written, weights = write(case, taker), carry(case, giver, taker, dialects)
    lines = ["import numpy"] if any("numpy.s" in line or "numpy.e" in line for line in weights) else []
    lines += [f"import {name}" for name in sorted({taker, *(["torch"] if "torch." in " ".join(weights) else [])})]
    lines += ["", *written.build]
    if weights:
        lines += ["", f"# the weights of `{SOURCE}`, the {giver} layer", *weights]
    body = [*written.call[:-1], f"return {written.call[-1].removeprefix('x = ')}"]
    return "\n".join([*lines, "", "", "def forward(x):", *(f"    {line}" for line in body)]) + "\n"


def script(case: Case, reference: str, subject: str, dialects: Dialects) -> str:
    """A program that needs only NumPy and the two frameworks, and exits 0 when both sides give the same."""
    environment = Environment(
        autoescape=False,
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    sides = []
    for framework in (reference, subject):
        dialect = dialects(framework)
        weights = [
            dialect["write"].format(
                layer=f"{framework}_layer",
                name=own_name(each, framework),
                array=to_layout(each, framework, f'weights["{each.name}"].copy()'),
            )
            for each in case.state
            if framework not in each.lacking
        ]
        written = write(case, framework, f"{framework}_")
        tensor, array = dialect["tensor"].format(array="given.copy()"), dialect["array"].format(tensor="x")
        sides.append({"name": framework, "written": written, "weights": weights, "tensor": tensor, "array": array})
    ((name, shape),) = list(case.inputs.items())[:1]
    drawn = [(each.name, each.shape) for each in case.state]
    return environment.get_template("script.py.j2").render(
        case=case, sides=sides, input=name, shape=shape, drawn=drawn, largest=_largest(case)
    )


def _largest(case: Case) -> int:
    """Whole numbers up to this keep every sum exact: no element sums more products than there are weights."""
    terms = max((math.prod(each.shape) for each in case.state), default=1)
    return max(1, min(LARGEST, int((EXACT / (terms + 1)) ** 0.5)))
