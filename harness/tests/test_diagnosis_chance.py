"""What could be chance is no evidence: random arrays, noise, constant and repeated values, too few elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from harness.diagnosis import Evidence, diagnose
from harness.model import Array
from harness.tests.planted import GROUNDS, ground, pad, rolled

SHAPES = [
    (2, 6, 9, 11),
    (1, 1, 2, 2),
    (1, 1, 3, 3),
    (2, 3, 1, 9),
    (2, 6, 7),
    (6, 4, 3, 3),
    (4, 4, 1, 1),
    (8,),
    (2,),
    (4, 5),
    (1, 4, 3, 3, 3),
]
DRAWS: Mapping[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "wide": lambda rng, shape: rng.integers(-600, 601, shape),
    "small": lambda rng, shape: rng.integers(1, 4, shape),
    "sparse": lambda rng, shape: (
        rng.integers(-60, 61, shape) * (rng.random(shape) < 0.2) + (np.arange(np.prod(shape)) == 0).reshape(shape)
    ),
    "real": lambda rng, shape: rng.standard_normal(shape),
    "level": lambda rng, shape: 1000 + rng.standard_normal(shape),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_arrays_that_have_nothing_to_do_with_one_another_show_no_pattern(draw: str, shape: tuple[int, ...]) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        actual, expected, truth = (DRAWS[draw](rng, shape).astype(np.float32) for _ in range(3))
        bound = np.full(shape, 1e-6) if seed % 2 else None
        unbiased = truth - rng.integers(1, 9)
        found = diagnose(Evidence(actual, expected, truth=truth, unbiased=unbiased, bound=bound))
        assert found.kind == ("agreed" if (actual == expected).all() else "other"), found.says


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_noise_is_no_pattern(shape: tuple[int, ...]) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        expected = rng.standard_normal(shape).astype(np.float32)
        actual = (expected + 0.01 * rng.standard_normal(shape)).astype(np.float32)
        assert diagnose(Evidence(actual, expected, bound=np.full(shape, 1e-6) if seed % 2 else None)).kind == "other"


CONSTANT = np.full((2, 4, 5, 6), 7.0, np.float32)
REPEATED = np.random.default_rng(1).permutation(330).reshape(5, 1, 66).repeat(4, axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("actual", "expected", "kind"),
    [
        (CONSTANT + 1, CONSTANT, "other"),
        (CONSTANT * 3, CONSTANT, "other"),
        (-CONSTANT, CONSTANT, "other"),
        (CONSTANT[..., 1:], CONSTANT, "resized"),
        (pad(CONSTANT, 3, 0, 1), CONSTANT, "resized"),
        (CONSTANT * 0, CONSTANT, "zeros"),
        (REPEATED[:, ::-1] + 1, REPEATED, "offset"),
        (np.array([5], np.float32), np.array([4], np.float32), "other"),
        (np.array([5, 4], np.float32), np.array([4, 5], np.float32), "other"),
        (np.float32(-2.0) * np.ones(()), np.ones(()), "other"),
        (np.array([[[[1.0, 2.0]]]]), np.array([[[[2.0, 1.0]]]]), "other"),
        (np.array([75, 150, 0]), np.array([0, 75, 150]), "other"),  # six orders
        (np.array([7500, 15000, 0]), np.array([0, 7500, 15000]), "permuted"),
        (np.array([101, -499, 301, 8]), np.array([100, -500, 300, 7]), "other"),  # off by one each
        (np.array([600, 0, 800, 507]), np.array([100, -500, 300, 7]), "offset"),
        (np.array([[310, 200], [500, 544]]), np.array([[10, -300], [200, 44]]), "other"),  # two of four are read off
        (np.array([-1.2345, 0.0]), np.array([1.2345, 0.0]), "other"),
        (np.array([258, 300, 402, 512, 332, 300.0]), np.array([257, 301, 401, 511, 333, 299.0]), "other"),  # all even
        (np.empty((0, 3)), np.empty((0, 3)), "agreed"),
        (np.empty((0, 3)), np.empty((2, 3)), "resized"),
    ],
)
def test_what_could_be_chance_is_no_evidence(actual: Array, expected: Array, kind: str) -> None:
    assert diagnose(Evidence(actual, expected)).kind == kind


def test_less_than_half_of_an_axis_is_no_shift() -> None:
    base = GROUNDS["output-2x6x15-whole"].truth
    for by, kind in ((7, "shifted"), (-7, "shifted"), (8, "other")):
        assert diagnose(Evidence(rolled(base, (2, by), fill=3), base)).kind == kind


def test_one_number_for_each_channel_needs_more_than_one_element_in_each() -> None:
    expected = np.random.default_rng(1).integers(-500, 500, (1, 6, 1, 1)).astype(np.float32)
    assert diagnose(Evidence(expected * np.arange(2, 8).reshape(6, 1, 1), expected)).kind == "other"
    flat = np.broadcast_to(expected, (3, 6, 2, 2)).astype(np.float32)
    assert diagnose(Evidence(flat + np.array([1, 2, 5, 9, 2, 4], np.float32).reshape(6, 1, 1), flat)).kind == "other"


def test_a_border_is_no_border_if_nothing_inside_could_differ() -> None:
    expected = np.zeros((2, 6, 5, 5), np.float32)
    expected[:, :, 0] = GROUNDS["output-2x6x9x11-whole"].truth[:, :, 0, :5]
    assert diagnose(Evidence(expected**2, expected)).kind == "other"


def test_integers_that_are_off_by_one_are_not_rounded() -> None:
    expected = np.random.default_rng(1).integers(1000, 2000, (2, 6, 9)).astype(np.float16)
    off = expected.copy()
    off[0, 0, 0] += 1
    assert diagnose(Evidence(off, expected)).kind == "other"
    near = expected.astype(np.float32) + np.float32(1e-4)
    assert diagnose(Evidence(near, expected.astype(np.float32))).kind == "rounding"


@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_rounding_is_measured_by_the_channel(scale: float) -> None:
    expected = GROUNDS["output-2x6x9x11-real"].truth.astype(np.float32)
    expected[:, 1:] *= np.float32(scale)
    errors = np.random.default_rng(2).integers(-3, 4, expected.shape) * 1e-7
    assert diagnose(Evidence((expected + errors).astype(np.float32), expected)).kind == (
        "rounding" if scale == 1 else "other"
    )


def test_a_wide_bound_leaves_less_to_tell() -> None:
    base = ground((1, 1, 2, 4), "real").truth
    noisy = base + np.random.default_rng(1).uniform(-0.2, 0.2, base.shape)
    moved = np.flip(noisy, 3)
    assert diagnose(Evidence(np.flip(base, 3), base, bound=np.full(base.shape, 1e-6))).kind == "flipped"
    assert diagnose(Evidence(moved, base, bound=np.full(base.shape, 0.5))).kind == "other"


def test_each_place_has_its_own_bound() -> None:
    base = ground((2, 6, 9, 11), "real")
    bound = np.full(base.truth.shape, 1e-6)
    bound[..., 0] = 0.5
    actual = np.flip(base.truth, 3).copy()
    actual[..., -1] += 0.4
    assert diagnose(Evidence(actual, base.truth, bound=bound)).kind == "flipped"
    actual[..., 3] += 0.4
    assert diagnose(Evidence(actual, base.truth, bound=bound)).kind == "other"


def test_a_bound_of_another_shape_holds_by_its_largest_value() -> None:
    base = ground((2, 6, 9, 11), "real")
    found = diagnose(Evidence(base.truth[..., 1:] + 1e-6, base.truth, bound=np.full((2, 3), 1e-6)))
    assert found.kind == "cropped"


def test_one_element_at_another_place_is_no_shift() -> None:
    expected, actual = np.zeros((1, 1, 9, 9)), np.zeros((1, 1, 9, 9))
    expected[..., 4, 4] = actual[..., 4, 5] = 90000
    assert diagnose(Evidence(actual, expected)).kind == "other"


def test_few_values_are_often_equal_by_chance() -> None:
    kinds = set()
    for seed in range(300):
        actual, expected = np.random.default_rng(seed).integers(0, 2, (2, 1, 1, 1, 9)).astype(np.float32)
        kinds.add(diagnose(Evidence(actual + 1, expected + 1)).kind)
    assert kinds == {"other"}


def test_values_that_a_narrower_dtype_holds_anyway_were_not_cast() -> None:
    expected = np.random.default_rng(1).integers(-500, 500, (2, 6, 9, 11)) / np.float32(2)
    actual = expected + np.random.default_rng(2).integers(-3, 4, expected.shape) / np.float32(2)
    assert diagnose(Evidence(actual, expected)).kind == "other"


def test_a_sign_is_not_cut_off() -> None:
    expected = 100 * GROUNDS["output-2x6x9x11-real"].truth.astype(np.float32)
    actual = np.trunc(expected)
    actual[0, 0, 0, 0] *= -1
    assert diagnose(Evidence(actual, expected)).kind == "other"


def test_a_reference_that_is_wrong_in_another_way_does_not_have_the_bias() -> None:
    base = GROUNDS["output-2x6x9x11-whole"]
    lacking = base.evidence(base.truth - base.bias)
    assert diagnose(replace(lacking, expected=lacking.expected**2)).kind == "other"
