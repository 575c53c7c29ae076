"""Which divergent trials are one finding, under which condition, and what it is called."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from harness.classes import DivergenceClass, classes, counted
from harness.divergence import Signature, departs, signature
from harness.ledger.separate import Condition, Separator, fits
from harness.records import Record
from harness.tests.sample import KNOWN, checked, comparison, divergent, known, not_run, trial


def error(kind: str = "TypeError", message: str = "it is refused", **changes: Any) -> Record:
    return {"side": "subject", "phase": "construct", "type": kind, "message": message, **changes}


def refused(k: Any = 3, s: Any = 1, message: str = "it is refused", **changes: Any) -> Record:
    """A new rejection by the subject."""
    found: Record = {
        "verdict": "rejected_by_subject",
        "comparisons": [],
        "diagnosis": None,
        "error": error(message=message),
    }
    return divergent(k, s, **{**found, **changes})


def agreeing(k: Any = 3, s: Any = 1, **changes: Any) -> Record:
    """Both sides agree where the document says that they differ."""
    return trial(k, s, **{"status": "new", "as_expected": False, "expected": "different", **changes})


def by_id(trials: list[Record]) -> dict[str, tuple[str, ...]]:
    return {each.id: each.trials for each in classes(trials)}


def only(trials: list[Record]) -> DivergenceClass:
    [found] = classes(trials)
    return found


# -- what a trial is recognised by ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (divergent(), Signature("Conv2d", "value", "output", "shifted")),
        (
            divergent(comparisons=[comparison(), comparison(tensor="grad.x", verdict="value")]),
            "Conv2d value grad.x shifted",
        ),
        (divergent(verdict="dtype", comparisons=[comparison(verdict="dtype")], diagnosis=None), "Conv2d dtype output"),
        (refused(), "Conv2d rejected_by_subject subject construct TypeError"),
        (refused(verdict="crash", error=error("crash", side=None, phase=None)), "Conv2d crash crash"),
        (agreeing(), "Conv2d equal"),
        (agreeing(verdict="within_bound", undocumented="the document prints (1,)"), "Conv2d equal undocumented"),
        (checked("k", agrees=False, diagnosis=None), "Conv2d value signature"),
        (agreeing(check="init"), "Conv2d equal init"),
        (refused(check="state"), "Conv2d rejected_by_subject state subject construct TypeError"),
    ],
)
def test_signatures(record: Record, wanted: Signature | str) -> None:
    assert str(signature(record)) == str(wanted)


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (trial(), False),
        (divergent(status="as_expected", as_expected=True), False),
        (not_run(), False),
        (divergent(verdict="weak"), False),
        (divergent(), True),
        (divergent(status="changed"), True),
        (known(), True),
        (trial(status="unexpected_pass"), True),
    ],
)
def test_what_departs_from_its_document(record: Record, wanted: bool) -> None:
    assert departs(record) is wanted
    assert bool(classes([record])) is wanted


# -- grouping ---------------------------------------------------------------------------------------------------------


def test_trials_of_one_signature_are_one_class_with_its_condition() -> None:
    trials = [divergent(k) if k % 2 == 0 else trial(k) for k in range(1, 9)]
    found = only(trials)
    assert (found.condition.text, found.condition.exact, found.condition.says) == (
        "k % 2 == 0",
        True,
        "when k % 2 == 0",
    )
    assert (found.count, found.of, found.families, found.status) == (4, 8, ("same",), "new")
    assert (found.subjects, found.dtypes, found.known) == (("mindspore@cpu",), ("float32",), "")
    assert found.says == "The actual values are the expected ones, shifted by one column."


def test_where_all_trials_diverge_there_is_no_condition() -> None:
    found = only([divergent(1), divergent(2)])
    assert found.condition == Condition(of=2)
    assert found.condition.says == "in every trial"


@pytest.mark.parametrize(
    "changes",
    [
        {"layer": "Conv1d"},
        {"verdict": "shape", "comparisons": [comparison(verdict="shape")]},
        {"comparisons": [comparison(verdict="value", tensor="grad.x")]},
        {"diagnosis": {"kind": "border", "says": "the border"}},
        {"status": "changed", "known": KNOWN},
        {"status": "known", "known": KNOWN},
    ],
)
def test_what_has_another_signature_or_standing_is_another_class(changes: dict[str, Any]) -> None:
    assert len(classes([divergent(1), divergent(2), divergent(3, **changes)])) == 2


def test_families_of_a_layer_with_the_same_condition_are_one_class() -> None:
    trials = [
        divergent(k, family=family) if k > 4 else trial(k, family=family) for family in ("b", "a") for k in (3, 5, 7)
    ]
    found = only(trials)
    assert (found.families, found.condition.text, found.condition.of) == (("a", "b"), "k != 3", 6)


def test_a_family_that_diverges_in_every_trial_goes_with_a_condition_that_fits() -> None:
    told = [divergent(50, family="b"), trial(1, family="b")]
    always = [divergent(7, family="a"), divergent(9, family="a")]
    found = only([*told, *always])
    assert (found.families, found.condition.text, found.of) == (("a", "b"), "k != 1", 4)
    assert found.id == only(told).id
    assert found.trials == (always[0]["trial"], always[1]["trial"], told[0]["trial"])
    apart = classes([*told, *always, divergent(1, family="c")])
    assert [(each.families, each.condition.text) for each in apart] == [(("a", "b"), "k != 1"), (("c",), "")]


def test_families_are_one_class_where_one_condition_fits_both_though_each_has_its_own() -> None:
    narrow = [trial(1, family="a"), divergent(2, family="a")]
    wide = [divergent(k, family="b") if k > 1 else trial(k, family="b") for k in (1, 2, 3, 4)]
    found = only([*narrow, *wide])
    assert (found.families, found.condition.text) == (("a", "b"), "k != 1")
    found = only([divergent(1, family="d"), trial(3, family="d"), *(divergent(k) for k in (1, 2)), trial(3), trial(4)])
    assert (found.families, found.condition.text) == (("d", "same"), "k <= 2")
    opposite = [divergent(1, family="c"), trial(2, family="c")]
    assert [each.families for each in classes([*narrow, *wide, *opposite])] == [("a", "b"), ("c",)]


def test_errors_that_are_worded_otherwise_are_other_classes() -> None:
    tuples = [refused(family=name, message=f"the type of '{name}' is (1,) at 0x7f{n}e") for n, name in enumerate("ab")]
    assert only(tuples).families == ("a", "b")
    found = classes([*tuples, refused(family="c", message="'c' must be a bool")])
    assert [each.families for each in found] == [("a", "b"), ("c",)]
    assert len({each.id for each in found}) == 2


def test_errors_that_are_worded_otherwise_are_other_classes_though_one_condition_fits_both() -> None:
    words = {"a": "no", "b": "never", "c": "no"}
    trials = [refused(2, family=name, message=said) for name, said in words.items()]
    trials += [trial(1, family=name) for name in words]
    assert [each.families for each in classes(trials)] == [("a", "c"), ("b",)]


def test_an_entry_is_one_class_in_all_its_families() -> None:
    first = [known(k, family="a") if k > 1 else trial(k, family="a") for k in (1, 2, 3)]
    second = [known(k, family="b") for k in (4, 5)]
    found = only([*first, *second])
    assert (found.known, found.condition.text, found.condition.exact) == ("CONV-1", "k != 1", True)
    assert (found.count, found.of) == (4, 5)
    other = [known(9, family="c", known={**KNOWN, "id": "CONV-2"})]
    assert [each.known for each in classes([*first, *second, *other])] == ["CONV-1", "CONV-2"]


def test_an_entry_with_a_condition_for_each_family_names_them() -> None:
    first = [known(k, s, family="a") if k == 2 and s == 2 else trial(k, s, family="a") for k in (1, 2) for s in (1, 2)]
    second = [known(k, s, family="b") if k == 2 or s == 2 else trial(k, s, family="b") for k in (1, 2) for s in (1, 2)]
    third = [known(k, s, family="c") if k == s else trial(k, s, family="c") for k in (1, 2) for s in (1, 2)]
    found = only([*first, *second, *third])
    assert found.condition.exact
    assert "family == 'a' and (" in found.condition.text and "family == 'c' and (k == s)" in found.condition.text
    assert fits(found.condition.text, first + second + third, {3, 5, 6, 7, 8, 11})


# -- conditions that are not exact ------------------------------------------------------------------------------------


def noisy(family: str = "same", seed: int = 5) -> list[Record]:
    dice = random.Random(seed)
    cases = [(k, s) for k in range(1, 9) for s in range(1, 9)]
    return [divergent(k, s, family=family) if dice.random() < 0.4 else trial(k, s, family=family) for k, s in cases]


def test_a_condition_that_is_not_exact_says_so_and_joins_nothing() -> None:
    found = only(noisy())
    condition = found.condition
    assert condition.text and condition.wrong and not condition.exact
    assert condition.says == f"nearly when {condition.text} (wrong on {condition.wrong} of 64)"
    assert len(classes([*noisy("a"), *noisy("b")])) == 2


def test_where_no_value_tells_the_trials_apart_there_is_no_condition() -> None:
    found = only([trial(3, trial="one"), divergent(3, trial="two")])
    assert (found.condition.text, found.condition.exact) == ("", False)
    assert found.condition.says == "no condition: no value tells the trials apart"
    apart = [trial(3, trial="one", family="b"), divergent(3, trial="two", family="b")]
    assert len(classes([trial(3, trial="three"), divergent(3, trial="four"), *apart])) == 2


def test_a_search_that_would_take_long_is_left_out_and_says_so() -> None:
    trials = [trial(1), divergent(2), trial(3)]
    separator = Separator(budget=5)
    assert separator.condition(trials, {1}).exact
    assert separator.condition(trials, {1}).says == "no condition: not sought, there are too many trials"
    assert separator.condition(trials[:2], {1}).exact
    separator = Separator(budget=300)
    assert not separator.condition(noisy(), {5, 6, 17, 25, 34, 39, 48, 50, 61}).exact
    assert separator.condition(noisy(), {1}).wrong is None  # what fits badly takes longer, and is charged for more


def test_a_condition_may_speak_of_subject_and_release() -> None:
    graph = [divergent(k, subject="mindspore@cpu:graph") for k in (1, 2)] + [trial(k) for k in (1, 2)]
    assert only(graph).condition.text == "subject == 'mindspore@cpu:graph'"
    releases = [divergent(subject_version="2.11.0"), trial(subject_version="2.10.0")]
    assert only(releases).condition.text == "subject_version == '2.11.0'"


def test_what_says_nothing_is_not_held_against_a_condition() -> None:
    found = only([trial(1), divergent(2), trial(2, s=5, verdict="weak"), not_run(2, s=6)])
    assert (found.condition.text, found.of) == ("k != 1", 2)


def test_a_condition_fits_only_where_its_names_are() -> None:
    assert fits("k == 2", [trial(1), divergent(2)], {1})
    assert not fits("k == 2", [trial(1), divergent(2)], {0, 1})
    assert not fits("j == 2", [trial(1), divergent(2)], {1})
    assert not fits("a name == 2", [trial(1), divergent(2)], {1})
    assert not fits("k / (k - 1) == 2", [trial(1), divergent(2)], {1})


# -- names and order --------------------------------------------------------------------------------------------------


def mixture() -> list[Record]:
    trials = [divergent(k) if k % 2 == 0 else trial(k) for k in range(1, 9)]
    trials += [divergent(k, family="other") if k == 3 else trial(k, family="other") for k in (1, 2, 3)]
    trials += [refused(family="tuples"), agreeing(family="odd"), known(family="kept"), known(4, family="kept")]
    return trials


def test_ids_do_not_depend_on_the_order() -> None:
    wanted = classes(mixture())
    for seed in range(5):
        shuffled = mixture()
        random.Random(seed).shuffle(shuffled)
        assert classes(shuffled) == wanted


def test_ids_do_not_depend_on_other_trials() -> None:
    added = [divergent(k, family="more") if k == 1 else trial(k, family="more") for k in (1, 2, 3)]
    added += [refused(family="another"), refused(layer="Conv1d"), agreeing(family="even", check="init")]
    added += [known(family="a-kept"), trial(11), divergent(10, s=2)]
    assert by_id(mixture()).keys() <= by_id([*mixture(), *added]).keys()


def test_ids_are_made_of_the_signature_and_are_all_different() -> None:
    ids = list(by_id(mixture()))
    assert len(set(ids)) == len(ids) == 5
    shifted = [each for each in ids if each.startswith("conv2d-value-output-shifted")]
    assert len(shifted) == 3
    assert by_id([divergent()]).keys() == {"conv2d-value-output-shifted"}
    assert only([refused()]).id.startswith("conv2d-rejected-by-subject-construct-typeerror-")


def test_the_id_of_what_is_accepted_does_not_depend_on_what_has_changed() -> None:
    [accepted] = by_id([known(1), known(2)])
    changed = [divergent(k, status="changed", known=KNOWN) for k in (3, 4)]
    vanished = [divergent(5, status="unexpected_pass", known=KNOWN)]
    found = classes([known(1), known(2), *changed, *vanished])
    assert [each.id for each in found if each.status == "known"] == [accepted]
    assert len({each.id for each in found}) == 3


def test_two_classes_that_would_share_an_id_get_a_number() -> None:
    assert sorted(by_id([divergent(layer="Conv-2d"), divergent(layer="Conv 2d")])) == [
        "conv-2d-value-output-shifted",
        "conv-2d-value-output-shifted-2",
    ]


def test_red_classes_come_first_and_large_ones_before_small_ones() -> None:
    trials = [known(k, layer="Conv1d") for k in (1, 2)]
    trials += [trial(status="unexpected_pass", known=KNOWN, departure="it has vanished")]
    trials += [divergent(1, family="a"), *(refused(k, family="b") for k in (1, 2))]
    assert [(each.status, each.count) for each in classes(trials)] == [
        ("new", 2),
        ("new", 1),
        ("unexpected_pass", 1),
        ("known", 2),
    ]
    assert [each.red for each in classes(trials)] == [True, True, True, False]


def test_a_new_class_says_which_entry_accepts_its_like_in_its_families() -> None:
    trials = [known(2), divergent(4), trial(3), known(2, family="far", known={**KNOWN, "id": "CONV-2"})]
    new, *accepted = classes(trials)
    assert (new.status, new.like, new.condition.text) == ("new", ("CONV-1",), "k == 4")
    assert [each.like for each in accepted] == [(), ()]


def test_the_smallest_trial_has_the_fewest_elements_then_the_smallest_values_then_the_first_id() -> None:
    small = [comparison(verdict="value", size=10)]
    trials = [divergent(1), divergent(9, comparisons=small), divergent(7, 2, comparisons=small), divergent(8)]
    found = only(trials)
    assert found.trials[0] == found.example["trial"] == trials[2]["trial"]  # 7 + 2 is less than 9 + 1
    assert len(found.trials) == 4 and len(set(found.trials)) == 4


def test_changed_and_vanished_trials_say_how() -> None:
    [changed] = classes([divergent(status="changed", known=KNOWN, departure="its verdict is value")])
    assert changed.says.startswith("its verdict is value; The actual values")
    [vanished] = classes([trial(status="unexpected_pass", known=KNOWN, departure="it has vanished")])
    assert vanished.says.startswith("it has vanished; both sides agree")


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (agreeing(), "both sides agree, where the document says different"),
        (divergent(diagnosis=None, verdict="dtype"), "measured is dtype, where the document says equal"),
        (refused(message="no\n\n----\nC++ stack"), "subject at construct: TypeError: no"),
        (refused(message="x" * 300), f"subject at construct: TypeError: {'x' * 200} …"),
        (refused(error=error("crash", "killed", side=None, phase=None), verdict="crash"), "crash: killed"),
        (refused(undocumented="stated is load"), "subject at construct: TypeError: it is refused; stated is load"),
    ],
)
def test_a_class_says_in_a_sentence_what_it_looks_like(record: Record, says: str) -> None:
    assert only([record]).says == says


@pytest.mark.parametrize(
    ("trials", "says"),
    [
        ([], "0 new classes"),
        ([trial()], "0 new classes"),
        ([divergent()], "1 new class (1 trial)"),
        ([known(k) for k in (1, 2)], "0 new classes, 1 known class (2 trials)"),
        (
            [divergent(1), refused(2), known(3), divergent(4, status="changed", known=KNOWN)],
            "2 new classes (2 trials), 1 changed class (1 trial), 1 known class (1 trial)",
        ),
        ([trial(status="unexpected_pass", known=KNOWN)], "0 new classes, 1 vanished class (1 trial)"),
    ],
)
def test_classes_are_counted_by_status(trials: list[Record], says: str) -> None:
    assert counted(classes(trials)) == says


def test_seven_hundred_divergences_take_less_than_two_seconds() -> None:
    trials = [
        known(k, s, family=f"f{n}", known={**KNOWN, "id": f"K{n % 25}"})
        if (k * s + n) % 9 == 0
        else trial(k, s, family=f"f{n}")
        for n in range(100)
        for k in range(8)
        for s in range(8)
    ]
    assert sum(each["status"] == "known" for each in trials) > 600
    start = time.process_time()
    found = classes(trials)
    assert time.process_time() - start < 2.0
    assert len(found) == 25
