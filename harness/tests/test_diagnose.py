"""Each kind of difference is recognised on a planted example, and on no example of another kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness import diagnose as room
from harness.diagnose import Diagnosis, diagnose
from harness.model import Array

SHAPE = (2, 3, 10, 11)
# Odd numbers that rise along each axis in steps of their own: no shift, flip or offset of one part is another part.
EXPECTED = (1.0 + 2.0 * np.random.default_rng(11).permutation(np.prod(SHAPE))).reshape(SHAPE).astype(np.float32)


def zeroed(*places: tuple[int | slice, ...]) -> Array:
    array = EXPECTED.copy()
    for place in places:
        array[(..., *place)] = 0
    return array


def shifted(*amounts: int) -> Array:
    rolled = np.roll(EXPECTED, amounts, (2, 3))
    for axis, by in zip((2, 3), amounts, strict=True):
        np.moveaxis(rolled, axis, 0)[slice(0, by) if by >= 0 else slice(by, None)] = 0
    return rolled


def padded(fill: float, *amounts: tuple[int, int]) -> Array:
    return np.pad(EXPECTED, ((0, 0), (0, 0), *amounts), constant_values=fill)


WHOLE = slice(None)
PLANTED: dict[str, dict[str, Array]] = {
    "rank": {"squeezed": EXPECTED[0], "unsqueezed": EXPECTED[None]},
    "cropped": {"column": EXPECTED[..., :-1], "rows": EXPECTED[..., :-2, :], "both": EXPECTED[..., :-1, :-3]},
    "extended": {"zeros": padded(0, (0, 1), (0, 2)), "values": padded(5, (0, 0), (0, 1))},
    "resized": {
        "cropped at the start": EXPECTED[..., 1:],
        "extended at the start": padded(0, (1, 0), (0, 0)),
        "longer and shorter": padded(0, (0, 1), (0, 0))[..., :-1],
        "transposed": np.swapaxes(EXPECTED, 2, 3),
    },
    "zeros": {"all": np.zeros_like(EXPECTED)},
    "shifted": {
        "right": shifted(0, 1),
        "left": shifted(0, -1),
        "down": shifted(2, 0),
        "both": shifted(-1, 3),
        "around": np.roll(EXPECTED, 1, 3),
    },
    "flipped": {"rows": EXPECTED[:, :, ::-1], "columns": EXPECTED[..., ::-1]},
    "offset": {"all": EXPECTED + 1, "by channel": EXPECTED + np.array([1, 0, -2], np.float32)[:, None, None]},
    "border": {
        "end": zeroed((WHOLE, -1)),
        "start": zeroed((0, WHOLE)),
        "ring": zeroed((0, WHOLE), (-1, WHOLE), (WHOLE, 0), (WHOLE, -1)),
        "corner": zeroed((0, 0)),
        "two wide": zeroed((slice(0, 2), WHOLE), (WHOLE, slice(-2, None))),
        "second from the end": zeroed((WHOLE, -2)),
    },
    "other": {
        "one element inside": zeroed((4, 5)),
        "scaled": EXPECTED * 2,
        "batches swapped": EXPECTED[::-1],
        "channels swapped": EXPECTED[:, ::-1],
        "a column inside": zeroed((WHOLE, 5)),
        "far": np.roll(EXPECTED, 3, 2) * 2,
    },
}
EXAMPLES = [
    pytest.param(kind, array, id=f"{kind}-{name}") for kind, found in PLANTED.items() for name, array in found.items()
]
Detector = Callable[[Array, Array], Diagnosis | None]
DETECTORS: dict[str, Detector] = {
    "zeros": room._zeros,
    "shifted": room._shifted,
    "flipped": room._flipped,
    "offset": room._offset,
    "border": room._border,
}


@pytest.mark.parametrize(("kind", "actual"), EXAMPLES)
def test_each_planted_difference_is_called_by_its_name(kind: str, actual: Array) -> None:
    assert diagnose(actual, EXPECTED).kind == kind


@pytest.mark.parametrize(("kind", "actual"), [each for each in EXAMPLES if each.values[1].shape == SHAPE])  # type: ignore[union-attr]
@pytest.mark.parametrize("detector", DETECTORS)
def test_no_kind_is_seen_in_the_examples_of_another(detector: str, kind: str, actual: Array) -> None:
    found = DETECTORS[detector](actual, EXPECTED)
    assert (found is not None) is (detector == kind)


@pytest.mark.parametrize(
    ("actual", "words"),
    [
        (EXPECTED[0], "3 axes, the reference 4"),
        (EXPECTED[..., :-2], "stops before the reference's end: axis 3 by -2"),
        (padded(0, (0, 1), (0, 2)), "axis 2 by +1, axis 3 by +2, with zeros"),
        (shifted(-1, 3), "-1 along axis 2, +3 along axis 3"),
        (EXPECTED[:, :, ::-1], "along axis 2"),
        (zeroed((WHOLE, -1)), "outermost elements differ: end of axis 3"),
        (zeroed((0, WHOLE), (WHOLE, 0)), "outermost elements differ: start of axis 2, start of axis 3"),
        (zeroed((0, 0)), "outermost elements differ: corners"),
        (zeroed((WHOLE, -2)), "outermost 2 elements differ: end of axis 3"),
        (zeroed((4, 5)), "6 of 660 elements"),
    ],
)
def test_the_sentence_says_where(actual: Array, words: str) -> None:
    assert words in diagnose(actual, EXPECTED).says


def test_values_beyond_the_end_are_not_called_zeros() -> None:
    assert "with zeros" not in diagnose(padded(5, (0, 0), (0, 1)), EXPECTED).says


def test_the_smallest_shift_is_named_where_two_would_do() -> None:
    periodic = np.tile(np.array([1.0, 2.0, 3.0]), 4).reshape(1, 1, 12)
    assert "+1 along" in diagnose(np.roll(periodic, 1, 2), periodic).says


@pytest.mark.parametrize("shape", [(2, 3, 1, 9), (2, 3, 9, 1), (2, 3, 2, 9)])
def test_a_thin_array_is_not_all_border(shape: tuple[int, ...]) -> None:
    expected = np.random.default_rng(5).permutation(np.prod(shape)).reshape(shape) + 1.0
    assert diagnose(expected**2 + 1, expected).kind == "other"
    actual = expected.copy()
    np.moveaxis(actual, int(np.argmax(shape)), 0)[-1] = 0
    assert diagnose(actual, expected).kind == "border"


def test_one_element_a_channel_is_no_evidence_of_an_offset() -> None:
    expected = np.array([3.0, 5.0, 8.0]).reshape(1, 3, 1, 1)
    assert diagnose(expected * 2, expected).kind == "other"
    assert diagnose(np.concatenate([expected + 1] * 2), np.concatenate([expected] * 2)).kind == "offset"


def test_nan_at_the_same_place_is_no_difference() -> None:
    expected = EXPECTED.copy()
    expected[0, 0, 3, 3] = np.nan
    assert "1 of 660" in diagnose(np.where(expected == EXPECTED[1, 1, 4, 5], 0, expected), expected).says
    border = expected.copy()
    border[..., -1] = 0
    assert diagnose(border, expected).kind == "border"
    assert diagnose(expected[..., ::-1], expected).kind == "flipped"
    assert diagnose(np.roll(expected, 1, 3), expected).kind == "shifted"


def test_infinities_and_integers_are_diagnosed_without_a_warning() -> None:
    infinite = EXPECTED.copy()
    infinite[0, 0, 3, 3] = np.inf
    assert diagnose(np.where(infinite == EXPECTED[1, 1, 4, 5], 0, infinite), infinite).kind == "other"
    whole = EXPECTED.astype(np.int32)
    assert diagnose(whole[..., ::-1], whole).kind == "flipped"


def test_arrays_without_spatial_axes_are_diagnosed_too() -> None:
    expected = np.arange(1.0, 7).reshape(2, 3)
    assert diagnose(expected * 3, expected).kind == "other"
    assert diagnose(expected * 0, expected).kind == "zeros"
    assert diagnose(np.float64(2.0) * np.ones(()), np.ones(())).kind == "other"
