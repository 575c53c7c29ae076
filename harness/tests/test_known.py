"""Accepted divergences: what they cover, what they make of a trial, and what a bad file is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from harness.casefile.expressions import Expression
from harness.errors import CaseFileError, HarnessError, Place
from harness.known import Known, Sides, Status, judge, load
from harness.model import AGREEMENT, Target, Verdict

MARK = "§"
FAMILIES = {"Conv2d": {"same-even": ["k", "s", "p"], "same-odd": ["k", "s"]}, "Conv1d": {"valid": ["k"]}}
VERSIONS = {"torch": "2.13.0+cpu", "mindspore": "2.10.0", "paddle": None}


def entry(**changes: Any) -> Known:
    fields = {
        "id": "pads",
        "layer": "Conv2d",
        "families": ("same-even", "same-odd"),
        "verdicts": frozenset({Verdict.VALUE}),
        "reason": "pads on the other side",
    }
    return Known(**{**fields, **changes})


def record(**changes: Any) -> dict[str, Any]:
    """A trial as in results.jsonl that diverges in its values."""
    return {
        "layer": "Conv2d",
        "family": "same-even",
        "values": {"k": 4, "s": 1, "p": [[0, 1], [2, 3]]},
        "subject": "mindspore@cpu",
        "dtype": "float32",
        "verdict": "value",
        "as_expected": False,
        "diagnosis": {"kind": "shifted"},
        "error": None,
        **changes,
    }


def sides(trial: Mapping[str, Any] | None = None) -> Sides:
    """The two targets of such a trial."""
    return Sides(Target.of_kind("torch@cpu"), Target.of_kind((trial or record())["subject"]), VERSIONS)


AGREES = {"verdict": "bitwise", "as_expected": True, "diagnosis": None}
FAILS = {"verdict": "rejected_by_subject", "diagnosis": None, "error": {"type": "ValueError"}}


def status(trial: dict[str, Any], *known: Known) -> Status:
    return judge(trial, known, sides(trial))[0]


# -- status ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trial", "known", "wanted"),
    [
        (record(**AGREES), [], "as_expected"),
        (record(**AGREES), [entry(layer="Conv1d")], "as_expected"),
        (record(), [], "new"),
        (record(), [entry(layer="Conv1d")], "new"),
        (record(), [entry()], "known"),
        (record(), [entry(diagnosis=("flipped", "shifted"))], "known"),
        (record(), [entry(verdicts=frozenset({Verdict.SHAPE}))], "changed"),
        (record(), [entry(diagnosis=("flipped",))], "changed"),
        (record(diagnosis=None), [entry(diagnosis=("flipped",))], "changed"),
        (record(**FAILS), [entry(verdicts=frozenset({Verdict.REJECTED_BY_SUBJECT}), error="ValueError")], "known"),
        (record(**FAILS), [entry(verdicts=frozenset({Verdict.REJECTED_BY_SUBJECT}), error="TypeError")], "changed"),
        (record(**FAILS), [entry()], "changed"),
        (record(error=None), [entry(error="ValueError")], "changed"),
        (record(**AGREES), [entry()], "unexpected_pass"),
        (record(verdict="value", as_expected=True), [entry()], "unexpected_pass"),
        (record(verdict="bitwise"), [entry(verdicts=AGREEMENT)], "known"),
        (record(verdict="within_bound"), [entry(verdicts=AGREEMENT)], "known"),
        (record(verdict="value"), [entry(verdicts=AGREEMENT)], "changed"),
        (record(verdict="not_run"), [], "not_run"),
        (record(verdict="not_run"), [entry()], "not_run"),
    ],
)
def test_status(trial: dict[str, Any], known: list[Known], wanted: str) -> None:
    assert status(trial, *known) == wanted


def test_what_is_red() -> None:
    assert {each for each in Status if each.red} == {Status.NEW, Status.CHANGED, Status.VANISHED}


@pytest.mark.parametrize(
    ("trial", "known", "words"),
    [
        (record(), entry(), ""),
        (
            record(verdict="shape"),
            entry(),
            "the known divergence 'pads' has changed: its verdict is shape, accepted is value",
        ),
        (
            record(),
            entry(verdicts=AGREEMENT),
            "the known divergence 'pads' has changed: its verdict is value, accepted is bitwise or within_bound",
        ),
        (
            record(),
            entry(diagnosis=("flipped", "scaled")),
            "the known divergence 'pads' has changed: its diagnosis is shifted, accepted is flipped or scaled",
        ),
        (
            record(**FAILS),
            entry(verdicts=frozenset({Verdict.REJECTED_BY_SUBJECT}), error="TypeError"),
            "the known divergence 'pads' has changed: it fails with ValueError, accepted is TypeError",
        ),
        (
            record(**AGREES),
            entry(),
            "the known divergence 'pads' has vanished here: narrow or remove its entry",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(trial: dict[str, Any], known: Known, words: str) -> None:
    assert judge(trial, [known], sides(trial))[1:] == (known, words)


def test_a_trial_that_nothing_covers_has_no_entry() -> None:
    assert judge(record(), [entry(layer="Conv1d")], sides()) == (Status.NEW, None, "")


def test_the_first_entry_that_covers_a_trial_counts() -> None:
    first, second = entry(id="first"), entry(id="second")
    assert judge(record(), [entry(layer="Conv1d"), first, second], sides())[1] is first


# -- scope -------------------------------------------------------------------------------------------------------------


def covered(known: Known, **changes: Any) -> bool:
    trial = record(**changes)
    return known.covers(trial, sides(trial))


@pytest.mark.parametrize(
    ("scope", "outside"),
    [
        ({}, {"layer": "Conv1d"}),
        ({}, {"family": "valid"}),
        ({"subjects": ("mindspore@cpu",)}, {"subject": "mindspore@ascend"}),
        ({"dtypes": ("float16", "float32")}, {"dtype": "float64"}),
        ({"when": Expression("k % 2 == 0")}, {"values": {"k": 3}}),
    ],
)
def test_an_entry_ends_where_its_scope_ends(scope: dict[str, Any], outside: dict[str, Any]) -> None:
    assert covered(entry(**scope))
    assert not covered(entry(**scope), **outside)


@pytest.mark.parametrize(
    ("scope", "subject", "applies"),
    [
        ({}, "mindspore@gpu", True),
        ({"subjects": ("mindspore@cpu", "mindspore@gpu")}, "mindspore@gpu", True),
        ({"subjects": ("mindspore@cpu",)}, "mindspore@gpu", False),
        ({"subjects": ("mindspore@cpu",)}, "mindspore@cpu+avx512", True),
        ({"subjects": ("mindspore@cpu",)}, "mindspore@cpu+avx512:graph", False),
        ({"subjects": ("mindspore@cpu:graph",)}, "mindspore@cpu+avx512:graph", True),
        ({"subjects": ("mindspore@cpu+avx512",)}, "mindspore@cpu+avx512", True),
        ({"subjects": ("mindspore@cpu+avx512",)}, "mindspore@cpu", False),
        ({"versions": {"mindspore": SpecifierSet("<2.10")}}, "mindspore@cpu", False),
        ({"versions": {"torch": SpecifierSet(">=2")}}, "mindspore@cpu", True),
        ({"references": ("torch@cpu",)}, "mindspore@cpu", True),
        ({"references": ("torch@gpu",)}, "mindspore@cpu", False),
    ],
)
def test_whether_a_run_could_have_met_an_entry(scope: dict[str, Any], subject: str, applies: bool) -> None:
    assert entry(**scope).applies(sides({"subject": subject})) is applies


@pytest.mark.parametrize(
    ("scope", "isas", "applies"),
    [
        ({}, {}, True),
        ({"torch": ("avx2",)}, {"torch": "avx2", "mindspore": "amx"}, True),
        ({"torch": ("avx2", "amx")}, {"torch": "amx"}, True),
        ({"torch": ("avx2",)}, {"torch": "avx512", "mindspore": "avx2"}, False),
        ({"torch": ("avx2",)}, {"torch": None}, False),
        ({"torch": ("avx2",)}, {}, False),
        ({"torch": ("avx2",), "mindspore": ("avx2",)}, {"torch": "avx2", "mindspore": "avx512"}, False),
    ],
)
def test_what_was_seen_on_some_instruction_sets_is_accepted_on_no_other(
    scope: dict[str, tuple[str, ...]], isas: dict[str, str | None], applies: bool
) -> None:
    assert entry(isas=scope).applies(replace(sides(), isas=isas)) is applies


@pytest.mark.parametrize(
    ("scope", "applies"),
    [
        ({}, False),
        ({"subjects": ("torch@cpu+avx512",)}, False),
        ({"references": ("torch@cpu",)}, True),
        ({"references": ("torch@cpu",), "subjects": ("torch@cpu+amx",)}, False),
        ({"references": ("torch@cpu+native",)}, False),
    ],
)
def test_between_two_frameworks_is_not_between_one_and_itself(scope: dict[str, Any], applies: bool) -> None:
    assert entry(**scope).applies(sides({"subject": "torch@cpu+avx512"})) is applies


def test_scope_does_not_look_at_the_result() -> None:
    assert covered(entry(), **AGREES)
    assert covered(entry(), verdict="crash")


@pytest.mark.parametrize(
    ("ranges", "inside"),
    [
        ({"mindspore": ">=2.10,<2.11"}, True),
        ({"mindspore": "<2.10"}, False),
        ({"mindspore": "==2.10.*"}, True),
        ({"torch": "==2.13.0"}, True),
        ({"torch": "<=2.13.0"}, True),
        ({"torch": "===2.13.0"}, True),
        ({"torch": ">2.13.0"}, False),
        ({"torch": "!=2.13.0"}, False),
        ({"torch": ">=2", "mindspore": "<2"}, False),
        ({"torch": ">=2", "mindspore": ">=2"}, True),
        ({"torch": ""}, True),
        ({"paddle": ">=2"}, False),
        ({"paddle": ""}, False),
        ({"jax": ">=0"}, False),
        ({}, True),
    ],
)
def test_versions(ranges: dict[str, str], inside: bool) -> None:
    assert covered(entry(versions={name: SpecifierSet(text) for name, text in ranges.items()})) is inside


@pytest.mark.parametrize(
    ("version", "inside"), [("2.13.0.dev20250101", False), ("2.14.0rc1", True), ("2.13.0+cu126", True), ("2.14", True)]
)
def test_a_pre_release_is_ordered_like_any_other(version: str, inside: bool) -> None:
    known = entry(versions={"torch": SpecifierSet(">=2.13.0")})
    assert known.covers(record(), replace(sides(), versions={"torch": version})) is inside


def test_the_lists_of_a_record_are_the_tuples_of_a_case() -> None:
    assert covered(entry(when=Expression("p == ((0, 1), (2, 3))")))
    assert covered(entry(when=Expression("axis(axis(p, 1), 0) == 2 and k == 4")))
    assert covered(entry(when=Expression("k == (4, 4)")), values={"k": [4, 4]})
    assert not covered(entry(when=Expression("k == (4, 4)")), values={"k": [4, 5]})


def test_a_condition_that_fails_names_its_entry() -> None:
    with pytest.raises(HarnessError) as caught:
        covered(entry(when=Expression("k > 2")), values={"k": [3, 2]})
    assert str(caught.value).startswith("the known divergence 'pads': 'k > 2' fails for k=(3, 2) (TypeError: ")


# -- the file ----------------------------------------------------------------------------------------------------------

GOOD = """\
known:
  - id: pads-at-the-end
    layer: Conv2d
    families: [same-even, same-odd]
    when: k % 2 == 0
    subjects: [mindspore@cpu]
    dtypes: [float32]
    versions: {mindspore: ">=2.10,<2.11", torch: ">=2"}
    verdict: value
    isa: {torch: [avx2, amx], mindspore: [avx512]}
    references: [torch@cpu]
    diagnosis: [shifted]
    reason: >
      pads on
      the other side
    link: https://example.org/1
  - {id: other, layer: Conv1d, families: [valid], verdict: crash, error: ValueError, reason: it dies}
"""


def write(folder: Path, *edits: tuple[str, str], text: str = GOOD) -> tuple[Path, Place]:
    """The edited file without its mark, and the place of the mark."""
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} must occur once"
        text = text.replace(old, new)
    before, _, after = text.partition(MARK)
    path = folder / "known.yaml"
    path.write_text(before + after, encoding="utf-8")
    lines = before.split("\n")
    return path, Place(str(path), len(lines), len(lines[-1]) + 1)


def test_a_good_file(tmp_path: Path) -> None:
    path, _ = write(tmp_path)
    first, second = load(path, FAMILIES)
    assert first == Known(
        id="pads-at-the-end",
        layer="Conv2d",
        families=("same-even", "same-odd"),
        verdicts=frozenset({Verdict.VALUE}),
        reason="pads on the other side",
        when=first.when,
        subjects=("mindspore@cpu",),
        dtypes=("float32",),
        versions={"mindspore": SpecifierSet(">=2.10,<2.11"), "torch": SpecifierSet(">=2")},
        isas={"torch": ("avx2", "amx"), "mindspore": ("avx512",)},
        references=("torch@cpu",),
        diagnosis=("shifted",),
        link="https://example.org/1",
    )
    assert first.when.text == "k % 2 == 0"
    assert (second.id, second.error, second.versions) == ("other", "ValueError", {})
    assert second.verdicts == {Verdict.CRASH}
    assert second.covers({**record(), "layer": "Conv1d", "family": "valid"}, replace(sides(), versions={}))


def test_an_accepted_agreement_is_of_either_kind(tmp_path: Path) -> None:
    path, _ = write(tmp_path, ("verdict: crash", "verdict: equal"))
    assert load(path, FAMILIES)[1].verdicts == {Verdict.BITWISE, Verdict.WITHIN_BOUND}


def test_a_condition_may_start_with_an_equals_sign(tmp_path: Path) -> None:
    path, _ = write(tmp_path, ("when: k", "when: =k"))
    assert load(path, FAMILIES)[0].when({"k": 4}) is True


def test_a_missing_file_accepts_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "known.yaml", FAMILIES) == ()


def test_an_empty_list_accepts_nothing(tmp_path: Path) -> None:
    path, _ = write(tmp_path, text="known: []\n")
    assert load(path, FAMILIES) == ()


DEVICE, NEAR = "target 'torch@cup': unknown device (did you mean 'cpu'?)", "did you mean 'mindspore'?"
ISAS = "known: amx, amx_fp16, avx, avx2, avx512, avx512_fp16, sse41"


@pytest.mark.parametrize(
    ("edits", "key", "problem", "hint"),
    [
        (
            [("layer: Conv2d", "§layer: Conv3d")],
            "known.0.layer",
            "no case file for the layer 'Conv3d'",
            "did you mean 'Conv2d'?",
        ),
        (
            [("[same-even, same-odd]", "[same-even, §same-ood]")],
            "known.0.families.1",
            "'Conv2d' has no family 'same-ood'",
            "did you mean 'same-odd'?",
        ),
        (
            [("families: [valid]", "families: [§same-odd]")],
            "known.1.families.0",
            "'Conv1d' has no family 'same-odd'",
            "known: valid",
        ),
        (
            [("when: k % 2", "§when: kk % 2")],
            "known.0.when",
            "unknown name 'kk' in 'kk % 2 == 0'",
            "did you mean 'k'?",
        ),
        (
            [("when: k % 2 == 0", "§when: p == 0")],
            "known.0.when",
            "unknown name 'p' in 'p == 0'",
            "known: k, s",
        ),
        (
            [("when: k % 2 == 0", "§when: k ==")],
            "known.0.when",
            "'k ==' is no expression",
            "invalid syntax",
        ),
        (
            [('torch: ">=2"', '§torch: "2.13"')],
            "known.0.versions.torch",
            "'2.13' is no version range",
            "as in '>=2.10,<2.11'",
        ),
        (
            [("id: other", "§id: pads-at-the-end")],
            "known.1.id",
            "the id 'pads-at-the-end' stands twice",
            "",
        ),
        (
            [("id: other", "§id: The Other")],
            "known.1.id",
            "expected a name of small letters, digits and '-'",
            'found "The Other"',
        ),
        (
            [("    verdict: value", "    §verdict: valeu")],
            "known.0.verdict",
            "unknown value 'valeu'",
            "did you mean 'value'?",
        ),
        (
            [("error: ValueError", "§eror: ValueError")],
            "known.1.eror",
            "unknown key",
            "did you mean 'error'?",
        ),
        (
            [(", reason: it dies", ""), ("- {id: other", "- §{id: other")],
            "known.1",
            "the key 'reason' is missing",
            "expected a known divergence with id, layer, families, verdict and reason",
        ),
        (
            [("families: [valid]", "§families: valid")],
            "known.1.families",
            "expected a list of family names",
            'found "valid"',
        ),
        (
            [("[float32]", "[§float23]")],
            "known.0.dtypes.0",
            "unknown value 'float23'",
            "did you mean 'float32'?",
        ),
        (
            [("[mindspore@cpu]", "[mindspore@cpu, §mindspore@cup]")],
            "known.0.subjects.1",
            "target 'mindspore@cup': unknown device (did you mean 'cpu'?)",
            "",
        ),
        (
            [("[mindspore@cpu]", "[§mindspore]")],
            "known.0.subjects.0",
            "target 'mindspore': expected framework@device[+isa][:mode], as in mindspore@cpu, torch@cpu+native",
            "",
        ),
        ([("[torch@cpu]", "[torch@cpu, §torch@cup]")], "known.0.references.1", DEVICE, ""),
        ([("amx]", "§amxx]")], "known.0.isa.torch.1", "no such instruction set", "did you mean 'amx'?"),
        ([("[avx512]", "[§native]")], "known.0.isa.mindspore.0", "no such instruction set", ISAS),
        ([(", mindspore: [avx512]", ", §mindspoer: [avx512]")], "known.0.isa.mindspoer", "no such framework", NEAR),
        ([("known:\n", "§knwon:\n")], "knwon", "unknown key", "did you mean 'known'?"),
    ],
)
def test_a_bad_file(tmp_path: Path, edits: list[tuple[str, str]], key: str, problem: str, hint: str) -> None:
    path, place = write(tmp_path, *edits)
    with pytest.raises(CaseFileError) as caught:
        load(path, FAMILIES)
    error = caught.value
    assert (error.place, error.key, error.problem, error.hint) == (place, key, problem, hint)
    assert "\n" not in str(error)
    assert str(error).startswith(f"{place}: bad case file at '{key}': {problem}")
