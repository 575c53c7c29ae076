"""Signature, state, round trip and initial values, against miniature layers that are wrong in one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness import checks, distribution
from harness.backends import targets
from harness.checks import round_trip, signature
from harness.model import OTHERS, PARAMETER, Check, Initial, Lane, Parameter, Side, Signature, Tier, Trial, Verdict
from harness.outcome import Outcome
from harness.porting import code
from harness.protocol import Argument, Phase, Step
from harness.requests import Tensors, from_side, request, to_side
from harness.runner import run
from harness.tests.mini import HONEST, MINI, dense, open_backend
from harness.tests.test_runner import Spy
from harness.trial_record import Origin, story, to_record


def trial(check: Check, **rest: Any) -> Trial:
    return Trial(dense(check=check, **rest), "float32", HONEST, MINI)


def outcome(check: Check, **rest: Any) -> Outcome:
    return run(trial(check, **rest), open_backend)


# -- signature ---------------------------------------------------------------------------------------------------------

A, B, C = Argument("a"), Argument("b", "1"), Argument("c", '"x"')


def documented(*parameters: Argument, complete: bool = True, lacks: tuple[str, ...] = ()) -> Signature:
    return Signature("constructor", parameters, complete, lacks)


@pytest.mark.parametrize(
    ("stated", "name", "installed", "found"),
    [
        (documented(A, B), "b", (A, B), ""),
        (documented(A, B), "b", (A, C), "the installed call has no b"),
        (documented(A, B), "b", (A, Argument("b", "2")), "documented is b=1, installed is b=2"),
        (documented(A, B), "b", (A, Argument("b", "1.0")), "documented is b=1, installed is b=1.0"),
        (documented(A, B), "b", (A, Argument("b")), "documented is b=1, installed is no default of b"),
        (documented(A, B), "a", (Argument("a", "None"), B), "documented is no default of a, installed is a=None"),
        (documented(A, B, C), "order", (A, B, C), ""),
        (documented(A, B, C), "order", (A, C, B), "from place 2 on: documented is b, installed is c"),
        (documented(A, B, C), "order", (A, B), "from place 3 on: documented is c, installed is none"),
        (documented(A, B), "order", (A, B, C), ""),
        (documented(A, B, C), "c", (A, C, B), ""),
        (documented(A, B, C), "a", (A, C, B), ""),
        (documented(B, complete=False), "b", (A, C, B), ""),
        (documented(A, C), "c", (A, Argument("device", "None"), C), ""),
        (documented(A, Argument("dtype", "None"), C), "c", (A, Argument("dtype", "None"), C), ""),
        (documented(A, Argument("dtype", "None"), C), "dtype", (A, Argument("dtype", "None"), C), ""),
        (documented(A), OTHERS, (A,), ""),
        (documented(A), OTHERS, (A, Argument("dtype", "None")), ""),
        (documented(A), OTHERS, (A, B, C), "the installed call also takes b, c"),
        (documented(A, B), OTHERS, (A,), ""),
        (documented(lacks=("b",), complete=False), "b", (A,), ""),
        (documented(lacks=("b",), complete=False), "b", (A, B), "the installed call has b=1"),
    ],
)
def test_a_parameter_is_held_against_the_installed_ones(
    stated: Signature, name: str, installed: tuple[Argument, ...], found: str
) -> None:
    assert signature.departure(stated, name, installed) == found


DENSE = (
    *(Argument("inputs"), Argument("outputs"), Argument("group", "1"), Argument("has_bias", "False")),
    *(Argument("kernel_init", "None"), Argument("bias_init", "None")),
)


def of_signature(name: str, stated: Signature, side: str = "mini") -> Outcome:
    return outcome(Check.SIGNATURE, values={PARAMETER: name}, stated=stated, side=side)


@pytest.mark.parametrize("name", [*(each.name for each in DENSE), OTHERS])
def test_an_installed_signature_is_as_documented(name: str) -> None:
    found = of_signature(name, documented(*DENSE))
    assert (found.verdict, found.undocumented, found.failures) == (Verdict.BITWISE, "", {})
    assert found.note == ("installed: (inputs, outputs, group=1, has_bias=False, kernel_init=None, bias_init=None)")


def test_each_side_has_its_own_signature() -> None:
    found = of_signature("bias", documented(Argument("bias", "True"), complete=False), "honest")
    assert (found.verdict, found.undocumented) == (Verdict.BITWISE, "")
    found = of_signature("bias", documented(Argument("bias", "False"), complete=False), "honest")
    assert (found.verdict, found.undocumented) == (Verdict.VALUE, "documented is bias=False, installed is bias=True")
    assert of_signature("bias", documented(Argument("bias", "True"), complete=False)).verdict is Verdict.VALUE


def test_the_call_of_a_built_layer_has_a_signature_too() -> None:
    stated = Signature("call", (Argument("x"),), True, ())
    assert of_signature("x", stated).verdict is Verdict.BITWISE
    assert of_signature("group", replace(stated, parameters=(Argument("group", "1"),))).verdict is Verdict.VALUE


@pytest.mark.parametrize("call", ["mini.Dnse", "mini.lots"])
def test_a_call_that_is_not_there_is_lacking(call: str) -> None:
    sides = {**dense().sides, "mini": Side((Step(call),), 0)}
    found = outcome(Check.SIGNATURE, values={PARAMETER: "a"}, stated=documented(A), side="mini", sides=sides)
    assert (found.verdict, found.failures["subject"].phase) == (Verdict.UNSUPPORTED, Phase.CONSTRUCT)
    assert call in found.failures["subject"].message


# -- state -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
def test_the_stated_state_is_found_on_both_sides(bias: bool) -> None:
    assert outcome(Check.STATE, bias=bias) == Outcome(Verdict.BITWISE)


def weight(**changes: Any) -> Parameter:
    return replace(dense().state[0], **changes)


BIAS = Parameter("bias", (4,))


@pytest.mark.parametrize(
    ("state", "verdict", "found"),
    [
        (
            (weight(swap={}), BIAS),
            Verdict.SHAPE,
            "mini has bias (4,), kernel (3, 4); stated is bias (4,), kernel (4, 3)",
        ),
        (
            (weight(names={}), BIAS),
            Verdict.VALUE,
            "mini has bias (4,), kernel (3, 4); stated is bias (4,), weight (3, 4)",
        ),
        (
            (weight(), replace(BIAS, lacking=frozenset({"honest"}))),
            Verdict.VALUE,
            "honest has bias (4,), weight (4, 3); stated is weight (4, 3)",
        ),
        (
            (weight(expand_dims={"mini": 2}), BIAS),
            Verdict.SHAPE,
            "mini has bias (4,), kernel (3, 4); stated is bias (4,), kernel (3, 4, 1)",
        ),
    ],
)
def test_another_state_is_a_departure(state: tuple[Parameter, ...], verdict: Verdict, found: str) -> None:
    seen = outcome(Check.STATE, state=state)
    assert (seen.verdict, seen.undocumented) == (verdict, found)


def test_a_wrong_name_on_one_side_outweighs_a_wrong_shape_on_the_other() -> None:
    for state in (
        (weight(shape=(4, 5), names={}), BIAS),
        (weight(shape=(4, 5), names={"honest": "kernel", "mini": "kernel"}), BIAS),
    ):
        assert outcome(Check.STATE, state=state).verdict is Verdict.VALUE


def test_one_side_alone_is_asked_if_it_is_named() -> None:
    wrong = (weight(swap={}), BIAS)
    assert outcome(Check.STATE, state=wrong, side="honest").verdict is Verdict.BITWISE
    assert outcome(Check.STATE, state=wrong, side="mini").verdict is Verdict.SHAPE


@pytest.mark.parametrize("check", [Check.STATE, Check.ROUND_TRIP, Check.INIT])
def test_a_side_that_refuses_to_be_built_is_the_outcome(check: Check) -> None:
    size: dict[str, Any] = {"ci": 128, "co": 1024, "groups": 1}
    sides = {**dense(**size).sides, "mini": Side((Step("mini.Dense", {"inputs": 0, "outputs": 1}),), 0)}
    found = outcome(check, sides=sides, stated=Initial("weight"), **size)
    assert (found.verdict, list(found.failures)) == (Verdict.REJECTED_BY_SUBJECT, ["subject"])
    sides = {**dense().sides, "honest": Side((Step("honest.Picky"),), 0)}
    assert outcome(check, sides=sides, stated=Initial("weight")).verdict is Verdict.REJECTED_BY_REFERENCE


# -- round trip --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("way", ["", "strict", "lenient", "constructor"])
def test_a_state_survives_a_right_loader(way: str, bias: bool) -> None:
    assert outcome(Check.ROUND_TRIP, mini_load=way, bias=bias) == Outcome(Verdict.BITWISE)


@pytest.mark.parametrize("way", ["lossy", "idle"])
def test_a_state_does_not_survive_a_wrong_loader(way: str) -> None:
    seen = outcome(Check.ROUND_TRIP, mini_load=way)
    assert (seen.verdict, seen.undocumented) == (Verdict.VALUE, "weight, bias changed on the way to mini")


def test_a_loader_that_checks_refuses_another_layout_and_a_lenient_one_takes_it() -> None:
    state = (weight(swap={}), BIAS)
    found = outcome(Check.ROUND_TRIP, mini_load="strict", state=state)
    assert (found.verdict, found.failures["subject"].phase) == (Verdict.REJECTED_BY_SUBJECT, Phase.LOAD)
    assert not found.failures["subject"].misfit
    assert outcome(Check.ROUND_TRIP, state=state).failures["subject"].misfit
    assert outcome(Check.ROUND_TRIP, mini_load="lenient", state=state).verdict is Verdict.BITWISE


def test_the_way_back_is_checked_as_well() -> None:
    found = outcome(Check.ROUND_TRIP, mini_load="strict", honest_load="constructor")
    assert (found.verdict, found.failures["reference"].type) == (Verdict.UNSUPPORTED, "Absent")


def test_an_unknown_way_is_lacking() -> None:
    found = outcome(Check.ROUND_TRIP, mini_load="by_magic")
    assert found.verdict is Verdict.UNSUPPORTED
    assert found.failures["subject"].message == "no way to load a state by 'by_magic'"


def test_what_one_side_lacks_does_not_travel() -> None:
    lacking = replace(BIAS, lacking=frozenset({"mini"}))
    sides = {**dense().sides, "mini": dense(bias=False).sides["mini"]}
    assert outcome(Check.ROUND_TRIP, state=(weight(), lacking), sides=sides).verdict is Verdict.BITWISE
    case = dense(state=(weight(), lacking))
    for giver, taker, name in (("honest", "mini", "kernel"), ("mini", "honest", "weight")):
        (line,) = code.carry(case, giver, taker, targets.dialect)
        assert line.startswith(f'layer.state["{name}"] = numpy.swapaxes(source.state[')


@pytest.mark.parametrize("changed", [(np.int32, (2, 3)), (np.float32, (3, 2))], ids=str)
def test_the_same_bytes_in_another_dtype_or_shape_are_a_change(changed: tuple[Any, tuple[int, ...]]) -> None:
    array = np.ones((2, 3), np.float32)
    assert round_trip._changed({"w": array}, {"w": array.copy()}, "mini") == ""
    again = array.view(changed[0]).reshape(changed[1])
    assert round_trip._changed({"w": array}, {"w": again}, "mini") == "w changed on the way to mini"


def test_what_is_carried_is_drawn_and_no_fresh_state() -> None:
    spies = {target: Spy(open_backend(target)) for target in (HONEST, MINI)}
    run(trial(Check.ROUND_TRIP), spies.__getitem__)
    assert [len(spies[target].requests) for target in (HONEST, MINI)] == [2, 1]
    assert {each.want for spy in spies.values() for each in spy.requests} == {"state"}
    first = spies[HONEST].requests[0].state
    assert first is not None
    for name, array in first.items():
        assert len(set(array.ravel().tolist())) == array.size, name


def test_a_state_map_that_is_wrong_is_told() -> None:
    state = (weight(names={"honest": "weight", "mini": "nowhere"}), BIAS)
    found = outcome(Check.ROUND_TRIP, state=state)
    assert found.verdict is not Verdict.BITWISE


# -- initial values ----------------------------------------------------------------------------------------------------

BOUND = 32**-0.5
UNIFORM = Initial("weight", "uniform", (-BOUND, BOUND))
WIDE = {"ci": 64, "co": 1024, "groups": 2}  # 32,768 weights a layer, so that two seeds are enough


def initial(subject: str, stated: Initial, side: str = "", **rest: Any) -> Outcome:
    return outcome(Check.INIT, subject=subject, stated=stated, side=side, **{**WIDE, **rest})


@pytest.mark.parametrize("side", ["", "honest", "mini"])
def test_initial_values_are_distributed_as_stated(side: str) -> None:
    found = initial("Dense", UNIFORM, side)
    assert (found.verdict, found.undocumented, found.comparisons[0].missed) == (Verdict.WITHIN_BOUND, "", ())
    assert 0 < (found.comparisons[0].bound_ratio or 0) < 1
    assert (found.comparisons[0].size, found.comparisons[0].tensor) == (2**16, "weight")
    assert found.comparisons[0].lane is Lane.ROUNDING
    assert found.note.count("65536 values") == (1 if side else 2)


def test_a_bias_takes_as_many_seeds_as_it_needs() -> None:
    spy = Spy(open_backend(MINI))
    wanted = trial(Check.INIT, stated=replace(UNIFORM, tensor="bias"), side="mini", **{**WIDE, "co": 6000})
    assert run(wanted, lambda target: spy).verdict is Verdict.WITHIN_BOUND
    seeds = [each.seed for each in spy.requests]
    assert len(set(seeds)) == len(seeds) == 11
    run(wanted, lambda target: spy)
    assert [each.seed for each in spy.requests[11:]] == seeds


def test_each_side_has_seeds_of_its_own() -> None:
    spies = {target: Spy(open_backend(target)) for target in (HONEST, MINI)}
    run(trial(Check.INIT, stated=Initial("weight"), **WIDE), spies.__getitem__)
    honest, mini = ({each.seed for each in spies[target].requests} for target in (HONEST, MINI))
    assert honest and mini
    assert not honest & mini


@pytest.mark.parametrize("side", ["", "mini"])
@pytest.mark.parametrize("subject", ["MoreSpread", "OtherFamily", "WrongFan"])
def test_another_distribution_is_a_departure(subject: str, side: str) -> None:
    found = initial(subject, UNIFORM, side)
    assert found.verdict is Verdict.VALUE
    assert found.undocumented
    assert (found.comparisons[0].bound_ratio or 0) > 1


@pytest.mark.parametrize(
    ("subject", "verdict"),
    [("Dense", Verdict.WITHIN_BOUND), ("MoreSpread", Verdict.VALUE), ("OtherFamily", Verdict.VALUE)],
)
def test_both_sides_are_held_against_each_other(subject: str, verdict: Verdict) -> None:
    found = initial(subject, Initial("weight"))
    assert (found.verdict, found.undocumented) == (verdict, "")
    assert ("apart" in found.note) == (verdict is Verdict.VALUE)
    assert "honest: 65536 values" in found.note
    assert "mini: 65536 values" in found.note


def test_a_layer_that_heeds_no_seed_is_found_out() -> None:
    assert initial("SameSeed", UNIFORM, "mini", co=64).verdict is Verdict.VALUE


def test_a_parameter_that_is_not_there_is_a_departure() -> None:
    lacking = replace(BIAS, shape=(1024,), lacking=frozenset({"mini"}))
    found = initial("Dense", replace(UNIFORM, tensor="bias"), state=(weight(), lacking))
    assert (found.verdict, found.undocumented) == (Verdict.VALUE, "mini has no bias here")
    nameless = replace(BIAS, shape=(1024,), names={"mini": "beta"})
    found = initial("Dense", replace(UNIFORM, tensor="bias"), state=(weight(), nameless))
    assert found.undocumented == "mini has no bias here"
    assert (
        initial("Dense", replace(UNIFORM, tensor="bias"), bias=False).undocumented == "honest and mini has no bias here"
    )


def test_too_few_values_are_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "SAMPLE", 256)
    found = initial("Dense", UNIFORM, "mini", ci=32, co=8, groups=1)
    assert found.verdict is Verdict.WEAK
    assert found.comparisons[0].missed == ("spread", "family")
    record = to_record(trial(Check.INIT, stated=UNIFORM), Origin("cases/mini.yaml", Tier.DEFAULT), found)
    assert not record["as_expected"]
    assert "would not have caught: family, spread" in story({**record, "departure": "", "status": "new"})


# -- all of them -------------------------------------------------------------------------------------------------------


def test_every_check_but_that_of_the_output_is_run_here() -> None:
    assert set(checks._RUN) == set(Check) - {Check.OUTPUT}


@pytest.mark.parametrize("check", [Check.STATE, Check.ROUND_TRIP])
def test_a_check_is_run_again_by_its_file(check: Check) -> None:
    wanted = trial(check)
    record = to_record(wanted, Origin("cases/mini.yaml", Tier.DEFAULT), run(wanted, open_backend))
    assert (record["check"], record["as_expected"]) == (str(check), True)
    assert record["reproducer"] == "python -m pytest cases/mini.yaml::Linear::ci=6,float32,mini@cpu"


@pytest.mark.parametrize(("load", "word"), [("", "compare"), ("strict", "pytest")])
def test_a_trial_that_loads_in_a_way_of_its_own_needs_its_file(load: str, word: str) -> None:
    wanted = trial(Check.OUTPUT, mini_load=load)
    found = run(wanted, open_backend)
    record = to_record(wanted, Origin("cases/mini.yaml", Tier.DEFAULT), found)
    assert (record["verdict"], record["check"]) == ("bitwise", "output")
    assert word in record["reproducer"].split()[2:4]


@pytest.mark.parametrize("side", ["reference", "subject"])
def test_a_trial_on_another_device_is_run_again_there(side: str) -> None:
    wanted = trial(Check.OUTPUT)
    found = run(wanted, open_backend)
    there = replace(wanted, **{side: replace(getattr(wanted, side), device="gpu")})
    words = to_record(there, Origin("cases/mini.yaml", Tier.DEFAULT), found)["reproducer"]
    assert words.startswith("python -m pytest cases/mini.yaml::")
    assert words.endswith(f" --reference {there.reference} --subject {there.subject}")


def test_outputs_agree_after_any_right_way_to_load_and_differ_after_a_wrong_one() -> None:
    for way in ("strict", "lenient", "constructor"):
        assert outcome(Check.OUTPUT, mini_load=way).verdict in (Verdict.BITWISE, Verdict.WITHIN_BOUND)
    assert outcome(Check.OUTPUT, mini_load="idle").verdict is Verdict.VALUE


def test_without_aligned_weights_nothing_is_loaded() -> None:
    tensors = Tensors({"x": np.zeros((2, 3, 6))}, {"weight": np.zeros((4, 3)), "bias": np.zeros(4)})
    case = dense(mini_load="strict")
    assert request(case, "mini", tensors).load == "strict"
    assert request(case, "honest", tensors).load == ""
    unaligned = request(replace(case, align=False), "mini", tensors)
    assert (unaligned.load, unaligned.state) == ("", None)


def test_a_swapped_axis_is_swapped_back() -> None:
    drawn = np.random.default_rng(0).normal(size=(4, 3))
    parameter = weight(expand_dims={"mini": 1})
    there = to_side(parameter, "mini", drawn)
    assert there.shape == (3, 1, 4)
    assert there.flags.c_contiguous
    assert np.array_equal(from_side(parameter, "mini", there), drawn)
    assert np.array_equal(there[:, 0, :], drawn.T)
