"""Writes a divergence as a program: what it shows, in forty lines, with NumPy and the two frameworks alone."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import isa
from harness.adjudicate import Setting
from harness.model import Case
from harness.protocol import literal
from harness.reproduce import sides, statement, tensors
from harness.reproduce.exhibit import Exhibit, Shows
from harness.reproduce.tensors import WIDTH, Style
from harness.requests import own_name, present, side_shape
from harness.written import Dialects, templates

LINES = 40
LONGEST = 180
# More than these are not even tried to be written out.
MOST_VALUES = 1000
TEMPLATES = Path(__file__).parent / "templates"


# In the order of preference; the last one is taken however long it is.
STYLES = (Style(False, WIDTH), Style(False, LONGEST), Style(True, WIDTH), Style(True, LONGEST))


def script(exhibit: Exhibit, dialects: Dialects) -> str:
    """The program: it exits 1 while it shows what the trial showed, 0 once it does not."""
    # What is special about values cannot be drawn.
    special = exhibit.trial.case.special
    few = exhibit.setting is None or _size(exhibit.setting) <= MOST_VALUES or special
    styles = [style for style in STYLES if (few and not style.drawn) or (style.drawn and not special)]
    written = [script_of(exhibit, dialects, style) for style in styles]
    return next((text for text in written if len(text.splitlines()) <= LINES), _dense(written[-1]))


def _dense(text: str) -> str:
    """The program without the blank lines that are there for the eye."""
    return "".join(line for line in text.splitlines(keepends=True) if line.strip())


def _size(setting: Setting) -> int:
    return sum(array.size for array in (*setting.tensors.inputs.values(), *setting.tensors.state.values()))


def script_of(exhibit: Exhibit, dialects: Dialects, style: Style) -> str:
    """The program in this style."""
    stated = exhibit.shows in (Shows.SIGNATURE, Shows.STATE)
    running = not stated and exhibit.shows is not Shows.MISFIT
    frameworks = statement.asked(exhibit) if stated else exhibit.frameworks
    names: dict[str, Any] = {
        **_head(exhibit, frameworks),
        "setup": _setup(exhibit, dialects) if running else [],
        "tensors": tensors.lines(exhibit, style) if running else [],
        "sides": [sides.side(exhibit, name, dialects, style.width) for name in frameworks] if running else [],
        "printable": not style.drawn,
        **_refused_as(exhibit),
        **tensors.bounds(exhibit, style),
        **(_misfit(exhibit, dialects) if exhibit.shows is Shows.MISFIT else {}),
        **(statement.names(exhibit, dialects) if stated else {}),
    }
    return templates(TEMPLATES).get_template("reproducer.py.j2").render(names)


def _head(exhibit: Exhibit, frameworks: Sequence[str]) -> dict[str, Any]:
    """What stands at the top, and what the results are held against."""
    needed = {Shows.REFUSAL: ["traceback"], Shows.SIGNATURE: ["inspect"]}.get(exhibit.shows, [])
    case, (reference, subject) = exhibit.trial.case, exhibit.frameworks
    computes = exhibit.shows not in (Shows.SIGNATURE, Shows.STATE, Shows.MISFIT)
    pinned = isa.lines(exhibit.trial.subject.isa) if computes else []
    return {
        "about": about(exhibit),
        "shows": str(exhibit.shows),
        "modules": sorted(["sys", *needed, *(["os"] if computes else [])]),
        "computes": computes,
        "pinned": pinned,
        "imports": ["numpy", *sorted(frameworks)],
        "given": list(case.inputs),
        "special": case.special,
        "reference": reference,
        "subject": subject,
        "documented": literal(case.documented_shape) if case.documented_shape else "",
        "expectation": str(case.expect).replace("_", " "),
    }


def headline(exhibit: Exhibit) -> str:
    """What is wrong between which calls."""
    both = [exhibit.trial.case.sides[name] for name in exhibit.frameworks]
    calls = " and ".join(side.steps[side.layer].call for side in both)
    return f"{calls}: {exhibit.sentence}"


def about(exhibit: Exhibit) -> list[str]:
    """What is wrong, where it comes from, and what the program's exit code says."""
    sources = [f"Document: {source}." for source in exhibit.sources[:1]]
    lines = [f"{headline(exhibit)}.", *sources, f"Trial: {exhibit.origin}."]
    return [each for line in lines for each in textwrap.wrap(line.replace("\\", "\\\\"), WIDTH - 3)]


def _setup(exhibit: Exhibit, dialects: Dialects) -> list[str]:
    """What has to be set before anything is built: the mode, and that errors show where they arise."""
    trial = exhibit.trial
    keys = ["setup"] if exhibit.shows is Shows.REFUSAL else []
    wanted = [(target.framework, key) for target in (trial.reference, trial.subject) for key in keys]
    modes = [(each.framework, f"setup.{each.mode}") for each in (trial.reference, trial.subject) if each.mode]
    return [line for name, key in (*wanted, *modes) if (line := dialects(name).get(key, ""))]


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
        found += sides.wrapped(f"{name}_layer = {steps.steps[steps.layer]}")
    return found


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return "{" + ", ".join(f'"{name}": {shape}' for name, shape in shapes.items()) + "}"
