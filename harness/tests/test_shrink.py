"""The shrinking loop, with judges that know what they look for and no framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from harness.shrink import Limits, earlier, shrink, smaller

Judge = Callable[[Mapping[str, Any]], bool | None]
NUMBERS = {"a": smaller, "b": smaller}


def test_the_smallest_pair_that_shows_it_is_found() -> None:
    found = shrink({"a": 40, "b": 17, "c": 5}, NUMBERS, lambda row: row["a"] >= 6 and row["b"] >= 3)
    assert (found.row, found.finished) == ({"a": 6, "b": 3, "c": 5}, True)


def test_a_name_that_another_one_holds_up_comes_down_in_a_later_pass() -> None:
    found = shrink({"a": 8, "b": 4}, NUMBERS, lambda row: row["b"] > 0 and row["a"] % row["b"] == 0 and row["a"] > 0)
    assert found.row == {"a": 1, "b": 1}


def test_the_first_names_are_tried_first() -> None:
    def judge(row: Mapping[str, Any]) -> bool:
        return bool(row["a"] + row["b"] >= 6)

    assert shrink({"a": 6, "b": 6}, NUMBERS, judge).row == {"a": 0, "b": 6}
    assert shrink({"a": 6, "b": 6}, {"b": smaller, "a": smaller}, judge).row == {"a": 6, "b": 0}


def test_a_name_is_simplified_as_far_as_it_goes_before_the_next() -> None:
    tried: list[str] = []

    def judge(row: Mapping[str, Any]) -> bool:
        tried.append("a" if row["b"] == 9 else "b")
        return bool(row["a"] >= 3 and row["b"] >= 3)

    shrink({"a": 40, "b": 9}, NUMBERS, judge)
    assert tried == sorted(tried)


def test_it_is_the_same_every_time_and_tries_nothing_twice() -> None:
    tried: list[str] = []

    def judge(row: Mapping[str, Any]) -> bool:
        tried.append(repr(row))
        return bool(row["a"] * 3 > row["b"] > 2)

    first, again = (shrink({"a": 30, "b": 20}, NUMBERS, judge) for _ in range(2))
    assert first == again
    assert tried[: len(tried) // 2] == tried[len(tried) // 2 :]
    assert len(set(tried)) == first.runs == len(tried) // 2


def test_what_is_no_case_costs_no_run() -> None:
    def judge(row: Mapping[str, Any]) -> bool | None:
        return None if row["a"] % 2 else True

    found = shrink({"a": 8, "b": 0}, NUMBERS, judge)
    assert (found.row["a"], found.runs) == (0, 1)
    nothing = shrink({"a": 3, "b": 0}, NUMBERS, lambda row: None)
    assert (nothing.row, nothing.runs, nothing.finished) == ({"a": 3, "b": 0}, 0, True)


def test_a_limit_of_runs_keeps_the_best_so_far() -> None:
    found = shrink({"a": 1000, "b": 1000}, NUMBERS, lambda row: row["a"] > 300, Limits(runs=5))
    assert (found.runs, found.finished) == (5, False)
    assert 300 < found.row["a"] < 1000
    assert shrink({"a": 2, "b": 0}, NUMBERS, lambda row: False, Limits(runs=2)).finished


def test_a_limit_of_time_keeps_the_best_so_far() -> None:
    seconds = iter(range(100))
    found = shrink(
        {"a": 64, "b": 0}, NUMBERS, lambda row: row["a"] > 3, Limits(seconds=5.0, clock=lambda: float(next(seconds)))
    )
    assert (found.runs, found.finished) == (4, False)


def test_none_is_a_value_like_any_other() -> None:
    ways = {"mode": partial(earlier, values=[None, "same", "pad"])}
    assert shrink({"mode": "pad"}, ways, lambda row: row["mode"] != "same").row == {"mode": None}


@pytest.mark.parametrize(
    ("value", "simpler"),
    [
        (0, []),
        (1, [0]),
        (2, [0, 1]),
        (9, [0, 1, 4, 8]),
        (-3, [0, -1, -2]),
        (True, [False]),
        (False, []),
        ((1, 2), [(0, 2), (1, 0), (1, 1)]),
        ("same", []),
        (0.5, []),
        (None, []),
    ],
)
def test_simpler_values_come_simplest_first(value: Any, simpler: list[Any]) -> None:
    assert smaller(value) == simpler


def test_of_a_sweep_what_stands_before() -> None:
    assert earlier(3, (1, 2, 3, 4)) == [1, 2]
    assert earlier(True, (1, False, True)) == [1, False]
    assert earlier((1, 2), (1, (1, 2))) == [1]
    assert earlier(9, (1, 2)) == []
