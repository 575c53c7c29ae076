"""The miniature frameworks made known to the harness, and cases for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import harness.backends
from harness.backends import targets
from harness.model import Case, Expectation, Lane, Parameter, Side, Target, Trial
from harness.protocol import Backend, Step

FOLDER = Path(__file__).parent / "miniatures"
HONEST, MINI = Target("honest", "cpu"), Target("mini", "cpu")

if str(FOLDER) not in harness.backends.__path__:
    harness.backends.__path__.append(str(FOLDER))


def open_backend(target: Target) -> Backend:
    """The target's backend."""
    return targets.backend(target, 1)


def case(
    subject: str = "Linear",
    reference: str = "Linear",
    ci: int = 4,
    extra: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Case:
    """A case of ``honest.REFERENCE`` against ``mini.SUBJECT``; any field can be given another value."""
    own = {"ci": ci, "co": ci}
    scale = reference == "Scale"
    state = (Parameter("weight", (3,) if scale else (ci, ci)), Parameter("bias", (3,) if scale else (ci,)))
    sides = {
        "honest": Side((Step(f"honest.{reference}", {"c": 3} if scale else own),), 0),
        "mini": Side((Step(f"mini.{subject}", {"c": 3} if scale else {**own, **(extra or {})}),), 0),
    }
    made = Case(
        id=f"miniature/{subject}/ci={ci}",
        layer="Miniature",
        family=subject,
        values={"ci": ci},
        swept=("ci",),
        inputs={"x": (2, 3, 5, ci)},
        state=state,
        sides=sides,
        claims=(),
        expect=Expectation.EQUAL,
        lanes=tuple(Lane),
    )
    return replace(made, **changes)


def trial(subject: str = "Linear", dtype: str = "float32", **rest: Any) -> Trial:
    """A trial of such a case."""
    return Trial(case(subject, **rest), dtype, HONEST, MINI)


def dense(subject: str = "Dense", ci: int = 6, co: int = 4, groups: int = 2, bias: bool = True, **changes: Any) -> Case:
    """``honest.Dense`` against one of ``mini``, whose weight is called ``kernel`` and has its axes swapped."""
    honest = {"ci": ci, "co": co, "groups": groups, "bias": bias}
    mini = {"inputs": ci, "outputs": co, "group": groups, "has_bias": bias}
    weight = Parameter("weight", (co, ci // groups), names={"mini": "kernel"}, swap={"mini": (0, 1)})
    sides = {
        "honest": Side((Step("honest.Dense", honest),), 0, changes.pop("honest_load", "")),
        "mini": Side((Step(f"mini.{subject}", mini),), 0, changes.pop("mini_load", "")),
    }
    made = replace(
        case(),
        id=f"miniature/{subject}/ci={ci}",
        inputs={"x": (2, 3, ci)},
        state=(weight, *([Parameter("bias", (co,))] if bias else [])),
        sides=sides,
    )
    return replace(made, **changes)
