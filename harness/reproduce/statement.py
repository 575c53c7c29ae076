"""The parts of a program that shows what a document states besides an output: a signature, a state."""

from __future__ import annotations

import ast
import textwrap
from typing import Any

from harness.checks.signature import IGNORABLE
from harness.checks.state import stated_shapes
from harness.model import ORDER, OTHERS, PARAMETER, Signature
from harness.reproduce.exhibit import Exhibit, Shows
from harness.written import Dialects

WIDTH = 120


def asked(exhibit: Exhibit) -> list[str]:
    """The frameworks that the statement is about."""
    return [name for name in exhibit.frameworks if exhibit.trial.case.side in ("", name)]


def names(exhibit: Exhibit, dialects: Dialects) -> dict[str, Any]:
    """What the template of the check is filled in with."""
    return _signature(exhibit, dialects) if exhibit.shows is Shows.SIGNATURE else _states(exhibit, dialects)


def _states(exhibit: Exhibit, dialects: Dialects) -> dict[str, Any]:
    case, states = exhibit.trial.case, []
    for name in asked(exhibit):
        side = case.sides[name]
        states.append(
            {
                "name": name,
                "build": str(side.steps[side.layer]),
                "stated": repr(stated_shapes(case, name)),
                "built": dialects(name)["shapes"].format(layer=f"{name}_layer"),
            }
        )
    return {"states": states}


def _signature(exhibit: Exhibit, dialects: Dialects) -> dict[str, Any]:
    (framework,) = asked(exhibit)
    case, stated = exhibit.trial.case, exhibit.trial.case.stated
    assert isinstance(stated, Signature)
    side = case.sides[framework]
    call = side.steps[side.layer].call
    method = f".{dialects(framework)['called']}" if stated.of == "call" else ""
    lines = _check(stated, str(case.values[PARAMETER]))
    return {"call": call + method, "check": [each for line in lines for each in _folded(line)]}


def _folded(line: str) -> list[str]:
    """A statement over as many lines as it needs, if it is a list of names."""
    return textwrap.wrap(line, WIDTH, subsequent_indent="    ") if "[" in line and 'print("' not in line else [line]


def _check(stated: Signature, name: str) -> list[str]:
    """Lines that hold one statement against ``parameters``, as :func:`harness.checks.signature.departure` does."""
    documented = [each.name for each in stated.parameters]
    ignorable = sorted(IGNORABLE)
    if name == ORDER:
        return [
            f"documented = {documented}",
            f"seen = [name for name in parameters if name in documented or name not in {ignorable}]",
            'print("expected, in this order:", *documented)',
            "wrong = seen[: len(documented)] != documented",
        ]
    if name == OTHERS:
        return [
            f"known = {[*documented, *ignorable]}",
            "more = [name for name in parameters if name not in known]",
            f'print("expected: {", ".join(documented)}, and no more than these; there is also", *more)',
            "wrong = bool(more)",
        ]
    if name in stated.lacks:
        return [f'print("expected: no {name}")', f'wrong = "{name}" in parameters']
    default = next(each.default for each in stated.parameters if each.name == name)
    value = "inspect._empty" if default is None else repr(ast.literal_eval(default))
    return [
        f"expected = {value}",
        f'print("expected:", "{name}", "without a default" if expected is inspect._empty else f"= {{expected!r}}")',
        f'wrong = "{name}" not in parameters or repr(parameters["{name}"]) != repr(expected)',
    ]
