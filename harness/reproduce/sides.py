"""The two sides of a program: each a function from NumPy to NumPy, of the output or of one of its derivatives."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any

from harness.model import Case
from harness.reproduce.exhibit import Exhibit, Shows
from harness.reproduce.tensors import WIDTH, unloaded
from harness.requests import own_name, present
from harness.written import Dialects, Written, from_layout, to_layout, write

CONSTRUCTOR = "constructor"


def side(exhibit: Exhibit, framework: str, dialects: Dialects, width: int) -> dict[str, Any]:
    """One side as a function from NumPy to NumPy; where phases matter, each statement says which it is of."""
    case, dialect = exhibit.trial.case, dialects(framework)
    given = [_own(dialect, "tensor", exhibit.trial.dtype).format(array=name) for name in case.inputs]
    written = write(case, framework, given=["x"] if exhibit.differentiated else given)
    built = [_build(line, case, framework, dialect) for line in written.build]
    if exhibit.trial.dtype != "float32" and any(line.startswith("layer = ") for line in built):
        built.append(dialect["cast"].format(layer="layer", dtype=exhibit.trial.dtype))
    parts = {
        "construct": built,
        "load": _load(case, framework, dialect) if case.align and not unloaded(exhibit) else [],
        **(
            _derivative(exhibit, framework, dialect, written, given)
            if exhibit.differentiated
            else _output(exhibit, dialect, written)
        ),
    }
    marked = [
        (line, f"  # {phase}" if exhibit.shows is Shows.REFUSAL else "")
        for phase, lines in parts.items()
        for line in lines
    ]
    return {"name": framework, "lines": [each for line, mark in marked for each in wrapped(line, mark, width)]}


def _own(dialect: Mapping[str, str], key: str, dtype: str) -> str:
    """The pattern of the dtype, where NumPy has not got it; else the one for all."""
    return dialect.get(f"{key}.{dtype}", dialect[key])


def _output(exhibit: Exhibit, dialect: Mapping[str, str], written: Written) -> dict[str, list[str]]:
    several = any(each["tensor"].startswith("output_") for each in exhibit.record["comparisons"])
    result = f"x[{exhibit.tensor.partition('_')[2] or 0}]" if several else "x"
    array = _own(dialect, "array", exhibit.trial.dtype).format(tensor=result)
    return {"call": list(written.call), "fetch": [f"return {array}"]}


def _derivative(
    exhibit: Exhibit, framework: str, dialect: Mapping[str, str], written: Written, given: list[str]
) -> dict[str, list[str]]:
    """The derivative of the output, weighted by the cotangent and summed up, by an input or a parameter."""
    case, name = exhibit.trial.case, exhibit.tensor.partition(".")[2]
    cotangent = _own(dialect, "tensor", exhibit.trial.dtype).format(array="cotangent")
    # Lines of their own kind, where nothing but inputs can be derived by.
    pattern = (
        dialect["backward"] if present(case, framework) else dialect.get("backward.stateless", dialect["backward"])
    )
    run = _composed(written)
    filled = pattern.format(tensors=", ".join(given), forward=run, cotangent=cotangent, layer="layer")
    *lines, last = filled.splitlines()
    parameter = next((each for each in present(case, framework) if each.name == name), None)
    if parameter is None:
        index = list(case.inputs).index(name) if name in case.inputs else 0
        found = dialect["grad.input"].format(index=index)
    else:
        found = from_layout(
            parameter, framework, dialect["grad.state"].format(layer="layer", name=own_name(parameter, framework))
        )
    return {"call": lines, "backward": [last], "fetch": [f"return {found}"]}


def _composed(written: Written) -> str:
    """The steps as one expression that can be called."""
    if len(written.call) == 1 and written.call[0] == "x = layer(x)":
        return "layer"
    text = "x"
    for line in written.call:
        text = line.removeprefix("x = ").replace("(x", f"({text}", 1)
    return f"(lambda x: {text})"


def wrapped(line: str, mark: str = "", width: int = WIDTH) -> list[str]:
    """A statement over as many lines as it needs, the mark at its first, which a traceback shows."""
    texts = re.findall(r'"(?:[^"\\]|\\.)*"', line)
    if len(line) + len(mark) + 4 <= width or any(" " in text for text in texts):
        return [line + mark]
    first, *rest = textwrap.wrap(line, width - len(mark) - 4, break_long_words=False, break_on_hyphens=False)
    return [first + mark, *(f"    {each}" for each in rest)]


def _build(line: str, case: Case, framework: str, dialect: Mapping[str, str]) -> str:
    """The line that builds the layer, with its state where the constructor takes that."""
    if case.sides[framework].load != CONSTRUCTOR or not line.startswith("layer = "):
        return line
    more = _entries(case, framework, dialect[f"{CONSTRUCTOR}.entry"])
    return f"{line[:-1]}, {', '.join(more)})"


def _load(case: Case, framework: str, dialect: Mapping[str, str]) -> list[str]:
    way = case.sides[framework].load
    if way == CONSTRUCTOR:
        return []
    entries = _entries(case, framework, dialect[f"{way}.entry"] if way else dialect["write"])
    if way not in dialect:
        return entries
    return [dialect[way].format(layer="layer", entries=", ".join(entries))]


def _entries(case: Case, framework: str, pattern: str) -> list[str]:
    return [
        pattern.format(layer="layer", name=own_name(each, framework), array=to_layout(each, framework, each.name))
        for each in present(case, framework)
    ]
