"""From a case and its tensors to one side's request, and from its derivatives back to the case's names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.model import Array, Parameter
from harness.requests import Tensors, canonical, request
from harness.tests.mini import case, dense

PAIR = case(inputs={"x": (2, 3), "y": (2, 5)}, state=())


def numbered(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


def tensors(**weights: Any) -> Tensors:
    return Tensors({"x": numbered(2, 3), "y": numbered(2, 5)}, {"weight": numbered(4), "bias": numbered(3)}, **weights)


WEIGHTED = tensors(cotangent=numbered(2), tangents={"x": numbered(2, 3) + 1, "y": numbered(2, 5) + 1})


def test_derivatives_by_an_input_have_its_name_by_its_place() -> None:
    given = {"output": numbered(1), "grad.0": numbered(2), "grad.1": numbered(3), "grad2.1": numbered(4)}
    found = canonical(PAIR, "mini", given)
    assert {name: array.size for name, array in found.items()} == {"output": 1, "grad.x": 2, "grad.y": 3, "grad2.y": 4}


@pytest.mark.parametrize("kind", ["grad", "grad2"])
def test_derivatives_by_a_parameter_have_the_cases_name_and_layout(kind: str) -> None:
    weight = Parameter("weight", (4, 3), {"mini": "kernel"}, {"mini": 1}, {"mini": (0, 1)})
    made = replace(dense(), state=(weight, Parameter("bias", (4,))))
    found = canonical(made, "mini", {f"{kind}.kernel": numbered(3, 1, 4), f"{kind}.bias": numbered(4)})
    assert np.array_equal(found[f"{kind}.weight"], numbered(3, 4).T)
    assert found.keys() == {f"{kind}.weight", f"{kind}.bias"}
    same = canonical(made, "honest", {f"{kind}.weight": numbered(4, 3)})
    assert np.array_equal(same[f"{kind}.weight"], numbered(4, 3))


def test_what_the_case_does_not_know_is_left_out() -> None:
    lacking = Parameter("bias", (4,), lacking=frozenset({"mini"}))
    found = canonical(
        replace(case(), state=(lacking,)), "mini", {"grad.bias": numbered(4), "grad.running": numbered(1)}
    )
    assert found == {}


def test_outputs_keep_their_names() -> None:
    assert canonical(case(), "mini", {"output": numbered(1), "output_1": numbered(2)}).keys() == {"output", "output_1"}


def test_all_tensors_have_names_of_their_own() -> None:
    assert list(WEIGHTED.named()) == ["x", "y", "weight", "bias", "cotangent", "tangent x", "tangent y"]
    assert list(tensors().named()) == ["x", "y", "weight", "bias"]


def test_a_change_by_name_reaches_each_tensor() -> None:
    changed = WEIGHTED.map_named(lambda name, array: array + len(name))
    for name, array in WEIGHTED.named().items():
        assert np.array_equal(changed.named()[name], array + len(name))
    assert tensors().map(np.negative).cotangent is None
    assert {array.dtype for array in WEIGHTED.astype(np.dtype(np.int8)).named().values()} == {np.dtype(np.int8)}


def test_without_a_parameter_there_is_nothing_to_differentiate_by() -> None:
    without = WEIGHTED.without("bias")
    assert not without.state["bias"].any()
    assert without.state["weight"] is WEIGHTED.state["weight"]
    assert (without.cotangent, without.tangents) == (None, {})


def test_a_request_has_the_inputs_and_their_tangents_in_order() -> None:
    asked = request(PAIR, "mini", WEIGHTED)
    assert [array.shape for array in asked.inputs] == [array.shape for array in asked.tangents] == [(2, 3), (2, 5)]
    assert asked.tangents[0] is WEIGHTED.tangents["x"]
    assert asked.cotangent is WEIGHTED.cotangent


@pytest.mark.parametrize(("load", "align", "seed"), [("strict", True, 0), ("", True, None), ("strict", False, None)])
def test_what_a_framework_loads_in_its_own_way_is_drawn_alike_each_time(
    load: str, align: bool, seed: int | None
) -> None:
    made = replace(dense(mini_load=load), align=align)
    given = Tensors({"x": numbered(2, 3, 6)}, {"weight": numbered(4, 3), "bias": numbered(4)})
    assert request(made, "mini", given).seed == seed
