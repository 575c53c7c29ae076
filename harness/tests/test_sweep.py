"""Covering arrays against a count that knows nothing of how they are made."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import covertable
import pytest

from harness.casefile.sweep import Coverage, Exclusion, Row, count_excluded, enumerate_rows, exclusion

Sweep = Mapping[str, Sequence[Any]]
Rule = tuple[tuple[str, ...], Callable[[Row], bool]]

NUMBERS: Sweep = {"k": (1, 2, 3, 4), "s": (1, 2, 3), "p": (0, 1, 2), "d": (1, 2), "bias": (False, True)}
MIXED: Sweep = {"k": (1, (3, 2), (2, 3)), "mode": ("pad", "same", "valid"), "p": (0, 0.0, False, None), "g": (1, True)}
RULES: Sequence[Rule] = (
    (("k", "p"), lambda row: row["p"] >= row["k"]),
    (("s", "d", "bias"), lambda row: row["s"] > 1 and row["d"] > 1 and row["bias"]),
)
# Each rule alone leaves out little; only together do they forbid pairs, which no rule names.
CHAIN: Sweep = {"a": (0, 1, 2), "b": (0, 1, 2), "c": (0, 1, 2), "d": (0, 1)}
CHAIN_RULES: Sequence[Rule] = (
    (("a", "b"), lambda row: row["a"] != row["b"]),
    (("b", "c"), lambda row: row["b"] != row["c"]),
    (("a", "c"), lambda row: row["a"] == row["c"] == 1),
)
SETTINGS = [
    pytest.param(NUMBERS, (), id="numbers"),
    pytest.param(NUMBERS, RULES, id="numbers-and-rules"),
    pytest.param(MIXED, (), id="mixed"),
    pytest.param(MIXED, ((("p", "g"), lambda row: row["p"] is False and row["g"] is True),), id="mixed-and-rule"),
    pytest.param(CHAIN, CHAIN_RULES, id="chain"),
]


def tabulated(sweep: Sweep, rules: Sequence[Rule]) -> list[Exclusion]:
    return [exclusion(sweep, names, when) for names, when in rules]


def full_product(sweep: Sweep, rules: Sequence[Rule] = ()) -> list[Row]:
    rows = (dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values()))
    return [row for row in rows if not any(when(row) for _, when in rules)]


def tuples_of(rows: Sequence[Row], strength: int) -> set[Any]:
    """The t-way value tuples of the rows; by ``repr``, in which 1, 1.0 and True differ."""
    return {
        tuple((name, repr(row[name])) for name in names)
        for row in rows
        for names in itertools.combinations(row, strength)
    }


def made(sweep: Sweep, rules: Sequence[Rule], strength: int | None) -> tuple[list[Row], Coverage]:
    return enumerate_rows(sweep, tabulated(sweep, rules), strength)


@pytest.mark.parametrize("strength", [2, 3])
@pytest.mark.parametrize(("sweep", "rules"), SETTINGS)
def test_every_possible_tuple_is_covered(sweep: Sweep, rules: Sequence[Rule], strength: int) -> None:
    rows, coverage = made(sweep, rules, strength)
    possible = tuples_of(full_product(sweep, rules), strength)
    assert tuples_of(rows, strength) == possible
    assert (coverage.possible, coverage.covered, coverage.share) == (len(possible), len(possible), 1.0)
    assert (coverage.rows, coverage.strength) == (len(rows), strength)
    assert coverage.product == math.prod(map(len, sweep.values()))


@pytest.mark.parametrize("strength", [2, 3])
@pytest.mark.parametrize(("sweep", "rules"), SETTINGS)
def test_no_row_is_excluded_or_stands_twice(sweep: Sweep, rules: Sequence[Rule], strength: int) -> None:
    rows, _ = made(sweep, rules, strength)
    assert not any(when(row) for row in rows for _, when in rules)
    written = [tuple(map(repr, row.values())) for row in rows]
    assert len(set(written)) == len(written)
    assert all(list(row) == list(sweep) for row in rows)


@pytest.mark.parametrize(("sweep", "rules"), SETTINGS)
def test_without_a_strength_the_product_is_taken_in_order(sweep: Sweep, rules: Sequence[Rule]) -> None:
    wanted = full_product(sweep, rules)
    for strength in (None, len(sweep), len(sweep) + 3):
        rows, coverage = made(sweep, rules, strength)
        assert list(map(repr, rows)) == list(map(repr, wanted))
        assert coverage == Coverage(
            len(wanted), math.prod(map(len, sweep.values())), len(sweep), len(wanted), len(wanted)
        )


@pytest.mark.parametrize("seed", range(12))
def test_random_sweeps_and_exclusions(seed: int) -> None:
    generator = random.Random(seed)
    sweep = {name: tuple(range(generator.randint(1, 4))) for name in "abcde"[: generator.randint(3, 5)]}
    rules = [forbidding(generator, sweep) for _ in range(generator.randint(1, 5))]
    rows, coverage = made(sweep, rules, 2)
    possible = tuples_of(full_product(sweep, rules), 2)
    assert tuples_of(rows, 2) == possible
    assert (coverage.possible, coverage.covered) == (len(possible), len(possible))


def forbidding(generator: random.Random, sweep: Sweep) -> Rule:
    """A rule that leaves out about a third of the combinations of some names."""
    names = tuple(sorted(generator.sample(list(sweep), generator.randint(1, 3))))
    combinations = itertools.product(*(sweep[name] for name in names))
    forbidden = {values for values in combinations if generator.random() < 0.35}
    return names, lambda row: tuple(row[name] for name in names) in forbidden


def test_a_covering_array_is_smaller_than_the_product() -> None:
    rows, coverage = made(NUMBERS, (), 2)
    # The two longest columns alone need 4 * 3 rows; the product has 144.
    assert 12 <= len(rows) <= 24
    assert coverage.product == 144
    assert len(rows) < len(made(NUMBERS, (), 3)[0]) < 144


def test_rows_come_in_sweep_order_and_the_same_each_time() -> None:
    rows, _ = made(NUMBERS, RULES, 2)
    assert rows == sorted(rows, key=lambda row: [NUMBERS[name].index(row[name]) for name in NUMBERS])
    assert made(NUMBERS, RULES, 2) == made(NUMBERS, RULES, 2)


def test_the_count_sees_a_missing_row() -> None:
    rows, _ = made(NUMBERS, RULES, 2)
    possible = tuples_of(full_product(NUMBERS, RULES), 2)
    needed = [row for row in rows if tuples_of([other for other in rows if other is not row], 2) < possible]
    # Were no row needed, the array could lose one and the tests above would prove nothing.
    assert len(needed) > len(rows) // 2


def test_a_missing_row_lowers_the_reported_coverage(monkeypatch: pytest.MonkeyPatch) -> None:
    make = covertable.main.Controller.make
    monkeypatch.setattr(covertable.main.Controller, "make", lambda self: make(self)[1:])
    rows, coverage = made(NUMBERS, RULES, 2)
    assert coverage.covered == len(tuples_of(rows, 2)) < coverage.possible
    assert coverage.possible == len(tuples_of(full_product(NUMBERS, RULES), 2))
    assert coverage.share < 1.0


def test_nothing_left_is_nothing_missed() -> None:
    always: Rule = (("k",), lambda row: True)
    for strength in (None, 2):
        rows, coverage = made(NUMBERS, [always], strength)
        assert (rows, coverage.possible, coverage.covered, coverage.share) == ([], 0, 0, 1.0)


def test_a_sweep_of_nothing_is_one_combination() -> None:
    assert enumerate_rows({}, (), None) == ([{}], Coverage(1, 1, 0, 1, 1))
    assert enumerate_rows({}, (), 2)[0] == [{}]


def test_a_rule_of_no_swept_name_leaves_out_all_or_nothing() -> None:
    assert not exclusion(NUMBERS, (), lambda row: False).values
    assert enumerate_rows(NUMBERS, [exclusion(NUMBERS, (), lambda row: True)], 2)[0] == []


def test_an_exclusion_looks_at_its_own_names_only() -> None:
    seen: list[Row] = []
    exclusion(NUMBERS, ("s", "d"), lambda row: seen.append(dict(row)))
    assert seen == [{"s": s, "d": d} for s, d in itertools.product(NUMBERS["s"], NUMBERS["d"])]


def test_an_exclusion_tells_equal_values_of_other_types_apart() -> None:
    values = (1, True, 1.0, (1, 2), (True, 2))
    for left_out in values:
        rule = exclusion({"v": values}, ("v",), lambda row, left_out=left_out: row["v"] is left_out)  # type: ignore[misc]
        assert [value for value in values if rule({"v": value})] == [left_out]
        assert sum(map(rule, [{"v": value} for value in values])) == 1


@pytest.mark.parametrize(("sweep", "rules"), SETTINGS)
def test_excluded_combinations_are_counted(sweep: Sweep, rules: Sequence[Rule]) -> None:
    excluded = len(full_product(sweep)) - len(full_product(sweep, rules))
    assert count_excluded(sweep, tabulated(sweep, rules)) == excluded
