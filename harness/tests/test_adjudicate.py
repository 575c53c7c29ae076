"""What a lane is run and judged with: exact sums within the limit, truth, bounds, and where they say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness import dtypes, fills
from harness.adjudicate import (
    Adjudicator,
    Appointment,
    NotASum,
    Question,
    Setting,
    appoint,
    derivative,
    settle,
    unjudged,
)
from harness.compare import Judge
from harness.model import Array, Case, Filling, Lane, Parameter, Side, Target, Tolerance
from harness.protocol import Step
from harness.tests.mini import HONEST, case, open_backend
from harness.tolerance import accumulation_bound, exact_limit

NUMPY = Adjudicator("numpy", open_backend(Target("numpy", "cpu")), np.int64)
TORCH = "torch"
GRADIENTS = ("grad.bias", "grad.weight", "grad.x")


def conv(x: tuple[int, ...] = (2, 8, 11), co: int = 12, k: int = 3, **rest: Any) -> Case:
    """A case of ``torch.nn.Conv1d``; a keyword of the call by its name, a field of the case as it is."""
    fields = {name: rest.pop(name) for name in list(rest) if name in ("derivatives", "fillings", "tolerances", "align")}
    own = {"in_channels": x[1], "out_channels": co, "kernel_size": k, **rest}
    state = (Parameter("weight", (co, x[1] // rest.get("groups", 1), k)), Parameter("bias", (co,)))
    made = case(inputs={"x": x}, state=state, sides={TORCH: Side((Step("torch.nn.Conv1d", own),), 0)})
    return replace(made, **fields)


def appointed(made: Case) -> Appointment:
    found = appoint(made, TORCH, (NUMPY,))
    assert found is not None
    return found


def settled(made: Case, lane: Lane = Lane.EXACT, dtype: str = "float32") -> Setting:
    found = settle(Question(made, TORCH, lane, dtype), appointed(made))
    assert found is not None
    return found


def sums(made: Case, setting: Setting) -> Mapping[str, Array]:
    """Every sum of magnitudes that the setting's tensors make."""
    found = NUMPY.outputs(
        made, TORCH, setting.tensors.map(lambda array: np.abs(array.astype(np.float64)).astype(np.int64))
    )
    assert found is not None
    return found


# -- exact sums --------------------------------------------------------------------------------------------------------

SIZES: list[dict[str, Any]] = [
    {},
    {"x": (1, 1, 5), "co": 1, "k": 1},
    {"x": (2, 64, 20), "k": 5},
    {"x": (16, 8, 300), "stride": 2},
    {"x": (1, 2048, 6), "co": 4},
    {"x": (64, 8, 200), "padding": 2, "padding_mode": "circular", "derivatives": 2},
]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_sum_stays_below_the_limit_and_derivatives_too(size: dict[str, Any], dtype: str) -> None:
    made = conv(**size)
    setting = settled(made, dtype=dtype)
    found = sums(made, setting)
    assert found.keys() >= {"output", *GRADIENTS}
    assert max(int(array.max()) for array in found.values()) < exact_limit(dtype)
    for name, array in setting.tensors.named().items():
        assert array.dtype == dtypes.dtype(dtype)
        assert array.astype(float).any(), name
        assert np.array_equal(array.astype(float), np.rint(array.astype(float)))


def test_ordinary_cases_keep_rich_integers_and_long_sums_are_thinned() -> None:
    usual, long = settled(conv()), settled(conv(x=(1, 2048, 6), co=4), dtype="float16")
    assert np.abs(usual.tensors.inputs["x"]).max() == 31
    x = long.tensors.inputs["x"].astype(float)
    assert 0 < np.count_nonzero(x) < x.size / 3


def test_there_is_no_lane_where_no_integers_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tolerance.exact_limit", lambda dtype, short: 1)
    made = conv()
    assert settle(Question(made, TORCH, Lane.EXACT, "float32"), appointed(made)) is None


def test_the_truth_is_of_the_tensors_as_the_sides_get_them() -> None:
    made = conv()
    setting = settled(made, Lane.ROUNDING, "float16")
    truth = setting.judges["output"].truth
    given = setting.tensors.astype(np.dtype(np.float64))
    found = NUMPY.outputs(made, TORCH, given)
    assert found is not None
    assert truth is not None
    np.testing.assert_array_equal(truth, found["output"])
    assert truth.dtype == np.float64


# -- judges ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_bound_of_each_derivative_is_that_of_its_own_terms(dtype: str) -> None:
    made = conv(derivatives=2, stride=2)
    setting, terms = settled(made, Lane.ROUNDING, dtype), appointed(made).terms
    magnitudes = NUMPY.outputs(made, TORCH, setting.tensors.map(lambda array: np.abs(array.astype(np.float64))))
    assert magnitudes is not None
    assert setting.judges.keys() == {"output", *GRADIENTS, "grad2.weight"}
    for name, judge in setting.judges.items():
        assert judge.bound is not None
        np.testing.assert_array_equal(judge.bound, accumulation_bound(dtype, terms[name], magnitudes[name]))
    # n of 3 windows of 8 channels and a bias; 12 channels by taps; 2 samples by 5 windows; the same by 2 of 3 taps.
    counted = {name: int(array.max()) for name, array in terms.items()}
    assert counted == {"output": 25, "grad.x": 24, "grad.weight": 10, "grad.bias": 10, "grad2.weight": 10}


def test_the_exact_lane_has_no_bounds() -> None:
    assert {judge.bound is None for judge in settled(conv()).judges.values()} == {True}


def test_a_table_of_tolerances_holds_for_derivatives_too() -> None:
    row = Tolerance(rtol=0.5, atol=0.25, because="a test")
    setting = settled(conv(tolerances={"float32": row}), Lane.ROUNDING)
    for judge in setting.judges.values():
        assert judge.truth is not None
        np.testing.assert_allclose(judge.bound, 0.25 + 0.5 * np.abs(judge.truth))  # type: ignore[arg-type]


def test_dropping_the_bias_is_a_mutant_of_the_output_alone() -> None:
    judges = settled(conv()).judges
    assert {name for name, judge in judges.items() if judge.unbiased is not None} == {"output"}
    truth, unbiased = judges["output"].truth, judges["output"].unbiased
    assert truth is not None
    assert unbiased is not None
    bias = settled(conv()).tensors.state["bias"]
    np.testing.assert_array_equal(truth - unbiased, np.broadcast_to(bias[:, np.newaxis], truth.shape))


def test_what_no_window_reaches_is_outside_of_the_box_where_mutants_are_planted() -> None:
    judges = settled(conv(x=(2, 8, 12), k=3, stride=4)).judges  # windows at 0, 4 and 8
    assert judges["output"].within == ()
    assert judges["grad.x"].within == (slice(0, 2), slice(0, 8), slice(0, 11))
    assert judges["grad.weight"].within == (slice(0, 12), slice(0, 8), slice(0, 3))


def test_a_derivative_that_nothing_reaches_has_no_judge() -> None:
    setting = settled(conv(x=(0, 8, 11)))
    assert setting.judges.keys() == {"output"}
    assert [setting.judge(name) for name in GRADIENTS] == [None] * 3
    # A sum over an empty batch is there all the same, and so is the output.
    assert isinstance(setting.judge("output"), Judge)


@pytest.mark.parametrize(
    ("lane", "judges", "tensor", "judged"),
    [
        (Lane.EXACT, False, "output", True),
        (Lane.EXACT, False, "grad.x", True),
        (Lane.EXACT, True, "grad.x", False),
        (Lane.EXACT, True, "output_1", True),
        (Lane.ROUNDING, True, "output_1", True),
        (Lane.ROUNDING, False, "grad.x", False),
        (Lane.ROUNDING, True, "grad.x", False),
    ],
)
def test_a_tensor_without_a_judge_of_its_own_is_judged_by_the_lanes_rules_or_not_at_all(
    lane: Lane, judges: bool, tensor: str, judged: bool
) -> None:
    setting = Setting(
        lane, fills.ones(case(), np.int64, None), None, {"output": Judge(lane, None, None)} if judges else {}
    )
    assert setting.judge(tensor) == (Judge(lane, None, None) if judged else None)


def test_derivatives_are_told_by_their_names() -> None:
    assert [derivative(name) for name in ("output", "output_1", "grad.x", "grad2.weight")] == [False, False, True, True]


# -- who computes ------------------------------------------------------------------------------------------------------


def test_who_can_differentiate_too_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Adjudicator("honest", open_backend(HONEST), np.float64)
    lame = Adjudicator("lame", open_backend(HONEST), np.float64)

    def forward_only(made: Case, framework: str, tensors: Any) -> Mapping[str, Array] | None:
        return Adjudicator.outputs(honest, made, framework, replace(tensors, cotangent=None))

    object.__setattr__(lame, "outputs", forward_only)
    for made, name in ((case(), "honest"), (case(derivatives=0), "lame"), (case(align=False), "lame")):
        found = appoint(made, "honest", (lame, honest))
        assert found is not None
        assert found.adjudicator.name == name
    alone = appoint(case(), "honest", (lame,))
    assert alone is not None
    assert alone.terms.keys() == {"output"}
    assert alone.shape == (2, 3, 5, 4)


def test_who_rejects_the_call_is_not_appointed() -> None:
    assert appoint(case(), "honest", (NUMPY,)) is None
    assert settle(Question(case(), "honest", Lane.ROUNDING, "float32"), None) is None
    setting = settle(Question(case(), "honest", Lane.EXACT, "float32"), None)
    assert setting is not None
    assert (setting.judges, setting.adjudicator, setting.tensors.cotangent) == ({}, None, None)
    assert np.abs(setting.tensors.inputs["x"]).max() == 1


def test_a_layer_that_is_no_sum_of_products_is_told() -> None:
    made = case(sides={"mini": Side((Step("mini.Times", {"by": 0.5}),), 0)}, state=())
    halving = Adjudicator("mini", open_backend(Target("mini", "cpu")), np.float64)
    found = appoint(made, "mini", (halving,))
    with pytest.raises(NotASum, match="integers in give no integers out"):
        settle(Question(made, "mini", Lane.EXACT, "float32"), found)


# -- special values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("holds", ["nan", "infinities", "largest", "subnormal"])
@pytest.mark.parametrize("tensor", ["x", "weight"])
def test_special_values_have_a_truth_in_the_sides_dtype(tensor: str, holds: str) -> None:
    setting = settled(conv(fillings={tensor: Filling(holds=holds)}), dtype="float16")
    for judge in setting.judges.values():
        assert judge.truth is not None
        assert judge.truth.dtype == np.float16
    output = setting.judges["output"].truth
    assert output is not None
    finite = np.isfinite(output)
    assert finite.any()
    assert finite.all() == (holds == "subnormal")


def test_a_tensor_of_another_dtype_is_given_in_it_where_nobody_judges() -> None:
    made = conv(fillings={"weight": Filling(dtype="float64"), "x": Filling(holds="nan")})
    for setting in (settled(made), unjudged(made, "float32")):
        assert setting.tensors.state["weight"].dtype == np.float64
        assert setting.tensors.inputs["x"].dtype == np.float32
        assert np.isnan(setting.tensors.inputs["x"]).sum() == 4
