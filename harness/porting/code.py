"""Writes a call's counterpart as code: for a person to paste, or as a program that compares the two."""

from __future__ import annotations

import math
from pathlib import Path

from harness import isa
from harness.model import Case
from harness.requests import own_name
from harness.written import Dialects, from_layout, templates, to_layout, write

SOURCE = "source"
LARGEST = 7  # of the whole numbers that a script draws; less where sums would leave what float32 holds exactly
EXACT = 2**24


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


def script(case: Case, reference: str, subject: str, dialects: Dialects, instruction_set: str = "") -> str:
    """A program that needs only NumPy and the two frameworks, and exits 0 when both sides give the same.

    Args:
        case: both sides.
        reference, subject: which frameworks.
        dialects: how their code is written.
        instruction_set: what the program keeps itself within, one of :data:`harness.isa.WORDS`.
    """
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
    drawn, pinned = [(each.name, each.shape) for each in case.state], isa.lines(instruction_set)
    return (
        templates(Path(__file__).parent / "templates")
        .get_template("script.py.j2")
        .render(case=case, sides=sides, input=name, shape=shape, drawn=drawn, largest=_largest(case), pinned=pinned)
    )


def _largest(case: Case) -> int:
    """Whole numbers up to this keep every sum exact: no element sums more products than there are weights."""
    terms = max((math.prod(each.shape) for each in case.state), default=1)
    return max(1, min(LARGEST, int((EXACT / (terms + 1)) ** 0.5)))
