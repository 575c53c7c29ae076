"""What adapters have in common besides layers: seeds, nested steps, signatures, ways to load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.backends.pipeline import PipelineBackend
from harness.model import Array
from harness.protocol import Argument, Observation, Phase, Request, Step
from harness.tests.mini import HONEST, MINI, open_backend

X = np.ones((1, 2, 6), np.float32)
DENSE = Step("mini.Dense", {"inputs": 6, "outputs": 4})


def observe(*steps: Step, state: Mapping[str, Array] | None = None, **rest: Any) -> Observation:
    return open_backend(MINI).observe(Request(steps, 0, (X,), state, **rest))


def kernel(**rest: Any) -> Array:
    return np.asarray(observe(DENSE, want="state", **rest).outputs["kernel"])


def test_a_seed_is_set_before_anything_is_built() -> None:
    assert np.array_equal(kernel(seed=1), kernel(seed=1))
    assert not np.array_equal(kernel(seed=1), kernel(seed=2))
    np.random.seed(5)
    first = kernel()
    assert not np.array_equal(first, kernel())


def test_a_state_is_that_of_the_built_and_loaded_layer() -> None:
    assert {name: array.shape for name, array in observe(DENSE, want="state").outputs.items()} == {"kernel": (6, 4)}
    for way in ("", "strict", "lenient", "constructor"):
        seen = observe(DENSE, want="state", state={"kernel": np.full((6, 4), 2.0)}, load=way)
        assert np.array_equal(seen.outputs["kernel"], np.full((6, 4), 2.0)), way


@pytest.mark.parametrize(
    ("way", "phase", "kind", "misfit"),
    [("", "load", "StateMismatch", True), ("strict", "load", "KeyError", False), ("none", "load", "Absent", False)],
)
def test_a_state_that_does_not_fit(way: str, phase: str, kind: str, misfit: bool) -> None:
    failure = observe(DENSE, state={"kernel": np.zeros((4, 6))}, load=way).failure
    assert failure is not None
    assert (failure.phase, failure.type, failure.misfit) == (Phase(phase), kind, misfit)
    assert failure.unsupported == (kind == "Absent")


def test_a_framework_whose_constructors_take_no_state_says_so() -> None:
    step = Step("honest.Dense", {"ci": 6, "co": 4, "bias": False})
    request = Request((step,), 0, (X,), {"weight": np.zeros((4, 6))}, "constructor")
    failure = open_backend(HONEST).observe(request).failure
    assert failure is not None
    assert (failure.phase, failure.unsupported) == (Phase.CONSTRUCT, True)
    assert failure.message == "no way to load a state by 'constructor'"


def test_a_step_within_a_step_is_taken_where_it_stands() -> None:
    six = Step("mini.times", {"by": 3}, (np.float32(2),))
    assert np.array_equal(observe(Step("mini.Times", {"by": six})).outputs["output"], 6 * X)
    assert np.array_equal(observe(Step("mini.times", {"by": six})).outputs["output"], 6 * X)
    assert np.array_equal(observe(Step("mini.Times", {}, (six,))).outputs["output"], 6 * X)
    nested = Step(
        "builtins.max", {"key": Step("operator.itemgetter", {}, (0,))}, ((Step("builtins.range", {}, (7, 9)),),)
    )
    assert PipelineBackend()._value(nested) == range(7, 9)


def test_a_step_within_a_step_that_is_not_there_is_lacking() -> None:
    failure = observe(Step("mini.Times", {"by": Step("mini.Nothing")})).failure
    assert failure is not None
    assert (failure.phase, failure.type, failure.unsupported) == (Phase.CONSTRUCT, "Absent", True)


def test_a_signature_is_that_of_the_constructor_the_function_or_the_call() -> None:
    backend = open_backend(MINI)
    assert list(backend.signature("mini.times", "constructor")) == [Argument("x"), Argument("by")]
    assert list(backend.signature("mini.Times", "constructor")) == [Argument("by", "1")]
    assert list(backend.signature("mini.Times", "call")) == [Argument("x")]
    with pytest.raises(LookupError, match=r"mini\.Nothing does not tell its signature"):
        backend.signature("mini.Nothing", "constructor")
