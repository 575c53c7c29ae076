"""The accumulation bound against sums in every bad order and exact fractions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

from harness import dtypes
from harness.model import Array, Tolerance
from harness.tolerance import accumulation_bound, exact_limit, shortened, table_bound, telling, unit_roundoff

DTYPES = ("float16", "float32", "float64")
HALVES = ("bfloat16", "float16")
ORDERS: dict[str, Callable[[Array], Array]] = {
    "as drawn": lambda terms: np.arange(terms.size),
    "rising": np.argsort,
    "falling": lambda terms: np.argsort(-terms),
    "smallest first": lambda terms: np.argsort(np.abs(terms)),
    "largest first": lambda terms: np.argsort(-np.abs(terms)),
}


def drawn(dtype: str, count: int, low: float = -1.0) -> tuple[Array, Array]:
    random = np.random.default_rng(count)
    return random.uniform(low, 1, count).astype(dtype), random.uniform(low, 1, count).astype(dtype)


def exactly(x: Array, w: Array) -> Fraction:
    return sum((Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, w, strict=True)), Fraction(0))


def bound_of(dtype: str, x: Array, w: Array) -> Fraction:
    magnitude = np.abs(x.astype(np.float64)) @ np.abs(w.astype(np.float64))
    return Fraction(float(accumulation_bound(dtype, np.array([x.size]), np.array([magnitude]))[0]))


def one_by_one(products: Array) -> Array:
    return np.asarray(np.add.accumulate(products, dtype=products.dtype)[-1:])


def sums(x: Array, w: Array) -> Iterator[tuple[str, float]]:
    products = x * w
    for name, order in ORDERS.items():
        yield name, float(one_by_one(products[order(products)])[0])
    yield "pairwise", float(np.sum(products, dtype=products.dtype))
    yield "rounded once", float((x.astype(np.float64) @ w.astype(np.float64)).astype(x.dtype))


@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("low", [-1.0, 0.0])
@pytest.mark.parametrize("count", [1, 2, 3, 9, 100, 1000])
def test_no_order_of_summation_leaves_the_bound(dtype: str, low: float, count: int) -> None:
    x, w = drawn(dtype, count, low)
    truth, bound = exactly(x, w), bound_of(dtype, x, w)
    for order, computed in sums(x, w):
        assert abs(Fraction(computed) - truth) <= bound, order


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_sums_that_cancel_stay_in_the_bound(dtype: str) -> None:
    x, w = drawn(dtype, 60)
    x, w = np.concatenate([x, x]), np.concatenate([w, -w])
    for order, computed in sums(x, w):
        assert abs(Fraction(computed)) <= bound_of(dtype, x, w), order


def swallowed(dtype: str, count: int) -> tuple[Fraction, Fraction]:
    """What is lost of a one and many halves of its unit, each of which is rounded away; and the bound."""
    ones = np.ones(count, dtypes.dtype(dtype))
    x = np.full(count, unit_roundoff(dtype), dtypes.dtype(dtype))
    x[0] = 1
    return abs(Fraction(float(one_by_one(x)[0])) - exactly(x, ones)), bound_of(dtype, x, ones)


@pytest.mark.parametrize(
    ("dtype", "count", "share"),
    [
        *(("float32", 101, 0.98), ("float64", 101, 0.98)),
        *(("float16", 21, 0.88), ("float16", 30, 0.9), ("bfloat16", 21, 0.76)),
    ],
)
def test_the_bound_is_nearly_reached(dtype: str, count: int, share: float) -> None:
    lost, bound = swallowed(dtype, count)
    assert share < lost / bound <= 1


@pytest.mark.parametrize("dtype", HALVES)
def test_in_16_bits_a_long_sums_worst_case_is_beyond_the_bound(dtype: str) -> None:
    lost, bound = swallowed(dtype, 101)  # a hundred roundings, and all of them the same way
    assert lost > bound


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("terms", [1, 20, 50, 100, 1000, 100_000])
def test_in_16_bits_the_bound_is_the_lesser_of_two(dtype: str, terms: int) -> None:
    u, m = Fraction(unit_roundoff(dtype)), terms + 1
    certain = float(m * u / (1 - m * u)) if m * u < 1 else math.inf
    likely = math.exp(6 * math.sqrt(m) * u + m * u**2 / (1 - u)) - 1
    found = accumulation_bound(dtype, np.array([terms]), np.ones(1))[0]
    assert found == pytest.approx(min(certain, likely) + terms * dtypes.smallest_subnormal(dtype))
    assert (likely < certain) is (terms >= 50)


@pytest.mark.parametrize("dtype", HALVES)
def test_random_roundings_stay_far_within_the_bound_of_16_bits(dtype: str) -> None:
    random, kind, count = np.random.default_rng(5), dtypes.dtype(dtype), 100
    for low in (-1, 0):
        x, w = (random.uniform(low, 1, (count, 3000)).astype(kind) for _ in range(2))
        computed = np.add.accumulate(x * w, dtype=kind)[-1].astype(float)
        terms = x.astype(float) * w.astype(float)
        bound = accumulation_bound(dtype, np.full(3000, count), np.abs(terms).sum(0))
        ratio = float((np.abs(computed - terms.sum(0)) / bound).max())
        assert ratio < 0.5


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_products_below_the_normal_range_stay_in_the_bound(dtype: str) -> None:
    least = Fraction(float(np.finfo(dtype).smallest_subnormal))
    half = float(np.sqrt(float(least) * 0.45))
    x = w = np.full(20, half, dtype)
    computed = float(one_by_one(x * w)[0])
    assert computed == 0
    assert 5 * least < exactly(x, w) <= bound_of(dtype, x, w)


@pytest.mark.parametrize(("dtype", "count"), [("float16", 2), ("float16", 9), ("float32", 9), ("float32", 1000)])
def test_one_term_too_few_leaves_the_bound(dtype: str, count: int) -> None:
    x, w = drawn(dtype, count)
    largest = int(np.argmax(np.abs(x * w)))
    computed = float(one_by_one(np.delete(x * w, largest))[0])
    assert abs(Fraction(computed) - exactly(x, w)) > bound_of(dtype, x, w)


@pytest.mark.parametrize("count", [1, 9, 100, 1000])
def test_a_float16_cast_leaves_the_bound_of_float32(count: int) -> None:
    x, w = drawn("float32", count, 0.0)
    bound, truth = bound_of("float32", x, w), exactly(x, w)
    halved = float(one_by_one(x.astype(np.float16) * w.astype(np.float16))[0])
    assert abs(Fraction(halved) - truth) > bound
    assert abs(Fraction(float(np.float16(float(truth)))) - truth) > bound


# -- accelerators ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("low", [-1.0, 0.0])
@pytest.mark.parametrize("count", [1, 2, 3, 9, 24, 96, 1000])
def test_16_bits_that_are_summed_up_in_float32_stay_in_the_bound(dtype: str, low: float, count: int) -> None:
    random, kind = np.random.default_rng(count), dtypes.dtype(dtype)
    for _ in range(20):
        x, w = (random.uniform(low, 1, count).astype(kind) for _ in range(2))
        products = x.astype(np.float32) * w.astype(np.float32)
        bound, truth = bound_of(dtype, x, w), exactly(x, w)
        for order in ORDERS.values():
            stored = one_by_one(products[order(products)]).astype(kind)
            assert abs(Fraction(float(stored[0])) - truth) <= bound


def short(array: Array, nearest: bool) -> Array:
    """float32 with ten explicit bits: rounded to nearest, or cut off."""
    bits = array.view(np.uint32) + np.uint32(0x1000 if nearest else 0)
    return np.asarray((bits & np.uint32(0xFFFFE000)).view(np.float32))


def short_bound(x: Array, w: Array) -> Fraction:
    magnitude = np.abs(x.astype(np.float64)) @ np.abs(w.astype(np.float64))
    return Fraction(float(accumulation_bound("float32", np.array([x.size]), np.array([magnitude]), True)[0]))


@pytest.mark.parametrize("nearest", [True, False])
@pytest.mark.parametrize("low", [-1.0, 0.0])
@pytest.mark.parametrize("count", [1, 2, 9, 100, 500])
def test_shortened_factors_stay_in_their_bound_and_leave_that_of_float32(nearest: bool, low: float, count: int) -> None:
    x, w = drawn("float32", count, low)
    truth, products = exactly(x, w), short(x, nearest) * short(w, nearest)
    for order in ORDERS.values():
        computed = Fraction(float(one_by_one(products[order(products)])[0]))
        assert abs(computed - truth) <= short_bound(x, w)
        # What is cut off adds up; what is rounded to nearest does so but by chance.
        assert low or nearest or abs(computed - truth) > bound_of("float32", x, w)


def test_the_bound_of_shortened_factors_is_nearly_reached() -> None:
    x = w = np.full(9, np.nextafter(np.float32(1 + 2.0**-10), np.float32(0)))  # all that can be cut off
    lost = exactly(x, w) - exactly(short(x, False), short(w, False))
    assert 0.99 < lost / short_bound(x, w) <= 1


@pytest.mark.parametrize("count", [2, 9, 100])
def test_one_term_too_few_leaves_the_bound_of_shortened_factors(count: int) -> None:
    x, w = drawn("float32", count)
    largest = int(np.argmax(np.abs(x * w)))
    products = np.delete(short(x, False) * short(w, False), largest)
    assert abs(Fraction(float(one_by_one(products)[0])) - exactly(x, w)) > short_bound(x, w)


@pytest.mark.parametrize("count", [9, 100])
def test_factors_cut_off_to_bfloat16_leave_the_bound_of_shortened_ones(count: int) -> None:
    x, w = drawn("float32", count, 0.0)
    halved = ((each.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32) for each in (x, w))
    assert abs(Fraction(float(np.dot(*halved))) - exactly(x, w)) > short_bound(x, w)


@pytest.mark.parametrize("dtype", ["float64", *HALVES])
def test_factors_of_other_dtypes_are_not_shortened(dtype: str) -> None:
    terms, magnitude = np.array([9]), np.ones(1)
    assert accumulation_bound(dtype, terms, magnitude, True) == accumulation_bound(dtype, terms, magnitude)
    assert exact_limit(dtype, True) == exact_limit(dtype)
    assert telling(dtype, np.array([1000]), True) is telling(dtype, np.array([1000]))


def test_shortened_factors_hold_fewer_integers_and_shorter_sums() -> None:
    limit = exact_limit("float32", True)
    held = np.array([limit - 1, limit], np.float32)
    assert limit == 2**11
    assert short(held, False).tolist() == held.tolist()
    assert short(np.array([limit + 1], np.float32), False)[0] == limit
    assert [telling("float32", np.array([n]), True) for n in (512, 513)] == [True, False]
    assert telling("float32", np.array([513]))


@pytest.mark.parametrize(
    ("told", "short"),
    [
        ({}, False),
        ({"tf32": None, "hf32": None}, False),
        ({"tf32": False, "hf32": None}, False),
        ({"tf32": True}, True),
        ({"hf32": True, "tf32": None}, True),
        ({"tf32": "unknown"}, True),
    ],
)
def test_a_side_says_itself_whether_it_shortens(told: dict[str, object], short: bool) -> None:
    assert shortened(told) is short


def test_the_bound_is_elementwise_and_float64() -> None:
    terms = np.array([[0, 1], [9, 9]])
    magnitude = np.array([[0.0, 1.0], [1.0, 2.0]])
    found = accumulation_bound("float32", terms, magnitude)
    assert (found.shape, found.dtype) == ((2, 2), np.float64)
    u = 2.0**-24
    assert found[0, 0] == 0
    assert found[0, 1] == pytest.approx(2 * u, rel=1e-6)
    assert found[1].tolist() == pytest.approx([10 * u, 20 * u], rel=1e-6)


@pytest.mark.parametrize(("terms", "infinite"), [(2**24 - 2, False), (2**24 - 1, True), (2**30, True)])
def test_where_roundings_can_eat_everything_the_bound_says_nothing(terms: int, infinite: bool) -> None:
    assert np.isinf(accumulation_bound("float32", np.array([terms]), np.ones(1))[0]) == infinite


@pytest.mark.parametrize("dtype", HALVES)
def test_in_16_bits_the_bound_says_something_of_any_sum(dtype: str) -> None:
    found = accumulation_bound(dtype, np.array([200, 2000, 20_000, 200_000]), np.ones(4))
    assert np.all(np.isfinite(found))
    assert np.all(np.diff(found) > 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_exact_limit_is_the_last_integer_before_one_is_lost(dtype: str) -> None:
    kind, limit = np.dtype(dtype).type, exact_limit(dtype)
    assert [int(kind(limit - 1)), int(kind(limit))] == [limit - 1, limit]
    assert kind(limit) + kind(1) == kind(limit)
    assert unit_roundoff(dtype) == np.finfo(dtype).eps / 2


def test_bfloat16_has_its_own_numbers() -> None:
    assert (exact_limit("bfloat16"), unit_roundoff("bfloat16")) == (256, 2.0**-8)
    assert accumulation_bound("bfloat16", np.array([1]), np.ones(1))[0] == pytest.approx(2 / 256 / (1 - 2 / 256))


def test_the_table_is_absolute_plus_relative() -> None:
    row = Tolerance(rtol=0.01, atol=0.5, because="a lookup")
    assert table_bound(row, np.array([0.0, -100.0, 200.0], np.float32)).tolist() == pytest.approx([0.5, 1.5, 2.5])
    assert table_bound(row, np.ones(1, np.float16)).dtype == np.float64
