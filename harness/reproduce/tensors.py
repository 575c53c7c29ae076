"""The tensors of a program: written out, or drawn where they are too many; and what the results are held against."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.dtypes import floating
from harness.model import Array
from harness.reproduce.exhibit import Exhibit, Shows

WIDTH = 120
LARGE = 1e6


@dataclass(frozen=True)
class Style:
    """How a program is written.

    Attributes:
        drawn: its values are drawn by NumPy, which takes other ones than the harness did, and not written out.
        width: statements longer than this go on in another line.
    """

    drawn: bool
    width: int


def lines(exhibit: Exhibit, style: Style) -> list[str]:
    """Lines that give each input and parameter its values, and the cotangent where there is a derivative."""
    wanted = _wanted(exhibit)
    if exhibit.shows is Shows.REFUSAL:  # whatever the values are
        return [f'{name} = numpy.ones({array.shape}, "{array.dtype}")' for name, array in wanted.items()]
    if not style.drawn:
        return [line for name, array in wanted.items() for line in written_out(name, array, style.width)]
    drawn = ["random = numpy.random.default_rng(0)  # too many values to write out"]
    for name, array in wanted.items():
        largest = int(np.abs(array).max(initial=1))
        whole = f"integers({-largest}, {largest + 1}, {array.shape})"
        how = whole if exhibit.exact else f"uniform(-1, 1, {array.shape})"
        drawn.append(f'{name} = random.{how}.astype("{array.dtype}")')
    return drawn


def _wanted(exhibit: Exhibit) -> dict[str, Array]:
    assert exhibit.setting is not None
    given = exhibit.setting.tensors
    state = given.state if exhibit.trial.case.align and not unloaded(exhibit) else {}
    cotangent = {} if given.cotangent is None or not exhibit.differentiated else {"cotangent": given.cotangent}
    # NumPy has no bfloat16 of its own; each framework casts to it.
    wanted = {**given.inputs, **state, **cotangent}
    return {
        name: array if array.dtype.kind == "f" or not floating(array) else array.astype(np.float32)
        for name, array in wanted.items()
    }


def unloaded(exhibit: Exhibit) -> bool:
    """Whether weights play no part: the call is refused whatever they are, and not while they are loaded."""
    ways = {exhibit.trial.case.sides[name].load for name in exhibit.frameworks}
    return exhibit.shows is Shows.REFUSAL and ways == {""}


def written_out(name: str, array: Array, width: int = WIDTH) -> list[str]:
    """Lines that assign an array by its values, each of which is read back as it is."""
    values = ", ".join(map(_value, array.ravel()))
    text = f'{name} = numpy.array([{values}], "{array.dtype}").reshape({", ".join(map(str, array.shape))})'
    return textwrap.wrap(text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _value(value: Any) -> str:
    """The shortest text that gives the value back at its own precision."""
    if not np.isfinite(value):
        return "nan" if np.isnan(value) else f"{'-' if value < 0 else ''}inf"
    return str(int(value)) if value == np.rint(value) and abs(value) < LARGE and str(value) != "-0.0" else str(value)


def bounds(exhibit: Exhibit, style: Style) -> dict[str, Any]:
    """The truth and the bound around it, where the two sides are not held against each other alone."""
    names: dict[str, Any] = {"truth": [], "bound": None, "finite": True}
    if exhibit.setting is None or exhibit.shows not in (Shows.VALUES, Shows.EQUAL):
        return names
    judge = exhibit.setting.judge(exhibit.tensor)
    if judge is None or judge.truth is None or (exhibit.exact and exhibit.reference_is_right):
        return names
    bound = np.zeros(judge.truth.shape) if judge.bound is None else judge.bound
    if style.drawn:  # other values than these, so that neither is known element by element
        return {**names, "bound": None if exhibit.exact else 2 * float(bound.max(initial=0.0))}
    finite = bool(np.isfinite(judge.truth).all())
    limit = written_out("bound", bound, style.width) if bound.any() else ["bound = 0"] if finite else []
    text = [*written_out("truth", judge.truth.astype(np.float64), style.width), *limit]
    return {**names, "truth": text, "finite": finite}
