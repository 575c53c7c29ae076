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
