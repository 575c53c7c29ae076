"""Writes a divergence as a program: what it shows, in forty lines, with NumPy and the two frameworks alone."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.adjudicate import Setting
from harness.model import Array, Case
from harness.protocol import literal
from harness.reproduce import statement
from harness.reproduce.exhibit import Exhibit, Shows
from harness.requests import own_name, present, side_shape
from harness.written import Dialects, templates, to_layout, write

LINES = 40
WIDTH = 120
LONGEST = 180
# A program that prints more than these draws its values instead, and leaves the results unprinted.
MOST_VALUES = 160
CONSTRUCTOR = "constructor"
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Style:
    """How a program is written.

    Attributes:
        drawn: its values are drawn by NumPy, which takes other ones than the harness did, and not written out.
        width: statements longer than this go on in another line.
    """

    drawn: bool
    width: int


# In the order of preference; the last one is taken however long it is.
STYLES = (Style(False, WIDTH), Style(False, LONGEST), Style(True, WIDTH), Style(True, LONGEST))


def script(exhibit: Exhibit, dialects: Dialects) -> str:
    """The program: it exits 1 while it shows what the trial showed, 0 once it does not."""
    few = exhibit.setting is None or _size(exhibit.setting) <= MOST_VALUES
    written = [script_of(exhibit, dialects, style) for style in STYLES if few or style.drawn]
    return next((text for text in written if len(text.splitlines()) <= LINES), written[-1])


def _size(setting: Setting) -> int:
    return sum(array.size for array in (*setting.tensors.inputs.values(), *setting.tensors.state.values()))


def script_of(exhibit: Exhibit, dialects: Dialects, style: Style) -> str:
    """The program in this style."""
    stated = exhibit.shows in (Shows.SIGNATURE, Shows.STATE)
    running = not stated and exhibit.shows is not Shows.MISFIT
    frameworks = statement.asked(exhibit) if stated else exhibit.frameworks
    names: dict[str, Any] = {
        **_head(exhibit, frameworks),
        "setup": _setup(exhibit, dialects) if exhibit.shows is Shows.REFUSAL else [],
        "tensors": _tensors(exhibit, style) if running else [],
        "sides": [side(exhibit, name, dialects, style.width) for name in frameworks] if running else [],
        "printable": not style.drawn,
        **_refused_as(exhibit),
        **_bounds(exhibit, style),
        **(_misfit(exhibit, dialects) if exhibit.shows is Shows.MISFIT else {}),
        **(statement.names(exhibit, dialects) if stated else {}),
    }
    return templates(TEMPLATES).get_template("reproducer.py.j2").render(names)


def _head(exhibit: Exhibit, frameworks: Sequence[str]) -> dict[str, Any]:
    """What stands at the top, and what the results are held against."""
    needed = {Shows.REFUSAL: ["traceback"], Shows.SIGNATURE: ["inspect"]}.get(exhibit.shows, [])
    case, (reference, subject) = exhibit.trial.case, exhibit.frameworks
    return {
        "about": about(exhibit),
        "shows": str(exhibit.shows),
        "modules": sorted(["sys", *needed]),
        "imports": ["numpy", *sorted(frameworks)],
        "given": list(case.inputs),
        "reference": reference,
        "subject": subject,
        "documented": literal(case.documented_shape) if case.documented_shape else "",
        "expectation": str(case.expect).replace("_", " "),
    }


def headline(exhibit: Exhibit) -> str:
    """What is wrong between which calls."""
    sides = [exhibit.trial.case.sides[name] for name in exhibit.frameworks]
    calls = " and ".join(side.steps[side.layer].call for side in sides)
    return f"{calls}: {exhibit.sentence}"


def about(exhibit: Exhibit) -> list[str]:
    """What is wrong, where it comes from, and what the program's exit code says."""
    sources = [f"Document: {source}." for source in exhibit.sources[:1]]
    lines = [f"{headline(exhibit)}.", *sources, f"Trial: {exhibit.origin}."]
    return [each for line in lines for each in textwrap.wrap(line.replace("\\", "\\\\"), WIDTH - 3)]


def _setup(exhibit: Exhibit, dialects: Dialects) -> list[str]:
    return [line for name in exhibit.frameworks if (line := dialects(name).get("setup", ""))]


# -- tensors ----------------------------------------------------------------------------------------------------------


def _tensors(exhibit: Exhibit, style: Style) -> list[str]:
    assert exhibit.setting is not None
    given, case, dtype = exhibit.setting.tensors, exhibit.trial.case, exhibit.trial.dtype
    state = given.state if case.align and not _unloaded(exhibit) else {}
    wanted = {**given.inputs, **state}
    if exhibit.shows is Shows.REFUSAL:  # whatever the values are
        return [f'{name} = numpy.ones({array.shape}, "{dtype}")' for name, array in wanted.items()]
    if not style.drawn:
        return [line for name, array in wanted.items() for line in written_out(name, array)]
    lines = ["random = numpy.random.default_rng(0)  # too many values to write out"]
    for name, array in wanted.items():
        largest = int(np.abs(array).max(initial=1))
        how = (
            f"integers({-largest}, {largest + 1}, {array.shape})" if exhibit.exact else f"uniform(-1, 1, {array.shape})"
        )
        lines.append(f'{name} = random.{how}.astype("{dtype}")')
    return lines


def _unloaded(exhibit: Exhibit) -> bool:
    """Whether weights play no part: the call is refused whatever they are, and not while they are loaded."""
    ways = {exhibit.trial.case.sides[name].load for name in exhibit.frameworks}
    return exhibit.shows is Shows.REFUSAL and ways == {""}


def written_out(name: str, array: Array) -> list[str]:
    """Lines that assign an array by its values, each of which is read back as it is."""
    whole = array.dtype.kind == "f" and bool(np.all(array == np.rint(array)))
    # The shortest text that gives the value back at its own precision.
    values = [str(int(value)) if whole else str(value) for value in array.ravel()]
    text = f'{name} = numpy.array([{", ".join(values)}], "{array.dtype}").reshape({", ".join(map(str, array.shape))})'
    return textwrap.wrap(text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _bounds(exhibit: Exhibit, style: Style) -> dict[str, Any]:
    """The truth and the bound around it, where the two sides are not held against each other alone."""
    names: dict[str, Any] = {"truth": [], "bound": None}
    if exhibit.setting is None or exhibit.shows not in (Shows.VALUES, Shows.EQUAL):
        return names
    judge = exhibit.setting.judge(exhibit.tensor)
    if judge.truth is None or (exhibit.exact and exhibit.record["disagrees"] in (None, "subject")):
        return names
    bound = np.zeros(judge.truth.shape) if judge.bound is None else judge.bound
    if style.drawn:  # other values than these, so that neither is known element by element
        return {**names, "bound": None if exhibit.exact else 2 * float(bound.max(initial=0.0))}
    lines = [*written_out("truth", judge.truth.astype(np.float64)), *written_out("bound", bound)]
    return {**names, "truth": lines}


# -- sides ------------------------------------------------------------------------------------------------------------


def side(exhibit: Exhibit, framework: str, dialects: Dialects, width: int) -> dict[str, Any]:
    """One side as a function from NumPy to NumPy; where phases matter, each statement says which it is of."""
    case, dialect = exhibit.trial.case, dialects(framework)
    written = write(case, framework, given=[dialect["tensor"].format(array=name) for name in case.inputs])
    built = [_build(line, case, framework, dialect) for line in written.build]
    if exhibit.trial.dtype != "float32":
        built.append(dialect["cast"].format(layer="layer", dtype=exhibit.trial.dtype))
    several = any(each["tensor"].startswith("output_") for each in exhibit.record["comparisons"])
    result = f"x[{exhibit.tensor.partition('_')[2] or 0}]" if several else "x"
    parts = {
        "construct": built,
        "load": _load(case, framework, dialect) if case.align and not _unloaded(exhibit) else [],
        "call": list(written.call),
        "fetch": [f"return {dialect['array'].format(tensor=result)}"],
    }
    marked = [
        (line, f"  # {phase}" if exhibit.shows is Shows.REFUSAL else "")
        for phase, lines in parts.items()
        for line in lines
    ]
    return {"name": framework, "lines": [each for line, mark in marked for each in wrapped(line, mark, width)]}


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


# -- refusals ---------------------------------------------------------------------------------------------------------


def _refused_as(exhibit: Exhibit) -> dict[str, Any]:
    """Who refuses the call; and how the document says that it is refused, in words and as a condition."""
    if exhibit.shows is not Shows.REFUSAL:
        return {}
    refusal = exhibit.trial.case.refusal
    phases, errors = [phase.value for phase in refusal.phases], list(refusal.errors)
    who = "actual" if exhibit.refusing == "subject" else "expected"
    words = [f" at {' or '.join(phases)}"] if phases else []
    words += [f" with {' or '.join(errors)}"] if errors else []
    conditions = [f"{who}[0] in {phases}"] if phases else []
    conditions += [f"{who}[1] in {errors}"] if errors else []
    return {
        "refusing": exhibit.refusing,
        "who": who,
        "elsewhere": exhibit.elsewhere,
        "stated": ",".join(words),
        "as_stated": " and ".join(conditions),
    }


def _misfit(exhibit: Exhibit, dialects: Dialects) -> dict[str, Any]:
    case, (reference, subject) = exhibit.trial.case, exhibit.frameworks
    needed = {own_name(each, subject): side_shape(each, subject) for each in present(case, subject)}
    return {
        "builds": _builds(case, (reference, subject)),
        "needed": _shapes(needed),
        "built": dialects(subject)["shapes"].format(layer=f"{subject}_layer"),
    }


def _builds(case: Case, frameworks: Sequence[str]) -> list[str]:
    """Lines that build the layers alone."""
    found = []
    for name in frameworks:
        steps = case.sides[name]
        found += wrapped(f"{name}_layer = {steps.steps[steps.layer]}")
    return found


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return "{" + ", ".join(f'"{name}": {shape}' for name, shape in shapes.items()) + "}"
