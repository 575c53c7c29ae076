"""A learned condition is held against cases that it was not learned from; no framework takes part here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import casefile
from harness.casefile import Family
from harness.casefile.beyond import domain
from harness.casefile.expressions import Expression
from harness.ledger.findings import State
from harness.ledger.probe import EACH_SIDE, Fresh, Inquiry, Known, neighbours, of_words, origins
from harness.model import Case

FILE = """
layer: Affine
honest: {{call: honest.Linear, with: {{ci: 3, co: 3}}}}
mini: {{call: mini.Linear, with: {{ci: 3, co: 3}}}}
inputs: {{x: [=n, 3]}}
values: {{n: 2}}
derive: {{ek: "=2 * axis(k, 0) - 1"}}
families:
  f: {{because: a test, sweep: {{{sweep}}}, mini: {{with: {{all: [{names}]}}}}, {rest}expect: equal}}
"""
Truth = Callable[[dict[str, Any]], bool]


def family(tmp_path: Path, sweep: str, rest: str = "") -> Family:
    names = ", ".join(f"={part.split(':')[0].strip()}" for part in sweep.split(";"))
    text = FILE.format(sweep=sweep.replace(";", ", "), names=names, rest=rest)
    if "k:" not in sweep:
        text = text.replace("n: 2", "n: 2, k: 3")
    path = tmp_path / "affine.yaml"
    path.write_text(text)
    return casefile.load(path, ["honest", "mini"]).families[0]


def inquiry(made: Family, truth: Truth, says: Callable[[Fresh], bool] = lambda _: True) -> Inquiry:
    """A search whose trials, recorded and fresh, agree where the truth says so; ``says`` tells what says anything."""
    swept = [{name: case.values[name] for name in case.swept} for case in made.cases()]
    rows = [origins(made.names(row), "f", "mini@cpu", "float32") for row in swept]

    def ask(fresh: Fresh, case: Case) -> bool | None:
        assert case.id == made.identify(dict(fresh.swept))
        return truth(dict(fresh.row)) if says(fresh) else None

    return Inquiry(
        claim="Affine/same",
        families={"f": (made, [("mini@cpu", "float32")])},
        known=[Known("f", row, truth(row)) for row in rows],
        taken={f"{case.id},float32,mini@cpu" for case in made.cases()},
        ask=ask,
    )


def drawn(made: Inquiry) -> list[Fresh]:
    return list(made.draw(0))


PAIR = "k: [1, 2, 3, 4]; s: [1, 2, 3, 4]"


def test_a_true_condition_is_right_on_all_fresh_cases(tmp_path: Path) -> None:
    found = inquiry(family(tmp_path, PAIR), lambda row: bool(row["k"] <= row["s"])).find()
    assert (found.state, found.expression) == (State.CHECKED, "k <= s")
    assert found.right == found.fresh
    assert found.fresh is not None and found.holding is not None and found.beyond == found.fresh > EACH_SIDE
    assert 0 < found.holding < found.fresh
    assert found.text.startswith(f"holds iff k <= s: right on {found.fresh} of {found.fresh} fresh cases, ")


def test_a_condition_off_by_one_scores_below_one(tmp_path: Path) -> None:
    for wrong in ("k < s", "k <= s + 1"):
        made = inquiry(family(tmp_path, PAIR), lambda row: bool(row["k"] <= row["s"]))
        met, right = made.check(Expression(wrong), 0, last=True)
        assert 0 < right < len(met)


def test_what_the_sweep_leaves_open_is_learned_from_fresh_cases(tmp_path: Path) -> None:
    made = inquiry(family(tmp_path, "k: [1, 3, 7]; s: [1, 2]"), lambda row: bool(row["k"] <= 4))
    found = made.find()
    assert made.learned
    assert found.expression == "k <= 4"
    assert found.right == found.fresh


def test_a_condition_that_fails_beyond_the_sweep_is_learned_anew(tmp_path: Path) -> None:
    found = inquiry(family(tmp_path, PAIR), lambda row: bool(row["k"] <= row["s"] or row["k"] > 5)).find()
    assert found.expression in ("k <= s or 5 < k", "k <= s or k > 5")
    assert found.right == found.fresh


def test_tuples_are_drawn_in_new_combinations(tmp_path: Path) -> None:
    made = family(tmp_path, "k: [1, 2, [1, 2]]; s: [1, 2, [2, 1], [3, 1]]")

    def truth(row: dict[str, Any]) -> bool:
        kernel, stride = (value if isinstance(value, tuple) else (value, value) for value in (row["k"], row["s"]))
        return all(a >= b for a, b in zip(kernel, stride, strict=True))

    found = inquiry(made, truth).find()
    assert found.expression == "axis(s, 0) <= axis(k, 0) and axis(s, 1) <= axis(k, 1)"
    assert found.right == found.fresh


def test_no_short_condition_is_said_with_its_share(tmp_path: Path) -> None:
    made = family(tmp_path, "k: [1, 2, 3, 4, 5, 6, 7]; s: [1, 2, 3, 4, 5, 6, 7]")
    found = inquiry(made, lambda row: bool((row["k"] * row["k"] * 5 + row["s"] * 3) % 7 % 3 == 0)).find()
    assert found.share is not None and found.share < 0.9
    assert found.text.startswith("no short condition found")
    assert f"{found.right} of {found.fresh}" in found.text
    assert found.misfits and f"wrong on {found.misfits} of 49 trials" in found.text


def test_nothing_is_drawn_that_was_run_or_is_left_out(tmp_path: Path) -> None:
    rest = "exclude: [{when: k + s == 9 or k == 1, because: a test}], "
    made = inquiry(
        family(tmp_path, "k: [1, 2, 3, 4, 5]; s: [1, 2, 3, 4]", rest), lambda row: bool(row["k"] <= row["s"])
    )
    found = drawn(made)
    assert len(found) > 20
    assert not {each.id for each in found} & made.taken
    assert not [each for each in found if each.row["k"] + each.row["s"] == 9 or each.row["k"] == 1]
    assert len({each.id for each in found}) == len(found)


def test_what_is_drawn_is_the_same_every_time_and_new_in_the_next_round(tmp_path: Path) -> None:
    first, again = (inquiry(family(tmp_path, PAIR), lambda row: bool(row["k"] <= row["s"])) for _ in range(2))
    assert [each.id for each in drawn(first)] == [each.id for each in drawn(again)]
    met, _ = first.check(Expression("k <= s"), 0, last=True)
    rest = {each.id for each in drawn(first)}
    assert met and not rest & {each.id for each, _ in met}


def test_those_near_the_boundary_come_first(tmp_path: Path) -> None:
    made = inquiry(family(tmp_path, "k: [1, 20]; s: [1, 20]"), lambda row: bool(row["k"] <= row["s"]))
    met, _ = made.check(Expression("k <= s"), 0, last=True)
    distances = [abs(each.row["k"] - each.row["s"]) for each, _ in met]
    assert distances[0] <= 1 and distances[1] <= 1
    assert sum(distance <= 1 for distance in distances) >= len(distances) // 4


def test_words_that_were_all_tried_are_exhaustive(tmp_path: Path) -> None:
    made = family(tmp_path, "mode: [same, valid, pad]; bias: [false, true]")
    found = inquiry(made, lambda row: bool(row["mode"] == "same" or row["bias"])).find()
    assert (found.state, found.expression, found.fresh) == (State.EXHAUSTIVE, "bias or mode == 'same'", None)
    assert "exhaustive" in found.text


def test_words_of_which_some_say_nothing_are_not_exhaustive(tmp_path: Path) -> None:
    made = inquiry(family(tmp_path, "mode: [same, valid, pad]; bias: [false, true]"), lambda row: bool(row["bias"]))
    made.taken.clear()
    made.ask = lambda fresh, case: None
    assert made.find().state is State.UNCHECKED


def test_cases_that_say_nothing_are_not_counted(tmp_path: Path) -> None:
    made = family(tmp_path, PAIR)
    found = inquiry(made, lambda row: bool(row["k"] <= row["s"]), lambda fresh: fresh.row["k"] <= fresh.row["s"]).find()
    assert found.fresh == found.holding == found.right
    assert "none where it should not hold" in found.text
    nothing = inquiry(made, lambda row: bool(row["k"] <= row["s"]), lambda _: False).find()
    assert (nothing.state, nothing.right, nothing.fresh) == (State.UNCHECKED, None, None)


def test_large_inputs_are_not_drawn(tmp_path: Path) -> None:
    made = family(tmp_path, "n: [1, 40000]; s: [1, 2]")
    met, _ = inquiry(made, lambda row: True).check(Expression("n <= 10000"), 0, last=True)
    assert len(met) > EACH_SIDE and all(3 * each.row["n"] <= 2**16 for each, _ in met)


@pytest.mark.parametrize(
    ("values", "given"),
    [
        ((1, 3), [1, 2, 3, 4, 5, 6]),
        ((False, True), [False, True]),
        (("same", "pad"), ["same", "pad"]),
        (("same", 0), ["same", 0]),
        ((0.5, None), [0.5, None]),
        (((1,), (2,)), [(1,), (2,), (3,), (4,), (5,)]),
    ],
)
def test_a_name_is_given_its_words_or_numbers_a_bit_beyond(values: tuple[Any, ...], given: list[Any]) -> None:
    assert domain(values) == given


def test_a_name_of_pairs_is_given_every_pair() -> None:
    found = domain((1, (1, 2)))
    assert set(found) == {1, 2, 3, 4, 5} | {(a, b) for a in range(1, 6) for b in range(1, 6)}
    assert len(set(domain(((0, 1, 2, 1),)))) == 36


def test_neighbours_are_one_step_away() -> None:
    assert neighbours(3, (1, 3)) == [2, 4]
    assert neighbours((1, 2), ()) == [(0, 2), (2, 2), (1, 1), (1, 3)]
    assert neighbours("same", ("same", "pad")) == ["pad"]
    assert neighbours(True, (False, True)) == [False]


@pytest.mark.parametrize(("values", "words"), [([True, "same", None], True), ([("a", "b")], True), ([0.1, 0.5], False)])
def test_numbers_are_never_exhausted(values: list[Any], words: bool) -> None:
    assert of_words(values) is words
