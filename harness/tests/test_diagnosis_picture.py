"""What the picture of a difference shows."""

from __future__ import annotations

import numpy as np
import pytest

from harness.diagnosis import Evidence, diagnose, picture
from harness.model import Array

BASE = np.random.default_rng(1).integers(1, 99, (2, 3, 4, 6)).astype(np.float32)


def changed(base: Array, value: float, *at: int | slice) -> Array:
    made = base.copy()
    made[(..., *at)] = value
    return made


def test_nothing_differs() -> None:
    assert picture(BASE, BASE) == ("......",) * 4


def test_a_border_shows_over_all_channels() -> None:
    assert picture(changed(BASE, 0, slice(None), -1), BASE) == (".....9",) * 4


def test_a_channel_shows_as_a_row() -> None:
    made = BASE.copy()
    made[:, 1] += 5
    assert picture(made, BASE) == ("......", "999999", "......")


def test_a_slice_of_the_first_axis_shows_as_a_row() -> None:
    made = BASE.copy()
    made[1] += 5
    assert picture(made, BASE) == ("......", "999999")


def test_three_axes_show_their_channels_and_two_their_own() -> None:
    assert picture(changed(BASE[0], 0, 1, 2), BASE[0]) == ("......", "..9...", "......", "......")
    assert picture(changed(BASE[0, 0], 0, 1, 2), BASE[0, 0]) == ("......", "..9...", "......", "......")
    assert picture(changed(BASE[0, 0, 0], 0, 2), BASE[0, 0, 0]) == ("..9...",)
    assert picture(np.ones(()), np.zeros(())) == ("9",)


def test_two_digits_are_a_factor_of_ten() -> None:
    expected = np.zeros(9)
    actual = np.array([1000, 400, 300, 101, 99, 11, 1, 1e-3, 1e-9])
    assert picture(actual, expected) == ("998876300",)


def test_what_is_not_finite_or_not_there_is_marked() -> None:
    expected = np.array([[1, np.nan, np.inf, 4, 5]])
    actual = np.array([[np.nan, np.nan, np.inf, 5, -np.inf]])
    assert picture(actual, expected) == ("!..9!",)
    assert picture(BASE[..., :3, :4], BASE) == ("....!!",) * 3 + ("!!!!!!",)
    assert picture(BASE, BASE[..., :5]) == (".....!",) * 4


def test_other_numbers_of_axes_and_nothing_at_all_have_no_picture() -> None:
    assert picture(BASE[0], BASE) == ()
    assert picture(np.empty((2, 0)), np.empty((2, 0))) == ()
    assert picture(np.empty((1, 0)), np.ones((1, 2))) == ("!!",)


@pytest.mark.parametrize("shape", [(2, 3, 100, 200), (1, 1, 13, 33), (40, 50), (500,), (64, 2, 5)])
def test_a_large_picture_is_folded_by_the_largest(shape: tuple[int, ...]) -> None:
    expected = np.zeros(shape)
    actual = expected.copy()
    actual[(-1,) * len(shape)] = 3
    rows = picture(actual, expected)
    assert len(rows) <= 12 and {len(row) for row in rows} == {min(32, shape[-1])}
    assert "".join(rows).count("9") == 1
    assert rows[-1 if len(shape) != 4 else len(rows) - 1][-1] == "9"


def test_a_diagnosis_has_its_picture() -> None:
    evidence = Evidence(changed(BASE, 0, 0, slice(None)), BASE)
    assert diagnose(evidence).picture == picture(evidence.actual, evidence.expected)
