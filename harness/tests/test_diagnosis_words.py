"""What a diagnosis says: who, what, where and by how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.diagnosis import Evidence, diagnose
from harness.model import Array
from harness.tests.planted import GROUNDS, LAST, START, WHOLE, Ground, at_border, bfloat16, not_finite, pad, rolled

BASE = GROUNDS["output-2x6x9x11-whole"]
WEIGHT = GROUNDS["grad.weight-8x6x5x7-whole"]
MINE = "MindSpore's output"
IS, ONLY = f"{MINE} is torch's ", f"{MINE} differs from torch's only "
SENTENCES = [
    (BASE, rolled(BASE.truth, (2, 1), fill=0), IS + "shifted by +1 along axis 2, with zeros coming in"),
    (BASE, rolled(BASE.truth, (2, -1), (3, 3), fill=7), IS + "shifted by -1 along axis 2, +3 along axis 3"),
    (BASE, np.roll(BASE.truth, -2, 3), IS + "shifted by -2 along axis 3, going round"),
    (BASE, BASE.truth[..., ::-1, ::-1], IS + "flipped along axis 2 and axis 3"),
    (BASE, BASE.truth.swapaxes(2, 3), IS + "with axes 2 and 3 swapped"),
    (BASE, np.moveaxis(BASE.truth, 1, -1), IS + "with its axes in the order 0, 2, 3, 1"),
    (BASE, np.roll(BASE.truth, 3, 1), IS + "with the two groups of 3 channels swapped"),
    (BASE, np.roll(BASE.truth, 2, 1), IS + "with its 3 groups of 2 channels in the order 2, 0, 1"),
    (BASE, BASE.truth[:, [0, 3, 1, 4, 2, 5]], IS + "with its channels shuffled: taken in turn from each of 2 groups"),
    (BASE, BASE.truth[:, [0, 5, 2, 3, 4, 1]], IS + "with channels 1 and 5 swapped"),
    (BASE, BASE.truth[:, [1, 2, 0, 3, 5, 4]], IS + "with its channels in the order 1, 2, 0, 3, 5, 4"),
    (BASE, BASE.truth[:, ::-1], IS + "with its channels in reverse order"),
    (BASE, BASE.truth[::-1], IS + "with slices 0 and 1 of axis 0 swapped"),
    (
        WEIGHT,
        np.roll(WEIGHT.truth, 4, 0),
        "MindSpore's gradient of weight is torch's with the two groups of 4 slices of axis 0 swapped",
    ),
    (BASE, BASE.truth[..., 1:, :-2], IS + "without 1 at the start of axis 2 and 2 at the end of axis 3"),
    (
        BASE,
        pad(BASE.truth, 2, 1, 2),
        IS + "with 1 more at the start of axis 2 and 2 more at the end of axis 2, all zero",
    ),
    (
        BASE,
        np.concatenate([BASE.truth, BASE.truth[..., :1] * 0 + BASE.bias], 3),
        IS + "with 1 more at the end of axis 3, all of it the bias",
    ),
    (BASE, pad(BASE.truth, 3, 0, 1, 5), IS + "with 1 more at the end of axis 3"),
    (
        BASE,
        pad(BASE.truth, 3, 0, 1)[:, :, 1:],
        IS + "without 1 at the start of axis 2, and with 1 more at the end of axis 3, all zero",
    ),
    (
        BASE,
        pad(BASE.truth, 2, 2, 0, 4)[:, :, :-1],
        IS + "shifted by +2 along axis 2, and of another size: axis 2 by +1",
    ),
    (BASE, (BASE.truth - BASE.bias)[..., 1:], IS + "without 1 at the start of axis 3, and lacks the bias"),
    (BASE, BASE.truth[..., :-1] ** 2, "MindSpore's output is of another size than torch's: axis 3 by -1"),
    (BASE, BASE.truth[0], "MindSpore's output has 3 axes, torch's 4"),
    (BASE, BASE.truth[None], "MindSpore's output has 5 axes, torch's 4, with the same values in the same order"),
    (BASE, BASE.truth * 0, "MindSpore's output is all zero"),
    (BASE, at_border(BASE.truth, 0, (3, LAST)), ONLY + "at the end of axis 3, where it is zero"),
    (
        BASE,
        at_border(BASE.truth, BASE.bias, (2, slice(0, 2)), (3, LAST)),
        ONLY + "at the start of axis 2 (2 wide) and the end of axis 3, where it is the bias alone",
    ),
    (BASE, at_border(BASE.truth, BASE.truth + 1, (2, START)), ONLY + "at the start of axis 2"),
    (
        BASE,
        not_finite(BASE.truth, 0, 0, 0),
        ONLY + "in corners of the start of axis 2 and the start of axis 3, where it is zero",
    ),
    (BASE, -BASE.truth, IS + "with every sign reversed"),
    (BASE, BASE.truth / 4, IS + "times 0.25"),
    (
        WEIGHT,
        WEIGHT.truth * np.array([1, 1, 2, 3, 1, 1, 1, 1]).reshape(8, 1, 1, 1),
        "MindSpore's gradient of weight is torch's times one factor for each of its slices of axis 0: "
        "1, 1, 2, 3, 1, 1, 1, 1",
    ),
    (BASE, BASE.truth - 3, IS + "plus -3"),
    (BASE, BASE.truth - BASE.bias, "MindSpore's output lacks the bias, and is right but for that"),
    (BASE, BASE.truth + BASE.bias, "MindSpore's output has the bias twice, and is right but for that"),
    (BASE, BASE.truth, "MindSpore's output is torch's: if they are wrong, both are"),
    (
        BASE,
        not_finite(BASE.truth, np.nan, 4, 5),
        MINE + " has NaN in 12 of 1188 elements where torch's has a finite value, "
        "the first at (0, 0, 4, 5); all others agree",
    ),
    (
        BASE,
        not_finite(BASE.truth, -np.inf, WHOLE, 10),
        MINE
        + " has -inf in 108 of 1188 elements where torch's has a finite value, at the end of axis 3; all others agree",
    ),
    (BASE, not_finite(BASE.truth, 1, 4, 5), "MindSpore's output differs from torch's in 12 of 1188 elements"),
]


@pytest.mark.parametrize(("base", "actual", "says"), SENTENCES, ids=[str(index) for index in range(len(SENTENCES))])
def test_the_sentence_says_what_and_where(base: Ground, actual: Array, says: str) -> None:
    found = diagnose(base.evidence(actual)).says
    assert found == says if "differs from torch's in" not in says else found.startswith(says)


def test_what_differs_beside_nan_is_counted() -> None:
    actual = not_finite(not_finite(BASE.truth, 0, 1, 1), np.nan, 4, 5)
    assert diagnose(BASE.evidence(actual)).says.endswith("; 12 others differ too")


def test_who_lacks_the_bias_is_named() -> None:
    lacking = BASE.evidence(BASE.truth - BASE.bias)
    turned = replace(lacking, actual=lacking.expected, expected=lacking.actual)
    assert diagnose(turned).says == "torch's output lacks the bias, and is right but for that"


def test_a_reference_that_is_zero_at_its_border_is_named() -> None:
    turned = Evidence(BASE.truth, at_border(BASE.truth, 0, (3, LAST)))
    assert diagnose(turned).says.endswith("only at the end of axis 3, where the reference's is zero")


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ("output_1", "output_1"),
        ("grad.x", "gradient of x"),
        ("grad2.layer.weight", "second gradient of layer.weight"),
        ("grad7.x", "grad7.x"),
        ("gradual", "gradual"),
    ],
)
def test_a_tensor_is_called_in_words(tensor: str, words: str) -> None:
    assert diagnose(Evidence(-BASE.truth, BASE.truth, tensor)).says.startswith(f"the subject's {words} is the refer")


def test_the_smallest_shift_is_named_where_two_would_do() -> None:
    periodic = np.tile(np.random.default_rng(1).integers(1, 99, 3), 4) * np.ones((2, 3, 12))
    assert "+1 along" in diagnose(Evidence(np.roll(periodic, 1, 2), periodic)).says


def test_the_end_is_named_where_start_and_end_would_do() -> None:
    periodic = np.tile(np.random.default_rng(1).integers(1, 99, 3), 4) * np.ones((2, 3, 12))
    assert diagnose(Evidence(periodic[..., 3:], periodic)).says.endswith("without 3 at the end of axis 2")


def test_channels_that_are_equal_stay_where_they_are() -> None:
    base = BASE.truth[:, [0, 1, 0, 2, 3, 4]]
    assert "channels 0 and 3 swapped" in diagnose(Evidence(base[:, [3, 1, 2, 0, 4, 5]], base)).says


REAL = 100 * GROUNDS["output-2x6x9x11-real"].truth.astype(np.float32)


@pytest.mark.parametrize(
    ("actual", "expected", "says"),
    [
        (REAL.astype(np.float16).astype(np.float32), REAL, "rounded to float16"),
        ((REAL.astype(np.float16) * np.float16(1.003)).astype(np.float32), REAL, "as if computed in float16"),
        (bfloat16(REAL), REAL, "rounded to bfloat16"),
        (bfloat16(REAL.astype(np.float16)).astype(np.float16), REAL.astype(np.float16), "rounded to bfloat16"),
        (REAL.astype(np.float64), REAL.astype(np.float64) * (1 + 1e-9), "rounded to float32"),
        (np.trunc(REAL), REAL, "cut off to whole numbers"),
        (np.rint(REAL), REAL, "rounded to whole numbers"),
        (REAL / np.float32(3), REAL, "times 0.333333"),
        (
            np.nextafter(np.abs(REAL), np.float32(1e9)) * np.sign(REAL),
            REAL,
            "but for rounding: up to 0.9 units in the last place of the channel's largest value",
        ),
    ],
)
def test_what_rounds_is_named(actual: Array, expected: Array, says: str) -> None:
    assert diagnose(Evidence(actual, expected)).says == f"the subject's output is the reference's {says}"


def test_a_large_array_is_diagnosed_in_bounded_time() -> None:
    base = np.zeros((1, 16, 300, 300), np.float32)
    base[..., ::3, ::3] = np.random.default_rng(1).integers(-99, 99, (1, 16, 100, 100))
    assert diagnose(Evidence(np.roll(base, 3, 3), base)).kind == "shifted"
    assert diagnose(Evidence(base**2, base)).kind == "other"
