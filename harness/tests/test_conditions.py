"""Planted conditions are found again, the simplest way of saying them first."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from harness.casefile.expressions import Expression, axis
from harness.ledger.conditions import atoms, learn

SWEEP: dict[str, Sequence[Any]] = {
    "k": [1, 2, 3, 4, 6],
    "s": [1, 2, 3],
    "p": [0, 1, 2],
    "d": [1, 2],
    "bias": [False, True],
    "mode": ["same", "valid", "pad"],
}
TUPLES: dict[str, Sequence[Any]] = {"k": [1, 3, (1, 3), (2, 1)], "s": [1, 2, (1, 2), (3, 1)], "p": [0, 1]}


def product(sweep: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    rows = [dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values())]
    for row in rows:
        if "d" in row:
            row["ek"] = row["d"] * (row["k"] - 1) + 1
    return rows


def found(rows: Sequence[Mapping[str, Any]], planted: str) -> str:
    condition = Expression(planted)
    formula = learn(rows, [bool(condition({name: row.get(name) for name in condition.names})) for row in rows])
    assert formula is not None
    return formula.text


@pytest.mark.parametrize(
    "planted",
    [
        "bias",
        "not bias",
        "mode == 'same'",
        "mode != 'pad'",
        "k == 3",
        "k <= 2",
        "p < s",
        "k < p",
        "s == k",
        "ek % 2 == 0",
        "s <= ek",
        "bias or k == 1",
        "p <= d and not bias",
        "s == 1 or k == 1",
        "not bias and mode == 'same'",
        "bias or mode == 'same' or k == 1",
        "p < s and not bias and mode == 'pad'",
        "bias or p <= d and mode == 'valid'",
        "bias and (p <= d or mode == 'valid')",
    ],
)
def test_a_planted_condition_is_found_word_for_word(planted: str) -> None:
    text = found(product(SWEEP), planted)
    assert sorted(text.replace("(", "").replace(")", "").split()) == sorted(
        planted.replace("(", "").replace(")", "").split()
    )
    condition, same = Expression(planted), Expression(text)
    for row in product({**SWEEP, "k": [5, 7, 8], "s": [4, 5], "p": [3, 4]}):
        assert bool(same(row)) == bool(condition(row))


@pytest.mark.parametrize(
    "planted",
    [
        "is_tuple(k)",
        "not is_tuple(s)",
        "axis(k, 0) < axis(s, 0)",
        "axis(k, 1) == 1",
        "axis(s, 0) <= axis(k, 0) and axis(s, 1) <= axis(k, 1)",
        "axis(s, 0) <= axis(k, 0) or p == 1",
    ],
)
def test_tuples_are_spoken_of_axis_by_axis(planted: str) -> None:
    text = found(product(TUPLES), planted)
    assert sorted(text.split()) == sorted(planted.split())


def test_a_comparison_of_names_is_preferred_to_a_constant() -> None:
    rows = [{"k": k, "s": 3} for k in (1, 2, 3, 4, 5)] + [{"k": 7, "s": 8}]
    assert found(rows, "k <= s") == "k <= s"
    rows = [{"op": op, "p": 1} for op in (0, 1, 2)] + [{"op": 1, "p": 2}]
    assert found(rows, "op < 2") == "op <= p"


def test_words_within_tuples_are_told_apart() -> None:
    rows = [{"how": (name, name.upper()), "p": p} for name in ("reflect", "circular", "zeros") for p in (1, 2)]
    found = learn(rows, [row["how"] != ("circular", "CIRCULAR") for row in rows])
    assert found is not None
    assert found.text == "how != ('circular', 'CIRCULAR')"


def test_what_does_not_vary_is_of_no_use() -> None:
    rows = [{"k": k, "n": 2} for k in (1, 2, 3)]
    assert not [atom for atom in atoms(rows) if "n" in Expression(atom.text).names]


def test_where_a_trial_comes_from_is_said_only_if_nothing_else_tells() -> None:
    rows = [{"family": family, "k": k} for family, k in (("a", 1), ("a", 2), ("b", 3), ("b", 4))]
    assert found(rows, "family == 'a'") == "k <= 2"
    assert found([*rows, {"family": "b", "k": 1}], "family == 'a'") == "family == 'a'"
    subjects = [{"subject": subject, "k": k} for subject in ("x@cpu", "y@cpu") for k in (1, 2)]
    assert found(subjects, "subject == 'y@cpu'") == "subject == 'y@cpu'"


def test_names_that_some_rows_lack_are_compared_with_words_only() -> None:
    rows: list[dict[str, Any]] = [{"k": 1, "mode": "same"}, {"k": 2, "mode": "pad"}, {"k": 1, "j": 3}, {"k": 2, "j": 4}]
    assert found(rows, "mode == 'same'") == "mode == 'same'"
    assert not [atom for atom in atoms(rows) if "j" in Expression(atom.text).names]


@pytest.mark.parametrize("agreed", [[True, True], [False, False]])
def test_where_there_is_no_difference_there_is_no_condition(agreed: list[bool]) -> None:
    assert learn([{"k": 1}, {"k": 2}], agreed) is None


def test_rows_that_no_value_tells_apart_have_no_condition() -> None:
    assert learn([{"k": 1}, {"k": 1}], [True, False]) is None


def test_one_odd_row_among_many_does_not_make_the_condition_longer() -> None:
    rows = product(SWEEP)
    agreed = [row["p"] <= row["d"] for row in rows]
    agreed[100] = not agreed[100]
    formula = learn(rows, agreed)
    assert formula is not None
    assert formula.text == "p <= d"


def test_the_extension_is_that_of_the_text() -> None:
    rows = product(TUPLES)
    for atom in atoms(rows):
        condition = Expression(atom.text)
        assert atom.holds == sum(1 << at for at, row in enumerate(rows) if condition(row)), atom.text


def test_the_search_takes_well_under_a_second() -> None:
    rows = product({**SWEEP, "h": [6, 7]})[:500]
    for row in rows:
        row |= {f"extra{n}": (row["k"] * 7 + row["s"] * n) % 11 for n in range(6)}
    agreed = [(row["k"] * 5 + row["s"] * 3 + row["p"] * 7 + axis(row["h"], 0)) % 3 == 0 for row in rows]
    start = time.process_time()
    first = learn(rows, agreed)
    assert time.process_time() - start < 3
    assert learn(rows, agreed) == first
