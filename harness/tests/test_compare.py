"""Verdicts, measures and the checks that could not have failed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness import dtypes
from harness.compare import Judge, compare, max_ulp
from harness.model import Array, Comparison, Lane, Verdict

EXACT = Judge(Lane.EXACT, None, None)
FLOATS = (np.float16, np.float32, np.float64)


def numbers(dtype: type[np.generic] = np.float32, shape: tuple[int, ...] = (2, 4, 5, 6)) -> Array:
    return np.random.default_rng(7).integers(-50, 50, shape).astype(dtype)


def bounded(truth: Array, bound: float) -> Judge:
    return Judge(Lane.ROUNDING, np.full(truth.shape, bound), truth.astype(np.float64))


def changed(array: Array, at: tuple[int, ...], value: float) -> Array:
    copy = array.copy()
    copy[at] = value
    return copy


def against(actual: Array, expected: Array, judge: Judge = EXACT) -> Comparison:
    return compare(actual, expected, "output", judge)


def test_equal_arrays_are_bitwise_and_measured() -> None:
    found = against(numbers(), numbers())
    assert (found.verdict, found.max_abs, found.max_ulp, found.mismatched) == (Verdict.BITWISE, 0.0, 0, 0)
    assert (found.size, found.bound_ratio, found.missed) == (240, 0.0, ())
    assert found.cosine == pytest.approx(1.0)


def test_one_unit_in_the_last_place_is_a_value_in_the_exact_lane() -> None:
    expected, at = numbers(), (1, 2, 3, 4)
    found = against(changed(expected, at, float(np.nextafter(expected[at], np.float32(np.inf)))), expected)
    assert (found.verdict, found.mismatched, found.worst_index, found.max_ulp) == (Verdict.VALUE, 1, at, 1)
    assert found.bound_ratio == np.inf


def test_within_the_bound_is_neither_bitwise_nor_a_value() -> None:
    expected = numbers()
    found = against(
        changed(expected, (0, 0, 0, 0), float(expected[0, 0, 0, 0]) + 0.25), expected, bounded(expected, 0.5)
    )
    assert (found.verdict, found.bound_ratio, found.max_abs) == (Verdict.WITHIN_BOUND, 0.5, 0.25)


def test_the_bound_itself_is_allowed_and_no_more() -> None:
    expected = numbers()
    moved = expected + np.float32(0.5)
    assert against(moved, expected, bounded(expected, 0.5)).verdict is Verdict.WITHIN_BOUND
    beyond = against(moved, expected, bounded(expected, 0.499))
    assert (beyond.verdict, beyond.mismatched) == (Verdict.VALUE, expected.size)


def test_shape_comes_before_dtype_and_dtype_before_values() -> None:
    expected = numbers()
    other = (expected + 1).astype(np.float64)
    assert against(other[..., :-1], expected).verdict is Verdict.SHAPE
    found = against(other, expected)
    assert (found.verdict, found.max_abs, found.size) == (Verdict.DTYPE, None, 0)
    assert against(expected.reshape(2, 4, 6, 5), expected).actual_shape == (2, 4, 6, 5)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_nothing_is_cast_first(dtype: type[np.generic]) -> None:
    assert against(numbers(dtype), numbers()).verdict is Verdict.DTYPE
    assert against(numbers(), numbers(dtype)).verdict is Verdict.DTYPE
    assert against(numbers(dtype), numbers(dtype)).verdict is Verdict.BITWISE


def test_one_element_does_not_stand_for_many() -> None:
    expected = numbers()
    assert against(expected[:1], expected).verdict is Verdict.SHAPE
    assert against(expected[0, 0, 0, 0], expected).verdict is Verdict.SHAPE


SPECIAL: list[tuple[float, float, bool]] = [
    (np.nan, np.nan, True),
    (np.nan, 1.0, False),
    (1.0, np.nan, False),
    (np.inf, np.inf, True),
    (-np.inf, -np.inf, True),
    (np.inf, -np.inf, False),
    (np.inf, 65504.0, False),
    (65504.0, np.inf, False),
    (np.nan, np.inf, False),
]


@pytest.mark.parametrize(("actual", "expected", "equal"), SPECIAL)
@pytest.mark.parametrize("bound", [0.0, 1e6, np.inf])
def test_nan_by_place_and_infinity_by_sign_whatever_the_bound(
    actual: float, expected: float, equal: bool, bound: float
) -> None:
    right, at = changed(numbers(), (0, 0, 0, 0), expected), (0, 0, 0, 0)
    left = changed(right, at, actual)
    for judge in (Judge(Lane.ROUNDING, np.full(right.shape, bound), None), bounded(right, bound)):
        found = against(left, right, judge)
        assert (found.mismatched == 0) is equal
        assert (found.verdict is Verdict.VALUE) is not equal
        assert found.worst_index == at or equal


def test_nan_elsewhere_is_not_the_same_nan() -> None:
    expected = changed(numbers(), (0, 0, 0, 0), np.nan)
    found = against(np.roll(expected, 1, 3), expected)
    assert (found.verdict, found.max_abs) == (Verdict.VALUE, np.inf)


def test_two_bit_patterns_of_nan_are_not_bitwise() -> None:
    expected = changed(numbers(), (0, 0, 0, 0), np.nan)
    actual = expected.copy()
    actual.view(np.uint32)[0, 0, 0, 0] ^= 1
    assert np.isnan(actual[0, 0, 0, 0])
    assert against(actual, expected).verdict is Verdict.WITHIN_BOUND


def test_negative_zero_is_equal_but_not_bitwise() -> None:
    expected = changed(numbers(), (0, 0, 0, 0), 0.0)
    found = against(changed(expected, (0, 0, 0, 0), -0.0), expected)
    assert (found.verdict, found.max_abs, found.max_ulp) == (Verdict.WITHIN_BOUND, 0.0, 0)


def test_layout_in_memory_plays_no_part() -> None:
    expected = numbers()
    assert against(np.asfortranarray(expected), expected).verdict is Verdict.BITWISE
    assert against(expected[:, :, ::-1][:, :, ::-1], expected).verdict is Verdict.BITWISE


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("start", [-3.0, -1e-7, 0.0, 0.1, 1.0, 2.0, 1000.0])
@pytest.mark.parametrize("steps", [1, 2, 17])
def test_max_ulp_counts_what_nextafter_steps(dtype: Any, start: float, steps: int) -> None:
    left = right = dtype(start)
    for _ in range(steps):
        right = np.nextafter(right, dtype(np.inf))
    assert max_ulp(np.array([right, left]), np.array([left, left])) == steps
    assert max_ulp(np.array([left, left]), np.array([left, right])) == steps


@pytest.mark.parametrize("dtype", FLOATS)
def test_max_ulp_across_zero_and_to_the_ends(dtype: Any) -> None:
    info = np.finfo(dtype)
    least, most = np.array([info.smallest_subnormal]), np.array([info.max])
    assert max_ulp(least, -least) == 2
    assert max_ulp(np.array([dtype(-0.0)]), least) == 1
    finite = 2 ** (info.bits - 1) - 2**info.nmant
    assert max_ulp(most, np.zeros(1, dtype)) == finite - 1
    assert max_ulp(most, -most) == 2 * (finite - 1)
    assert max_ulp(np.array([dtype(np.inf)]), most) == 1
    assert max_ulp(np.array([dtype(np.inf)]), np.array([dtype(-np.inf)])) == 2 * finite


@pytest.mark.parametrize(
    ("left", "right", "steps"),
    [
        (1.0, 1.0, 0),
        (1.0, 1.0078125, 1),
        (1.0, 2.0, 128),
        (-1.0, 1.0, 2 * 127 * 128),
        (0.0, -0.0, 0),
        (2.0, 1.984375, 2),
    ],
)
def test_max_ulp_counts_in_bfloat16(left: float, right: float, steps: int) -> None:
    a, b = (np.array([value, 0.5], dtypes.dtype("bfloat16")) for value in (left, right))
    assert max_ulp(a, b) == max_ulp(b, a) == steps


def test_bfloat16_is_compared_as_any_other() -> None:
    expected = numbers().astype(dtypes.dtype("bfloat16"))
    found = against(expected, expected.copy())
    assert (found.verdict, found.max_abs, found.max_ulp) == (Verdict.BITWISE, 0.0, 0)
    other = expected.copy()
    other[1, 2, 3, 4] += 1
    assert (against(other, expected).verdict, against(other, expected).max_abs) == (Verdict.VALUE, 1.0)
    assert against(expected.astype(np.float16), expected).verdict is Verdict.DTYPE


def test_max_ulp_passes_over_nan_and_integers() -> None:
    assert max_ulp(np.array([np.nan, 1.0]), np.array([5.0, 1.0])) == 0
    assert max_ulp(np.array([1]), np.array([2])) is None
    assert max_ulp(np.empty(0), np.empty(0)) == 0


def test_the_ratio_is_of_the_worst_element_by_its_own_bound() -> None:
    expected = numbers(np.float64)
    bound = np.full(expected.shape, 100.0)
    bound[0, 1, 2, 3] = 2.0
    actual = changed(expected, (0, 1, 2, 3), float(expected[0, 1, 2, 3]) + 3.0)
    actual[1, 1, 1, 1] += 50.0
    found = against(actual, expected, Judge(Lane.ROUNDING, bound, expected))
    assert (found.bound_ratio, found.worst_index, found.max_abs, found.mismatched) == (1.5, (0, 1, 2, 3), 50.0, 1)


@pytest.mark.parametrize(
    ("subject", "reference", "side"),
    [(1.0, 0.0, "subject"), (0.0, 1.0, "reference"), (1.0, -1.0, "both"), (0.0, 0.0, None)],
)
def test_the_adjudicator_says_which_side_is_off(subject: float, reference: float, side: str | None) -> None:
    truth = numbers(np.float64)
    for judge in (Judge(Lane.EXACT, None, truth), bounded(truth, 0.5)):
        found = against(truth + subject, truth + reference, judge)
        assert found.disagrees == side
        assert (found.verdict is Verdict.VALUE) is (side is not None)


@pytest.mark.parametrize(
    ("actual", "expected", "side"), [(5, 6, "subject"), (6, 5, "reference"), (5, 4, "both"), (6, 6, None)]
)
def test_the_adjudicator_says_whose_shape_is_off(actual: int, expected: int, side: str | None) -> None:
    truth = numbers()
    found = against(truth[..., :actual], truth[..., :expected], Judge(Lane.EXACT, None, truth))
    assert found.disagrees == side
    assert (found.verdict is Verdict.SHAPE) is (side is not None)


def test_two_sides_that_are_wrong_alike_do_not_agree() -> None:
    truth = numbers()
    found = against(truth + 1, truth + 1, Judge(Lane.EXACT, None, truth.astype(np.int64)))
    assert (found.verdict, found.disagrees, found.max_abs) == (Verdict.VALUE, "both", 0.0)
    assert found.mismatched == truth.size


def test_without_a_truth_nobody_is_blamed() -> None:
    assert against(numbers() + 1, numbers()).disagrees is None


def test_a_truth_of_another_shape_is_no_truth() -> None:
    expected = numbers()
    found = against(expected, expected, Judge(Lane.EXACT, None, expected[..., :-1]))
    assert (found.verdict, found.disagrees) == (Verdict.BITWISE, None)


def test_a_bound_of_another_shape_allows_nothing() -> None:
    expected = numbers()
    assert against(expected + 1, expected, Judge(Lane.ROUNDING, np.full(3, 99.0), None)).verdict is Verdict.VALUE


@pytest.mark.parametrize("shape", [(2, 4, 5, 6), (3, 4), (5,), (1, 1, 1, 2)])
def test_constant_arrays_prove_nothing(shape: tuple[int, ...]) -> None:
    found = against(np.ones(shape, np.float32), np.ones(shape, np.float32))
    assert found.verdict is Verdict.WEAK
    assert f"shift-{len(shape) - 1}" in found.missed


def test_a_difference_in_a_weak_comparison_is_still_a_difference() -> None:
    assert against(np.full((2, 3), 2.0), np.ones((2, 3))).verdict is Verdict.VALUE


def test_a_bound_that_lets_everything_pass_proves_nothing() -> None:
    expected = numbers()
    found = against(expected, expected, bounded(expected, 1000.0))
    assert found.verdict is Verdict.WEAK
    assert set(found.missed) >= {"shift-0", "flip-3", "border-2", "halves-swapped"}
    assert against(expected, expected, bounded(expected, np.inf)).verdict is Verdict.WEAK


def test_within_a_box_mutants_are_planted_there_alone() -> None:
    expected = np.zeros((2, 4, 5, 6), np.float32)
    expected[:, :, :2, 1:4] = numbers(shape=(2, 4, 2, 3))
    inside = (slice(0, 2), slice(0, 4), slice(0, 2), slice(1, 4))
    bound = np.where(expected != 0, 0.4, 0.0)  # as where nothing is summed
    judge = Judge(Lane.ROUNDING, bound, expected.astype(np.float64), within=inside)
    assert against(expected, expected, judge).verdict is Verdict.BITWISE
    same = np.zeros_like(expected)
    same[inside] = 1
    blind = replace(judge, truth=same.astype(np.float64), within=inside)
    moving = {"shift-2", "flip-2", "shift-3"}  # as a whole all ones move against the zeros around them
    assert not moving & set(against(same, same, replace(blind, within=())).missed)
    assert moving <= set(against(same, same, blind).missed)
    beside = changed(expected, (0, 0, 4, 5), 1.0)
    assert against(beside, expected, judge).verdict is Verdict.VALUE


@pytest.mark.parametrize(("value", "verdict"), [(3.0, Verdict.BITWISE), (0.0, Verdict.WEAK)])
def test_a_single_element_proves_something_if_it_is_not_zero(value: float, verdict: Verdict) -> None:
    for shape in ((), (1,), (1, 1), (1, 1, 1, 1)):
        assert against(np.full(shape, value), np.full(shape, value)).verdict is verdict


def test_an_empty_array_proves_its_shape_and_dtype() -> None:
    found = against(np.empty((2, 0, 3)), np.empty((2, 0, 3)))
    assert (found.verdict, found.max_abs, found.size, found.missed) == (Verdict.BITWISE, None, 0, ())
    assert against(np.empty((2, 0, 4)), np.empty((2, 0, 3))).verdict is Verdict.SHAPE
    assert against(np.empty((2, 0, 3), np.float32), np.empty((2, 0, 3))).verdict is Verdict.DTYPE


def test_extreme_values_raise_no_warning() -> None:
    most = float(np.finfo(np.float64).max)
    expected = changed(numbers(np.float64), (0, 0, 0, 0), most)
    bound = np.full(expected.shape, np.finfo(np.float64).smallest_subnormal)
    assert against(-expected, expected, Judge(Lane.ROUNDING, bound, expected)).verdict is Verdict.VALUE
    infinite = changed(numbers(np.float64), (0, 0, 0, 0), np.inf)
    assert against(np.zeros_like(infinite), infinite).cosine is None


def test_an_infinite_error_is_outside_an_infinite_bound() -> None:
    expected = numbers()
    found = against(changed(expected, (0, 0, 0, 0), np.inf), expected, bounded(expected, np.inf))
    assert (found.verdict, found.mismatched, found.bound_ratio) == (Verdict.VALUE, 1, np.inf)


def test_a_bound_that_is_no_number_lets_nan_be_nan() -> None:
    array = np.array([1.0, np.nan, 2.0], np.float32)
    judge = Judge(Lane.ROUNDING, np.array([0.1, np.nan, 0.1]), array.astype(np.float64))
    assert not judge.outside(array, array.astype(np.float64)).any()
    assert judge.outside(np.array([1.0, 3.0, 2.0], np.float32), array.astype(np.float64)).tolist() == [
        False,
        True,
        False,
    ]


# -- one against itself ------------------------------------------------------------------------------------------------


def mutual(judge: Judge) -> Judge:
    return replace(judge, mutual=True)


def test_two_that_are_wrong_alike_are_equal_to_each_other() -> None:
    truth = numbers()
    judge = Judge(Lane.EXACT, None, truth.astype(np.int64))
    assert against(truth + 1, truth + 1, judge).disagrees == "both"
    found = against(truth + 1, truth + 1, mutual(judge))
    assert (found.verdict, found.disagrees, found.mismatched) == (Verdict.BITWISE, None, 0)
    holes = changed(truth, (0, 0, 0, 0), np.nan)
    assert against(holes, holes, mutual(judge)).verdict is Verdict.BITWISE


def test_two_that_differ_are_told_apart_by_the_truth() -> None:
    truth = numbers()
    judge = mutual(Judge(Lane.EXACT, None, truth.astype(np.int64)))
    assert against(truth + 1, truth, judge).disagrees == "subject"
    assert against(truth, truth + 1, judge).disagrees == "reference"
    assert against(truth + 1, truth + 2, judge).disagrees == "both"
    assert {against(truth + each, truth, judge).verdict for each in (1, np.nan)} == {Verdict.VALUE}


def test_between_two_lie_the_bounds_of_both() -> None:
    truth = numbers()
    for apart, verdict in ((0.9, Verdict.WITHIN_BOUND), (1.1, Verdict.VALUE)):
        left, right = ((truth.astype(np.float64) + sign * apart / 2).astype(np.float32) for sign in (1, -1))
        assert against(left, right, mutual(bounded(truth, 0.5))).verdict is verdict
