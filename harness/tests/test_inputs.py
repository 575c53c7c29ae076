"""Inputs are the same on every machine and release: they follow from Philox words by a mapping of our own."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from harness.inputs import fingerprint, integers, places, reals, seeds, tensor_key
from harness.model import Array, Lane

KEYS = ["conv2d/same/k=3|x|exact", "conv2d/same/k=3|weight|rounding", "", "ключ"]


def words(key: str, count: int) -> list[int]:
    """The raw words, as Python integers."""
    digest = hashlib.sha256(key.encode("utf-8")).digest()
    low, high = (int.from_bytes(digest[start : start + 8], "little") for start in (0, 8))
    return [int(word) for word in np.random.Philox(key=low + (high << 64)).random_raw(count)]


def integer(word: int, largest: int) -> int:
    """Bit 0 is the sign, bits 1 to 4 make a sixteenth zero, the bits from 8 on are the magnitude."""
    if word >> 1 & 0xF == 0:
        return 0
    magnitude = (word >> 8) % largest + 1
    return -magnitude if word & 1 else magnitude


def real(word: int) -> float:
    """The upper 52 bits count steps of 2**-51 from -1, half a step off the ends."""
    return float.fromhex("0x1p-52") * (2 * (word >> 12) + 1 - 2**52)


@pytest.mark.parametrize("largest", [1, 2, 7, 1000])
@pytest.mark.parametrize("key", KEYS)
def test_integers_follow_from_the_words(key: str, largest: int) -> None:
    assert integers(key, (500,), largest).tolist() == [integer(word, largest) for word in words(key, 500)]


@pytest.mark.parametrize("key", KEYS)
def test_reals_follow_from_the_words(key: str) -> None:
    assert reals(key, (500,)).tolist() == [real(word) for word in words(key, 500)]


def philox(key: str, blocks: int) -> list[int]:
    """Philox4x64-10 as its authors describe it, with the counter from one."""
    digest = hashlib.sha256(key.encode("utf-8")).digest()
    below = 2**64
    found: list[int] = []
    for counter in range(1, blocks + 1):
        first, second = (int.from_bytes(digest[start : start + 8], "little") for start in (0, 8))
        state = (counter, 0, 0, 0)
        for _ in range(10):
            high, low = divmod(0xD2E7470EE14C6C93 * state[0], below)
            upper, lower = divmod(0xCA5A826395121157 * state[2], below)
            state = (upper ^ state[1] ^ first, lower, high ^ state[3] ^ second, low)
            first, second = (first + 0x9E3779B97F4A7C15) % below, (second + 0xBB67AE8584CAA73B) % below
        found += state
    return found


@pytest.mark.parametrize("key", KEYS)
def test_the_words_are_those_of_philox(key: str) -> None:
    assert words(key, 20) == philox(key, 5)


# What philox(), integer() and real() give. Records and stored observations belong to these numbers.
def test_golden_words() -> None:
    assert words("conv2d/same/k=3|x|exact", 2) == [17144537962706239050, 2460945062803268695]


def test_golden_integers() -> None:
    assert integers("conv2d/same/k=3|x|exact", (2, 6), 7).tolist() == [[7, -1, 4, 2, 7, -5], [-3, 2, 2, 2, 6, 1]]


def test_golden_reals() -> None:
    assert [value.hex() for value in reals("conv2d/same/k=3|weight|rounding", (3,)).tolist()] == [
        "0x1.bdc861c798ed8p-3",
        "-0x1.3386f6616c8eep-1",
        "-0x1.ddfcdbb8a17dap-1",
    ]


def test_a_longer_array_starts_like_a_shorter_one() -> None:
    assert integers("key", (40,), 9)[:12].tolist() == integers("key", (3, 4), 9).ravel().tolist()
    assert reals("key", (40,))[:12].tolist() == reals("key", (3, 4)).ravel().tolist()


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (2, 3, 4)])
def test_shape_and_dtype(shape: tuple[int, ...]) -> None:
    for made, dtype in ((integers("key", shape, 3), np.int64), (reals("key", shape), np.float64)):
        assert (made.shape, made.dtype, made.size) == (shape, dtype, math.prod(shape))


@pytest.mark.parametrize("largest", [1, 2, 7, 100])
def test_integers_fill_their_range(largest: int) -> None:
    made = integers("range", (20000,), largest)
    assert set(made.tolist()) == set(range(-largest, largest + 1))


def test_integers_are_balanced_and_one_in_sixteen_is_zero() -> None:
    made = integers("balance", (64000,), 5)
    # Four standard deviations of the binomial counts.
    assert abs(np.count_nonzero(made == 0) - 4000) < 4 * math.sqrt(64000 * 15 / 16**2)
    assert abs(np.count_nonzero(made > 0) - 30000) < 4 * math.sqrt(64000 * 15 * 17 / 32**2)
    for magnitude in range(1, 6):
        assert abs(np.count_nonzero(np.abs(made) == magnitude) - 12000) < 4 * math.sqrt(64000 * 3 * 13 / 16**2)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1, 1)])
def test_a_single_element_is_never_zero(shape: tuple[int, ...]) -> None:
    keys = [f"single {index}" for index in range(200)]
    assert any(integer(words(key, 1)[0], 3) == 0 for key in keys)
    assert all(integers(key, shape, 3).item() for key in keys)
    assert {integers(key, shape, 3).item() for key in keys} == {-3, -2, -1, 1, 2, 3}


@pytest.mark.parametrize("one_in", [2, 16, 1024])
def test_thinned_integers_are_the_same_where_they_are_kept(one_in: int) -> None:
    dense, thinned = integers("thin", (64_000,), 7), integers("thin", (64_000,), 7, one_in)
    kept = np.array([word >> 40 for word in words("thin", 64_000)]) % one_in == 0
    assert np.array_equal(thinned, np.where(kept, dense, 0))
    # Four standard deviations of the binomial count.
    share = 15 / 16 / one_in
    assert abs(np.count_nonzero(thinned) - 64_000 * share) < 4 * math.sqrt(64_000 * share * (1 - share))


def test_reals_are_within_one_never_zero_and_spread_evenly() -> None:
    made = reals("spread", (64000,))
    assert np.all(np.abs(made) < 1.0)
    assert np.all(made != 0.0)
    counts, _ = np.histogram(made, bins=16, range=(-1.0, 1.0))
    assert np.all(np.abs(counts - 4000) < 4 * math.sqrt(64000 * 15 / 16**2))


@pytest.mark.parametrize("word", [0, 2**64 - 1, 2**63, 2**63 - 1])
def test_reals_of_extreme_words(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.inputs._words", lambda key, count: np.array([word], np.uint64))
    [made] = reals("any", (1,))
    assert made == real(word)
    assert 0.0 < abs(made) < 1.0


def test_distinct_keys_give_distinct_arrays() -> None:
    keys = [tensor_key(case, tensor, lane) for case in ("a", "b") for tensor in ("x", "weight") for lane in Lane]
    assert len(set(keys)) == 8
    assert len({integers(key, (64,), 1000).tobytes() for key in keys}) == 8
    assert len({reals(key, (64,)).tobytes() for key in keys}) == 8


def test_the_same_key_gives_the_same_array_again() -> None:
    assert np.array_equal(integers("key", (5, 5), 9), integers("key", (5, 5), 9))
    assert np.array_equal(reals("key", (5, 5)), reals("key", (5, 5)))


def test_the_key_of_a_tensor_names_case_tensor_and_lane() -> None:
    assert tensor_key("conv2d/same/k=3", "x", Lane.EXACT) == KEYS[0]


BASE = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    "other",
    [
        BASE.astype(np.float64),
        BASE.view(np.int32),
        BASE.astype(">f4"),
        BASE.reshape(3, 2),
        BASE.reshape(2, 3, 1),
        BASE + np.float32(1e-6),
        BASE * -1,
        BASE[:, ::-1],
    ],
    ids=["dtype", "bits", "byte-order", "shape", "rank", "value", "sign-of-zero", "order"],
)
def test_the_fingerprint_sees(other: Array) -> None:
    assert fingerprint(other) != fingerprint(BASE)


def test_a_scalar_is_not_a_list_of_one() -> None:
    assert fingerprint(np.array(3.0)) != fingerprint(np.array([3.0]))


def test_the_fingerprint_does_not_see_the_layout_in_memory() -> None:
    assert fingerprint(np.asfortranarray(BASE)) == fingerprint(BASE)
    assert fingerprint(np.repeat(BASE, 2, axis=1)[:, ::2]) == fingerprint(BASE)
    assert len(fingerprint(BASE)) == 16


def test_the_fingerprint_is_a_hash_of_dtype_shape_and_bytes() -> None:
    written = b"<f4(2, 3)" + b"".join(np.float32(value).tobytes() for value in range(6))
    assert fingerprint(BASE) == hashlib.sha256(written).hexdigest()[:16]


@pytest.mark.parametrize(
    ("size", "count", "found"),
    [(0, 4, []), (1, 4, [0]), (2, 4, [0, 1]), (3, 4, [0, 2, 1]), (9, 1, [0]), (9, 2, [0, 8])],
)
def test_places_are_the_ends_first_and_no_more_than_there_are(size: int, count: int, found: list[int]) -> None:
    assert places("places", size, count) == found


@pytest.mark.parametrize("size", [4, 5, 100])
def test_places_differ_and_are_drawn_by_the_key(size: int) -> None:
    drawn = {key: places(key, size, 4) for key in map(str, range(50))}
    assert all(len(set(each)) == 4 and each[:2] == [0, size - 1] for each in drawn.values())
    assert all(each == places(key, size, 4) for key, each in drawn.items())
    assert len({tuple(each) for each in drawn.values()}) > 1
    ranks = np.argsort(words("0", size), kind="stable").tolist()
    assert drawn["0"][2:] == [place for place in ranks if place not in (0, size - 1)][:2]


def test_seeds_follow_from_the_key_and_stay_when_more_are_asked_for() -> None:
    for key in KEYS:
        assert seeds(key, 5) == [word % (2**31 - 1) + 1 for word in words(key, 5)]
        assert seeds(key, 9)[:5] == seeds(key, 5)
    assert not set(seeds("a", 20)) & set(seeds("b", 20))
    assert len(set(seeds("a", 1000))) == 1000


def test_seeds_are_what_every_generator_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    edge = np.array([0, 2**31 - 1, 2**31 - 2, 2**64 - 1], np.uint64)
    monkeypatch.setattr("harness.inputs._words", lambda key, count: edge)
    assert seeds("a", 4)[:3] == [1, 1, 2**31 - 1]
    assert all(1 <= seed < 2**31 for seed in seeds("a", 4))
