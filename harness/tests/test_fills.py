"""The integers of the exact lane are as large as every sum allows; special values stand where they should."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from harness import dtypes, fills
from harness.fills import Spread
from harness.inputs import integers, places, tensor_key
from harness.model import SPECIAL_VALUES, Array, Case, Filling, Lane
from harness.tests.mini import case
from harness.tolerance import exact_limit

LIMITS = {name: exact_limit(name) for name in ("bfloat16", "float16", "float32")}
COUNTS = (1, 2, 9, 40, 100, 300, 2047, 2048, 20_000, 2_000_000)


def terms(output: int, by_input: int = 0, by_state: int = 0) -> dict[str, Array]:
    """The number of terms of each element, of which the largest counts."""
    names = {"output": output, "grad.x": by_input, "grad.weight": by_state}
    return {name: np.array([1, count]) for name, count in names.items() if count}


def first(counted: dict[str, Array], limit: int) -> Spread:
    return next(fills.spreads(counted, limit))


def largest_sums(spread: Spread, output: int, by_input: int, by_state: int) -> list[int]:
    """The largest that each sum can be, by the definition of the layers: x by w, c by w, c by x."""
    x, w, c = spread.inputs, spread.state, spread.cotangent
    return [output * x * w, by_input * w * c, by_state * x * c]


@pytest.mark.parametrize("dtype", LIMITS)
def test_a_sure_spread_keeps_every_sum_below_the_limit(dtype: str) -> None:
    sure = 0
    for counts in product(COUNTS, repeat=3):
        spread = first(terms(*counts), LIMITS[dtype])
        assert all(total < LIMITS[dtype] for total in largest_sums(spread, *counts)) or not spread.sure
        sure += spread.sure
    assert sure > 20


@pytest.mark.parametrize("dtype", LIMITS)
def test_the_richest_integers_that_fit_are_taken(dtype: str) -> None:
    limit, taken = LIMITS[dtype], set()
    for output, derivative in product(COUNTS, COUNTS):
        spread = first(terms(output, derivative, derivative), limit)
        fitting = [(x, w) for x, w in fills.AMPLITUDES if output * x * w < limit]
        if not fitting:
            assert not spread.sure
            continue
        assert (spread.inputs, spread.state) == fitting[0]
        weights = [c for c in fills.WEIGHTINGS if derivative * max(fitting[0]) * c < limit]
        assert spread.sure is bool(weights)
        assert spread.cotangent == (weights or [1])[0]
        taken.add(spread.inputs)
    assert len(taken) > 1


def test_amplitudes_and_weightings_go_from_rich_to_poor() -> None:
    assert list(fills.AMPLITUDES) == sorted(fills.AMPLITUDES, reverse=True)
    assert list(fills.WEIGHTINGS) == sorted(fills.WEIGHTINGS, reverse=True)
    assert (fills.AMPLITUDES[-1], fills.WEIGHTINGS[-1]) == ((1, 1), 1)
    assert all(x >= w for x, w in fills.AMPLITUDES)


def test_without_derivatives_only_the_output_counts() -> None:
    assert first(terms(4), LIMITS["float32"]) == Spread(31, 31, 31)
    assert first(terms(40), LIMITS["float16"]) == Spread(7, 7, 31)
    assert first({}, 8) == Spread(31, 31, 31)


def test_the_second_derivative_counts_as_one_by_the_state() -> None:
    counted = {**terms(4, 4, 4), "grad2.weight": np.array([1, 300])}
    assert first(counted, LIMITS["float16"]) != first(terms(4, 4, 4), LIMITS["float16"])
    assert first(counted, LIMITS["float16"]) == first(terms(4, 4, 300), LIMITS["float16"])


def test_only_the_cotangent_is_thinned_where_the_output_fits() -> None:
    spreads = list(fills.spreads(terms(4, 4, 5000), LIMITS["float16"]))
    own = [each for each in spreads if each.thin_inputs == 1]
    assert [(each.inputs, each.state, each.cotangent) for each in own] == [(7, 7, 1)] * len(fills.THINNINGS)
    assert spreads[: len(own)] == own
    assert [each.thin_cotangent for each in own] == list(fills.THINNINGS)


def test_where_ones_would_overflow_the_inputs_are_thinned_too() -> None:
    spreads = list(fills.spreads(terms(5000), LIMITS["float16"]))
    assert all((each.inputs, each.state, each.cotangent) == (1, 1, 1) for each in spreads)
    assert {(each.thin_inputs, each.thin_cotangent) for each in spreads} == {
        *product(fills.THINNINGS, (1, *fills.THINNINGS))
    }
    assert not any(each.sure for each in spreads)
    densities = [each.thin_inputs for each in spreads]
    assert densities == sorted(densities)


# -- tensors -----------------------------------------------------------------------------------------------------------

SHAPE = (2, 3, 5, 4)


def test_each_tensor_has_the_amplitude_and_the_thinning_of_its_kind() -> None:
    given = fills.integers(case(ci=64, derivatives=2), Spread(5, 3, 2, 4, 16), (2, 3, 5, 64))
    largest = {name: int(np.abs(array).max()) for name, array in given.named().items()}
    assert largest == {"x": 5, "tangent x": 5, "weight": 3, "bias": 3, "cotangent": 2}
    share = {name: np.count_nonzero(array) / array.size for name, array in given.named().items()}
    assert share["x"] == pytest.approx(1 / 4, rel=0.25)
    assert share["tangent x"] == pytest.approx(1 / 4, rel=0.25)
    assert share["cotangent"] == pytest.approx(1 / 16, rel=0.4)
    assert share["weight"] > 0.9
    assert {array.dtype for array in given.named().values()} == {np.dtype(np.int64)}


def test_tensors_follow_from_the_cases_id_their_name_and_lane() -> None:
    own = case(derivatives=2)
    given = fills.integers(own, Spread(5, 3, 2), SHAPE)
    for name, largest in (("x", 5), ("weight", 3), ("cotangent", 2), ("tangent x", 5)):
        array = given.named()[name]
        assert np.array_equal(array, integers(tensor_key(own.id, name, Lane.EXACT), array.shape, largest))
    real = fills.reals(own, SHAPE).named()
    assert real.keys() == given.named().keys()
    assert len({array.tobytes()[:64] for array in real.values()}) == len(real)


@pytest.mark.parametrize(
    ("changes", "shape", "weights"),
    [
        ({}, SHAPE, {"cotangent"}),
        ({"derivatives": 2}, SHAPE, {"cotangent", "tangent x"}),
        ({"derivatives": 0}, SHAPE, set()),
        ({"align": False}, SHAPE, set()),
        ({"derivatives": 2}, None, set()),
    ],
)
def test_what_derivatives_are_weighted_by_is_there_if_they_are_asked(
    changes: dict[str, Any], shape: tuple[int, ...] | None, weights: set[str]
) -> None:
    for tensors in (
        fills.integers(case(**changes), Spread(1, 1, 1), shape),
        fills.ones(case(**changes), np.int64, shape),
    ):
        assert tensors.named().keys() - {"x", "weight", "bias"} == weights
        assert tensors.cotangent is None or tensors.cotangent.shape == shape


# -- special values ----------------------------------------------------------------------------------------------------


def special(**holds: str) -> tuple[Case, dict[str, Array], dict[str, Array]]:
    """A case with special values, its plain integers, and those with the special ones among them, at float16."""
    own = case(fillings={name: Filling(holds=kind) for name, kind in holds.items()})
    plain = fills.integers(own, Spread(3, 3, 3), SHAPE)
    return own, plain.named(), fills.specialised(own, plain, "float16").named()


EXPECTED = {
    "nan": [np.nan] * 4,
    "inf": [np.inf] * 4,
    "negative-inf": [-np.inf] * 4,
    "infinities": [np.inf, -np.inf, np.inf, -np.inf],
    "largest": [65504.0, -65504.0, 65504.0, -65504.0],
}


def test_every_special_value_has_its_filling() -> None:
    assert {*EXPECTED, fills.SUBNORMAL} == {*SPECIAL_VALUES} == {*fills.SPECIAL, fills.SUBNORMAL}


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("name", ["x", "weight", "bias"])
def test_a_few_places_hold_the_special_value_and_the_ends_always(kind: str, name: str) -> None:
    own, plain, mixed = special(**{name: kind})
    at = places(tensor_key(own.id, f"{name} special", Lane.EXACT), plain[name].size, 4)
    assert at[:2] == [0, plain[name].size - 1]
    np.testing.assert_array_equal(mixed[name].flat[at], EXPECTED[kind])
    others = np.delete(np.arange(plain[name].size), at)
    np.testing.assert_array_equal(mixed[name].flat[others], plain[name].flat[others])
    assert mixed[name].dtype == np.float64
    for each in plain.keys() - {name}:
        assert mixed[each] is plain[each] or np.array_equal(mixed[each], plain[each])


def test_subnormal_numbers_are_everywhere() -> None:
    _, plain, mixed = special(x="subnormal")
    np.testing.assert_array_equal(mixed["x"], plain["x"] * 2.0**-24)
    assert np.array_equal(mixed["weight"], plain["weight"])


@pytest.mark.parametrize(
    ("own", "least", "most"), [("", 2.0**-24, 65504.0), ("float32", 2.0**-149, 2.0**128 * (1 - 2.0**-24))]
)
def test_special_values_are_those_of_the_tensors_own_dtype(own: str, least: float, most: float) -> None:
    for kind, magnitude in (("subnormal", least), ("largest", most)):
        made = case(fillings={"x": Filling(own, kind)})
        mixed = fills.specialised(made, fills.integers(made, Spread(1, 1, 1), SHAPE), "float16")
        assert np.abs(mixed.inputs["x"]).max() == magnitude
        there = fills.given(made, mixed, "float16").inputs["x"]
        assert there.dtype == dtypes.dtype(own or "float16")
        assert np.array_equal(there.astype(np.float64), mixed.inputs["x"])


def test_a_small_tensor_is_special_all_over() -> None:
    made = case(inputs={"x": (1, 3)}, fillings={"x": Filling(holds="infinities")})
    mixed = fills.specialised(made, fills.integers(made, Spread(1, 1, 1), None), "float32")
    assert mixed.inputs["x"].tolist() == [[np.inf, np.inf, -np.inf]]


@pytest.mark.parametrize("dtype", dtypes.NAMES)
def test_each_tensor_is_given_in_its_own_dtype_and_the_others_in_the_trials(dtype: str) -> None:
    made = case(fillings={"weight": Filling("float64"), "bias": Filling("bfloat16")})
    found = fills.given(made, fills.integers(made, Spread(1, 1, 1), SHAPE), dtype)
    kinds = {name: array.dtype for name, array in found.named().items()}
    assert kinds == {
        **dict.fromkeys(("x", "cotangent"), dtypes.dtype(dtype)),
        **{"weight": np.dtype(np.float64), "bias": dtypes.dtype("bfloat16")},
    }
