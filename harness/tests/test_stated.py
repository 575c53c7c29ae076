"""What a family states besides an output: what it becomes, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.casefile import load
from harness.errors import CaseFileError
from harness.model import ORDER, OTHERS, PARAMETER, Check, Expectation, Initial, Refusal, Signature
from harness.protocol import Argument, Phase, Step
from harness.tests.test_casefile import FAMILY, HEAD, cases, only_case, read, side
from harness.tests.test_casefile_errors import FRAMEWORKS, edited, error_of, in_family, mistake, written

STATE = HEAD + "state:\n  weight: {shape: [=k, 4], mindspore: {name: kernel, swap: [0, 1]}}\n"


# -- signatures --------------------------------------------------------------------------------------------------------


def test_a_complete_signature_is_swept_over_its_names_and_the_others(tmp_path: Path) -> None:
    lines = (
        "check: signature",
        "side: torch",
        "parameters: [a, {b: 1}, {c: zeros}, {d: [1, 2]}, {e: null}]",
        "lacks: [f]",
    )
    found = cases(tmp_path, *lines)
    assert [case.values[PARAMETER] for case in found] == ["a", "b", "c", "d", "e", "f", ORDER, OTHERS]
    assert [case.id for case in found][1] == "conv2d/one/parameter=b"
    parameters = (
        *(Argument("a"), Argument("b", "1"), Argument("c", '"zeros"')),
        *(Argument("d", "(1, 2)"), Argument("e", "None")),
    )
    assert found[0].stated == Signature("constructor", parameters, True, ("f",))
    assert (found[0].check, found[0].side, found[0].expect) == (Check.SIGNATURE, "torch", Expectation.EQUAL)


def test_some_parameters_say_nothing_of_others(tmp_path: Path) -> None:
    found = cases(tmp_path, "check: signature", "side: mindspore", "of: call", "has: [{a: true}]", "lacks: [b]")
    assert [case.values[PARAMETER] for case in found] == ["a", "b"]
    assert found[0].stated == Signature("call", (Argument("a", "True"),), False, ("b",))
    (lacking,) = cases(tmp_path, "check: signature", "side: mindspore", "lacks: [b]")
    assert lacking.stated == Signature("constructor", (), False, ("b",))


# -- initial values, refusals, states ----------------------------------------------------------------------------------


def test_a_distribution_is_computed_for_each_case(tmp_path: Path) -> None:
    lines = ("check: init", "side: torch", "tensor: weight", "distribution: [uniform, =-1 / k, =sqrt(k)]")
    found = cases(tmp_path, *lines, "sweep: {k: [1, 4]}", head=STATE)
    assert [case.stated for case in found] == [
        Initial("weight", "uniform", (-1.0, 1.0)),
        Initial("weight", "uniform", (-0.25, 2.0)),
    ]


def test_its_kind_may_be_computed_too(tmp_path: Path) -> None:
    lines = ("check: init", "tensor: weight", 'distribution: [\'="normal" if k > 1 else "constant"\', 0, 2]')
    assert only_case(tmp_path, *lines, head=STATE).stated == Initial("weight", "normal", (0.0, 2.0))


def test_without_a_distribution_both_sides_are_compared(tmp_path: Path) -> None:
    found = only_case(tmp_path, "check: init", "tensor: weight", head=STATE)
    assert (found.stated, found.side) == (Initial("weight"), "")


def test_an_output_states_nothing_else(tmp_path: Path) -> None:
    found = only_case(tmp_path)
    assert (found.check, found.side, found.stated, found.refusal) == (Check.OUTPUT, "", None, Refusal())


def test_a_check_needs_no_expectation(tmp_path: Path) -> None:
    text = STATE + "families:\n  one: {because: a reason, check: state}\n"
    (family,) = read(tmp_path, text).families
    assert (family.stated.check, family.expect) == (Check.STATE, Expectation.EQUAL)


def test_a_refusal_has_phases_and_classes(tmp_path: Path) -> None:
    refused = "expect: rejected_by_subject\n    phase: [construct, call]\n    error: [ValueError]\n"
    [one] = read(tmp_path, HEAD + FAMILY.replace("expect: equal\n", refused)).families
    [found] = one.cases()
    assert found.refusal == Refusal((Phase.CONSTRUCT, Phase.CALL), ("ValueError",))


def test_a_family_says_what_is_different_about_a_state(tmp_path: Path) -> None:
    changed = only_case(tmp_path, "state: {weight: {mindspore: {name: w}}}", head=STATE).state[0]
    assert (changed.shape, changed.names, changed.swap) == ((3, 4), {"mindspore": "w"}, {})
    assert only_case(tmp_path, "state: {weight: {shape: [7, 5]}}", head=STATE).state[0].shape == (7, 5)
    assert only_case(tmp_path, "state: {weight: {when: =k > 3}}", head=STATE).state == ()
    assert only_case(tmp_path, head=STATE).state[0].swap == {"mindspore": (0, 1)}


# -- sides -------------------------------------------------------------------------------------------------------------


def test_a_way_to_load_may_be_swept(tmp_path: Path) -> None:
    found = cases(tmp_path, "mindspore: {load: =way}", "sweep: {way: [set_data, constructor]}")
    assert [(case.sides["mindspore"].load, case.sides["torch"].load) for case in found] == [
        ("set_data", ""),
        ("constructor", ""),
    ]


def test_an_argument_may_be_a_step(tmp_path: Path) -> None:
    made = "{call: mindspore.Normal, with: {sigma: =k / 2, of: {call: a.b}}}"
    changed = side(tmp_path, f"mindspore: {{only: [], with: {{weight_init: {made}, list: [1, {made}]}}}}")
    normal = Step("mindspore.Normal", {"sigma": 1.5, "of": Step("a.b")})
    assert changed.steps[0].kwargs == {"weight_init": normal, "list": (1, normal)}
    assert str(normal) == "mindspore.Normal(sigma=1.5, of=a.b())"


# -- errors ------------------------------------------------------------------------------------------------------------


def checked(name: str, key: str, problem: str, hint: str, *lines: str) -> Any:
    """A mistake in a family without an expectation."""
    text = "".join(f"    {line}\n" for line in lines)
    return mistake(name, key, problem, hint, ("    expect: equal\n", text))


ERRORS = [
    mistake(
        "unknown document of an unchecked statement",
        "unchecked.0.document",
        "unknown document 'r2.1'",
        "did you mean 'r2.0'?",
        ("families:\n", "unchecked:\n  - {§document: r2.1, where: Table, says: a, because: b}\nfamilies:\n"),
    ),
    mistake(
        "an unknown state in a family",
        "families.kernels.state.wieght",
        "unknown state 'wieght'",
        "did you mean 'weight'?",
        in_family("state: {§wieght: {shape: [1]}}"),
    ),
    mistake("an unknown check", "families.kernels.check", "", "", in_family("§check: outptu")),
    mistake("an unknown phase", "families.kernels.phase.0", "", "", in_family("phase: [§runtime]")),
    checked(
        "a signature of no side",
        "families.kernels",
        "the key 'side' is missing",
        "a check of signature needs it",
        *("check: signature", "has: [a]"),
    ),
    checked(
        "a signature that states nothing",
        "families.kernels",
        "a check of a signature states nothing",
        "add 'parameters', 'has' or 'lacks'",
        *("check: signature", "side: torch"),
    ),
    checked(
        "initial values of no tensor",
        "families.kernels",
        "the key 'tensor' is missing",
        "a check of init needs it",
        "check: init",
    ),
    checked(
        "an unknown tensor",
        "families.kernels.tensor",
        "no tensor 'wieght'",
        "expected one of weight",
        *("check: init", "§tensor: wieght"),
    ),
    checked(
        "an unknown side",
        "families.kernels.side",
        "no side 'jax'",
        "expected one of mindspore, torch",
        *("check: state", "§side: jax"),
    ),
    checked(
        "an unknown distribution",
        "families.kernels.distribution.0",
        "unknown distribution 'gamma'",
        "expected one of uniform, normal, truncated_normal, constant",
        *("check: init", "tensor: weight", "distribution: [§gamma, 1, 2]"),
    ),
    *(
        checked(
            f"{len(numbers)} numbers for {kind}",
            "families.kernels.distribution",
            f"{kind} takes {needed} numbers",
            f"found {len(numbers)}",
            *("check: init", "tensor: weight", f"§distribution: {[kind, *numbers]}".replace("'", "")),
        )
        for kind, needed, numbers in (
            *(("uniform", 2, (1,)), ("uniform", 2, (1, 2, 3)), ("normal", 2, (0,))),
            *(("truncated_normal", 4, (0, 1)), ("constant", 1, (0, 1))),
        )
    ),
    checked(
        "a distribution without its equals sign",
        "families.kernels.distribution.2",
        "'bound' is no number",
        "an expression starts with '='",
        *("check: init", "tensor: weight", "distribution: [uniform, 0, §bound]"),
    ),
    checked(
        "an unknown name in a distribution",
        "families.kernels.distribution.1",
        "unknown name 'kk' in '-kk'",
        "did you mean 'k'?",
        *("check: init", "tensor: weight", "distribution: [uniform, §=-kk, 1]"),
    ),
    checked(
        "one side and nothing to hold it against",
        "families.kernels",
        "one side is held against nothing",
        "add 'distribution', or leave out 'side'",
        *("check: init", "side: torch", "tensor: weight"),
    ),
    checked(
        "half a round trip",
        "families.kernels.side",
        "'side' means nothing for a check of round_trip",
        "known there: none of this kind",
        *("check: round_trip", "§side: torch"),
    ),
    checked(
        "a computed distribution of the wrong length",
        "families.kernels",
        "uniform takes 2 numbers",
        "found [1]",
        ("check: init"),
        ("tensor: weight"),
        ("values: {kind: uniform}"),
        ("distribution: [=kind, 1]"),
    ),
    checked(
        "a parameter twice",
        "families.kernels.parameters",
        "'a' stands twice in the signature",
        "",
        *("check: signature", "side: torch", "§parameters: [a, b, a]"),
    ),
    checked(
        "some beside all",
        "families.kernels.has",
        "'parameters' names them all",
        "leave out 'has'",
        *("check: signature", "side: torch", "parameters: [a]", "§has: [b]"),
    ),
    checked(
        "a uniform law without a width",
        "families.kernels.distribution",
        "its low end 0 is not below its high end 0 in conv2d/kernels/k=1,p=0",
        "",
        *("check: init", "tensor: weight", "§distribution: [uniform, 0, 0]"),
    ),
    checked(
        "a tensor of a signature",
        "families.kernels.tensor",
        "'tensor' means nothing for a check of signature",
        "known there: has, lacks, of, parameters, side",
        *("check: signature", "side: torch", "parameters: [a]", "§tensor: weight"),
    ),
    checked(
        "a signature that should differ",
        "families.kernels.expect",
        "a check of signature is as stated or not",
        "leave out 'expect'",
        *("check: signature", "side: torch", "parameters: [a]", "§expect: different"),
    ),
]


@pytest.mark.parametrize(("marked", "key", "problem", "hint"), ERRORS)
def test_one_error_with_place_key_problem_and_hint(
    tmp_path: Path, marked: str, key: str, problem: str, hint: str
) -> None:
    path, place = written(tmp_path, marked if "§" in marked else marked.replace("  kernels:", "  §kernels:"))
    error = error_of(path)
    assert (error.place, error.key) == (place, key)
    if problem:
        assert (error.problem, error.hint) == (problem, hint)


def test_a_statement_that_no_trial_can_judge_is_kept(tmp_path: Path) -> None:
    line = "unchecked:\n  - {document: r2.0, where: Table, says: it is fast, because: no trial tells}\nfamilies:\n"
    path = tmp_path / "conv2d.yaml"
    path.write_text(edited(("families:\n", line)), encoding="utf-8")
    (found,) = load(path, FRAMEWORKS).unchecked
    assert (found.document, found.where, found.says, found.because) == ("r2.0", "Table", "it is fast", "no trial tells")


def test_a_way_to_load_is_one_that_the_framework_has(tmp_path: Path) -> None:
    lines = ("mindspore: {load: =way}", "sweep: {way: [set_data, set_dat]}")
    path = tmp_path / "conv2d.yaml"
    path.write_text(HEAD + FAMILY + "".join(f"    {line}\n" for line in lines), encoding="utf-8")
    with pytest.raises(CaseFileError, match=r"mindspore has no way to load 'set_dat' .did you mean 'set_data'"):
        load(path, {"torch": (), "mindspore": ("set_data", "constructor")})


@pytest.mark.parametrize("layout", ["{expand_dims: 9}", "{swap: [0, 5]}", "{swap: [1, 1]}"])
def test_a_layout_moves_axes_that_are_there(tmp_path: Path, layout: str) -> None:
    with pytest.raises(CaseFileError, match=r"families\.one\.state\.weight\.mindspore"):
        only_case(tmp_path, f"state: {{weight: {{mindspore: {layout}}}}}", head=STATE)
