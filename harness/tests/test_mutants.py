"""Planted mutants: wrong in one way each, and caught unless the comparison is blind."""

from __future__ import annotations

import numpy as np
import pytest

from harness.compare import Judge, compare
from harness.model import Array, Lane, Verdict
from harness.mutants import missed, mutants

SHAPE = (2, 4, 5, 6)
KINDS = {
    *(f"{what}-{axis}" for what in ("shift", "flip") for axis in range(4)),
    *("border-2", "border-3", "bias-dropped", "halves-swapped"),
}


def reals(*shape: int) -> Array:
    return np.random.default_rng(3).uniform(-1, 1, shape or SHAPE).astype(np.float32)


def planted(expected: Array, unbiased: Array | None = None) -> dict[str, Array]:
    return dict(mutants(expected, unbiased))


def seen_by(expected: Array, bound: float) -> tuple[str, ...]:
    judge = Judge(Lane.ROUNDING, np.full(expected.shape, bound), expected.astype(np.float64), expected + 0.25)
    return compare(expected, expected, "output", judge).missed


def test_every_kind_is_planted_once() -> None:
    names = [name for name, _ in mutants(reals(), reals() + 1)]
    assert sorted(names) == sorted(KINDS)


def test_mutants_keep_shape_and_dtype_and_leave_the_original_alone() -> None:
    expected = reals()
    before = expected.copy()
    for name, mutant in planted(expected, expected + np.float32(1)).items():
        assert (mutant.shape, mutant.dtype) == (expected.shape, expected.dtype), name
    assert np.array_equal(expected, before)


def test_mutants_are_what_their_names_say() -> None:
    expected, unbiased = reals(), reals() + 1
    found = planted(expected, unbiased)
    assert np.array_equal(found["shift-3"][..., 1:], expected[..., :-1])
    assert np.array_equal(found["flip-2"][:, :, 0], expected[:, :, -1])
    assert np.array_equal(found["border-3"][..., :-1], expected[..., :-1])
    assert not found["border-3"][..., -1].any()
    assert np.array_equal(found["halves-swapped"][:, :2], expected[:, 2:])
    assert found["bias-dropped"] is unbiased


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_is_caught_as_a_difference(kind: str) -> None:
    expected = reals()
    mutant = planted(expected, expected + np.float32(0.25))[kind]
    assert compare(mutant, expected, "output", Judge(Lane.EXACT, None, None)).verdict is Verdict.VALUE
    assert kind not in seen_by(expected, 0.01)


def test_each_kind_is_missed_under_a_bound_that_is_too_wide() -> None:
    assert set(seen_by(reals(), 3.0)) == KINDS
    assert seen_by(reals(), 0.1) == ()
    assert seen_by(reals(), 0.3) == ("bias-dropped",)


@pytest.mark.parametrize(
    ("axis", "blind"),
    [(0, {"shift-0", "flip-0"}), (1, {"shift-1", "flip-1", "halves-swapped"}), (2, {"shift-2", "flip-2"})],
)
def test_an_array_that_is_constant_along_an_axis_hides_what_moves_along_it(axis: int, blind: set[str]) -> None:
    expected = np.repeat(np.take(reals(), [0], axis), SHAPE[axis], axis)
    assert set(seen_by(expected, 0.0)) == blind


def test_a_symmetric_array_hides_a_flip_only() -> None:
    half = reals(2, 4, 5, 3)
    assert seen_by(np.concatenate([half, half[..., ::-1]], -1), 0.0) == ("flip-3",)


def test_equal_halves_hide_their_exchange_only() -> None:
    half = reals(2, 2, 5, 6)
    assert seen_by(np.concatenate([half, half], 1), 0.0) == ("halves-swapped",)


def test_a_border_of_zeros_cannot_be_zeroed() -> None:
    expected = reals()
    expected[..., -1] = 0
    assert "border-3" not in planted(expected)
    assert "border-2" in planted(expected)


def test_axes_of_one_have_nothing_to_move() -> None:
    assert planted(reals(1, 1, 5, 1)).keys() == {"shift-2", "flip-2", "border-2", "border-3"}
    assert planted(reals(7)).keys() == {"shift-0", "flip-0"}


def test_a_bias_of_another_shape_is_not_planted() -> None:
    assert "bias-dropped" not in planted(reals(), reals(2, 4, 5, 7))


def test_a_bias_of_zeros_makes_the_comparison_weak() -> None:
    expected = reals()
    found = compare(expected, expected, "output", Judge(Lane.EXACT, None, expected, expected.copy()))
    assert (found.verdict, found.missed) == (Verdict.WEAK, ("bias-dropped",))


@pytest.mark.parametrize(
    ("expected", "caught", "names"),
    [
        (np.zeros((1, 1)), True, ("nothing-to-mutate",)),
        (np.empty((0, 1)), True, ()),
        (np.empty((0, 3)), False, ()),  # an array of no elements has its shape alone, which is compared before
        (np.ones((1, 1)), True, ()),
        (np.ones((1, 1)), False, ("zeroed",)),
    ],
)
def test_what_cannot_be_mutated(expected: Array, caught: bool, names: tuple[str, ...]) -> None:
    assert missed(expected, None, lambda mutant: caught) == names
