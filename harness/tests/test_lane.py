"""One lane of a trial: derivatives, repetition and modes, against miniatures that are wrong in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.divergence import signature
from harness.model import Comparison, Lane, Parameter, Side, Target, Tier, Tolerance, Trial, Verdict
from harness.outcome import Outcome, grade
from harness.protocol import Argument, Backend, Failure, Observation, Phase, Request, Step
from harness.runner import run
from harness.tests.mini import HONEST, MINI, dense, open_backend, trial
from harness.tests.test_runner import thin
from harness.trial_record import Origin, story, to_record

GRAPH = Target("mini", "cpu", "graph")
GRADIENTS = ("grad.bias", "grad.weight", "grad.x")


def outcome(wanted: Trial, lanes: Sequence[Lane] = tuple(Lane)) -> Outcome:
    return run(wanted, open_backend, lanes)


def of_lane(found: Outcome, lane: Lane = Lane.EXACT) -> dict[str, Verdict]:
    return {each.tensor: each.verdict for each in found.comparisons if each.lane is lane}


def record(wanted: Trial, found: Outcome) -> dict[str, Any]:
    return to_record(wanted, Origin("cases/mini.yaml", Tier.DEFAULT), found)


def wrong_gradient(of: str, how: str, **rest: Any) -> Trial:
    return trial("WrongGradient", extra={"of": of, "how": how, **rest.pop("extra", {})}, **rest)


# -- derivatives -------------------------------------------------------------------------------------------------------

OWN_NAMES = {"0": "grad.x", "weight": "grad.weight", "bias": "grad.bias"}


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize(
    ("of", "how", "verdict"),
    [
        ("weight", "transposed", Verdict.VALUE),
        ("bias", "halved", Verdict.VALUE),
        ("0", "shifted", Verdict.VALUE),
        ("0", "nan", Verdict.VALUE),
        ("bias", "nan", Verdict.VALUE),
        ("weight", "cropped", Verdict.SHAPE),
        ("0", "widened", Verdict.DTYPE),
    ],
)
def test_a_derivative_alone_that_is_wrong_is_caught_in_each_lane(
    of: str, how: str, verdict: Verdict, lane: Lane
) -> None:
    wanted = wrong_gradient(of, how)
    found = outcome(wanted, [lane])
    right = dict.fromkeys(("output", *GRADIENTS), Verdict.BITWISE)
    assert of_lane(found, lane) == {**right, OWN_NAMES[of]: verdict}
    assert (found.verdict, found.failures) == (verdict, {})
    assert found.disagrees == (None if verdict is Verdict.DTYPE else "subject")
    named = signature(record(wanted, found))
    assert (named.verdict, named.tensor) == (verdict, OWN_NAMES[of])


def test_the_diagnosis_is_of_the_derivative_that_differs() -> None:
    found = outcome(wrong_gradient("0", "shifted"))
    assert found.diagnosis is not None
    assert found.diagnosis.kind == "shifted"


def test_derivatives_are_held_against_each_other_in_the_canonical_layout() -> None:
    wanted = replace(trial(), case=dense())
    found = outcome(wanted)
    assert found.verdict in (Verdict.BITWISE, Verdict.WITHIN_BOUND)
    shapes = {each.tensor: (each.expected_shape, each.actual_shape) for each in found.comparisons}
    assert shapes == {
        "output": ((2, 3, 4), (2, 3, 4)),
        "grad.x": ((2, 3, 6), (2, 3, 6)),
        "grad.weight": ((4, 3), (4, 3)),
        "grad.bias": ((4,), (4,)),
    }


@pytest.mark.parametrize(
    ("how", "verdict", "message"),
    [
        ("lacks", Verdict.UNSUPPORTED, "no such derivative on this device"),
        ("fails", Verdict.REJECTED_BY_SUBJECT, "no derivative of that"),
    ],
)
def test_a_layer_that_cannot_be_differentiated_says_so(how: str, verdict: Verdict, message: str) -> None:
    wanted = wrong_gradient("weight", how)
    found = outcome(wanted)
    failure = found.failures["subject"]
    assert (found.verdict, failure.phase, failure.message) == (verdict, Phase.BACKWARD, message)
    assert {each.tensor: each.verdict for each in found.comparisons} == {"output": Verdict.BITWISE}
    assert found.undocumented == ("" if how == "lacks" else "the subject refuses it only when it is differentiated")
    assert message in story({**record(wanted, found), "departure": "", "status": "new"})


@pytest.mark.parametrize("how", ["lacks", "fails"])
def test_outputs_that_differ_say_more_than_a_derivative_that_is_lacking(how: str) -> None:
    found = outcome(wrong_gradient("weight", how, extra={"shift": 1}))
    assert (found.verdict, found.failures["subject"].phase) == (Verdict.VALUE, Phase.BACKWARD)


@pytest.mark.parametrize(
    ("phase", "unsupported", "verdicts", "grade_is"),
    [
        (Phase.BACKWARD, True, [Verdict.BITWISE], Verdict.UNSUPPORTED),
        (Phase.BACKWARD, False, [Verdict.BITWISE, Verdict.WEAK], Verdict.REJECTED_BY_SUBJECT),
        (Phase.BACKWARD, True, [Verdict.VALUE, Verdict.BITWISE], Verdict.VALUE),
        (Phase.BACKWARD, False, [Verdict.VALUE, Verdict.SHAPE], Verdict.SHAPE),
        (Phase.CALL, False, [Verdict.VALUE], Verdict.REJECTED_BY_SUBJECT),
    ],
)
def test_a_failure_to_differentiate_is_graded_after_what_differs(
    phase: Phase, unsupported: bool, verdicts: list[Verdict], grade_is: Verdict
) -> None:
    compared = [Comparison("output", Lane.EXACT, verdict, (), ()) for verdict in verdicts]
    assert grade({"subject": Failure(phase, "E", "", unsupported)}, compared) is grade_is


def test_outputs_of_other_shapes_have_no_derivatives_to_compare() -> None:
    found = outcome(trial("WrongShape"))
    assert {each.tensor: each.verdict for each in found.comparisons} == {"output": Verdict.SHAPE}
    assert found.failures == {}


@pytest.mark.parametrize(
    ("changes", "tensors"), [({"align": False}, {"output.shape"}), ({"derivatives": 0}, {"output"})]
)
def test_without_aligned_weights_or_derivatives_there_are_none(changes: dict[str, Any], tensors: set[str]) -> None:
    found = outcome(trial(**changes))
    assert (found.verdict, {each.tensor for each in found.comparisons}) == (Verdict.BITWISE, tensors)
    assert not [name for name in found.fingerprints if "cotangent" in name]


def test_the_second_derivative_is_that_of_the_weight() -> None:
    found = outcome(trial(derivatives=2))
    assert of_lane(found) == dict.fromkeys(("output", *GRADIENTS, "grad2.weight"), Verdict.BITWISE)
    assert {"exact.tangent x", "rounding.tangent x", "exact.cotangent"} <= found.fingerprints.keys()
    prints = found.fingerprints
    assert len({prints[f"exact.{name}"] for name in ("x", "tangent x")}) == 2


def test_a_derivative_that_no_term_reaches_is_not_compared() -> None:
    found = outcome(trial(inputs={"x": (0, 3, 5, 4)}))
    assert (found.verdict, of_lane(found)) == (Verdict.BITWISE, {"output": Verdict.BITWISE})
    assert of_lane(found, Lane.ROUNDING) == {"output": Verdict.BITWISE}


# -- twice -------------------------------------------------------------------------------------------------------------


class Counting:
    """A backend that counts what it is asked, and what of it is differentiated."""

    def __init__(self, backend: Backend) -> None:
        self.backend, self.requests = backend, list[Request]()

    def provenance(self) -> Mapping[str, Any]:
        return self.backend.provenance()

    def observe(self, request: Request) -> Observation:
        self.requests.append(request)
        return self.backend.observe(request)

    def signature(self, call: str, of: str) -> Sequence[Argument]:
        return self.backend.signature(call, of)


def asked(wanted: Trial) -> dict[Target, int]:
    """How often each of the subject's targets was asked."""
    spies = {target: Counting(open_backend(target)) for target in (MINI, GRAPH)}
    run(wanted, lambda target: spies.get(target) or open_backend(target))
    return {target: len(spy.requests) for target, spy in spies.items()}


def noisy(noise: float, off: float = 0, of: str = "output", **rest: Any) -> Trial:
    return trial("Noisy", extra={"noise": noise, "off": off, "of": of}, **rest)


@pytest.mark.parametrize(("of", "tensor"), [("output", "output"), ("0", "grad.x"), ("weight", "grad.weight")])
def test_who_gives_something_else_at_each_call_proves_no_divergence(of: str, tensor: str) -> None:
    wanted = noisy(1.0, of=of)
    found = outcome(wanted)
    assert (found.verdict, found.steady) == (Verdict.WEAK, {"reference": True, "subject": False})
    assert found.note == f"the same call twice gives another {tensor} (subject): no proof of a divergence"
    assert of_lane(found)[tensor] is Verdict.WEAK
    assert record(wanted, found)["steady"] == {"reference": True, "subject": False}
    assert not record(wanted, found)["as_expected"]


def test_a_reference_that_gives_something_else_is_named() -> None:
    sides = {
        "honest": Side((Step("mini.Noisy", {"ci": 4, "co": 4, "noise": 1.0}),), 0),
        "mini": trial().case.sides["mini"],
    }
    found = run(trial(sides=sides), lambda target: open_backend(MINI if target == HONEST else target))
    assert (found.verdict, found.steady) == (Verdict.WEAK, {"reference": False, "subject": True})
    assert "(reference)" in found.note


def test_a_divergence_in_one_tensor_stands_beside_noise_in_another() -> None:
    found = outcome(noisy(1.0, off=5.0, of="0"))
    assert (found.verdict, found.steady["subject"]) == (Verdict.VALUE, False)
    assert of_lane(found) == {
        **dict.fromkeys(("grad.bias", "grad.weight"), Verdict.BITWISE),
        **{"output": Verdict.VALUE, "grad.x": Verdict.WEAK},
    }


def test_noise_within_the_bound_leaves_a_divergence_what_it_is() -> None:
    found = outcome(noisy(2e-8, off=0.01), [Lane.ROUNDING])
    assert (found.verdict, found.steady, found.note) == (Verdict.VALUE, {"reference": True, "subject": False}, "")
    alone = outcome(replace(noisy(2e-8), again=True), [Lane.ROUNDING])
    assert (alone.verdict, alone.steady["subject"], alone.note) == (Verdict.WITHIN_BOUND, False, "")


def test_a_side_is_steady_if_it_is_so_in_every_lane() -> None:
    found = outcome(replace(noisy(2e-8), again=True))  # which is lost beside any integer but zero
    assert of_lane(found)["output"] is Verdict.BITWISE
    assert found.steady == {"reference": True, "subject": False}


def test_a_steady_divergence_is_asked_twice_and_stays_one() -> None:
    found = outcome(trial("Shifted"))
    assert (found.verdict, found.steady) == (Verdict.VALUE, {"reference": True, "subject": True})


def test_only_what_differs_or_is_to_be_repeated_is_asked_twice() -> None:
    assert asked(trial("Linear"))[MINI] == 2
    assert asked(trial("Shifted"))[MINI] == 4
    assert asked(replace(trial("Linear"), again=True))[MINI] == 4


def test_repeated_trials_say_whether_both_sides_are_steady() -> None:
    assert outcome(trial("Linear")).steady == {}
    assert outcome(replace(trial("Linear"), again=True)).steady == {"reference": True, "subject": True}


# -- modes -------------------------------------------------------------------------------------------------------------


def in_graph(how: str, of: str = "output", **rest: Any) -> Trial:
    return replace(trial("Compiled", extra={"how": how, "of": of}, **rest), subject=GRAPH)


def against_plain(found: Outcome, lane: Lane = Lane.EXACT) -> dict[str, Verdict]:
    return {each.tensor: each.verdict for each in found.comparisons if each.against and each.lane is lane}


@pytest.mark.parametrize(("of", "tensor"), [("output", "output"), ("0", "grad.x"), ("bias", "grad.bias")])
def test_a_mode_that_differs_from_the_plain_one_is_a_value_against_it(of: str, tensor: str) -> None:
    wanted = in_graph("nudged", of)
    found = outcome(wanted, [Lane.ROUNDING])
    [differing] = [each for each in found.comparisons if each.verdict is Verdict.VALUE]
    assert (differing.tensor, differing.against, differing.lane) == (tensor, "mini@cpu", Lane.ROUNDING)
    assert found.verdict is Verdict.VALUE
    assert differing.max_ulp == 1
    assert against_plain(found, Lane.ROUNDING).keys() == {"output", *GRADIENTS}
    named = signature(record(wanted, found))
    assert (named.verdict, named.tensor) == ("value", f"{tensor} against mini@cpu")
    assert found.diagnosis is not None


def test_a_mode_that_differs_from_the_reference_too_is_named_by_the_reference() -> None:
    wanted = in_graph("shifted")
    found = outcome(wanted)
    assert [(each.tensor, each.against) for each in found.comparisons if each.verdict is Verdict.VALUE] == [
        *[("output", ""), ("output", "mini@cpu")] * 2,
    ]
    assert signature(record(wanted, found)).tensor == "output"
    assert ", against mini@cpu" in story({**record(wanted, found), "departure": "", "status": "new"})


def test_the_diagnosis_of_a_mode_is_made_against_the_plain_one() -> None:
    own = {"ci": 4, "co": 4, "how": "shifted"}
    doubled = Side((Step("mini.Compiled", own), Step("mini.Times", {"by": 2.0})), 0)
    wide = {"float32": Tolerance(rtol=0.0, atol=1e6, because="a test")}
    wanted = trial(sides={**trial().case.sides, "mini": doubled}, tolerances=wide, derivatives=0)
    found = outcome(replace(wanted, subject=GRAPH), [Lane.ROUNDING])
    assert [(each.against, each.verdict) for each in found.comparisons] == [
        *[("", Verdict.WEAK), ("mini@cpu", Verdict.VALUE)],
    ]
    assert found.diagnosis is not None
    assert found.diagnosis.kind == "shifted"


def test_a_mode_that_is_as_wrong_as_the_plain_one_agrees_with_it() -> None:
    found = outcome(replace(trial("Shifted"), subject=GRAPH), [Lane.EXACT])
    assert found.verdict is Verdict.VALUE
    assert against_plain(found) == dict.fromkeys(("output", *GRADIENTS), Verdict.BITWISE)


def test_the_plain_mode_is_asked_for_by_another_mode_only() -> None:
    assert asked(trial("Compiled", extra={"how": "shifted"})) == {MINI: 2, GRAPH: 0}
    assert asked(replace(trial("Linear"), subject=GRAPH)) == {MINI: 2, GRAPH: 2}
    assert asked(replace(trial("Linear", align=False), subject=GRAPH)) == {MINI: 0, GRAPH: 2}


def test_what_is_weak_against_the_reference_can_still_differ_from_the_plain_mode() -> None:
    found = outcome(replace(thin("float16", 2047), subject=GRAPH), [Lane.EXACT])
    bias = {each.against: (each.verdict, bool(each.missed)) for each in found.comparisons if each.tensor == "grad.bias"}
    assert bias == {"": (Verdict.WEAK, True), "mini@cpu": (Verdict.BITWISE, False)}


def test_the_parameters_that_a_side_lacks_have_no_derivative() -> None:
    lacking = Parameter("bias", (4,), lacking=frozenset({"mini"}))
    case = dense(bias=True)
    sides = {**case.sides, "mini": Side((Step("mini.Dense", {"inputs": 6, "outputs": 4, "group": 2}),), 0)}
    found = outcome(replace(trial(), case=replace(case, state=(case.state[0], lacking), sides=sides)))
    assert {"grad.weight", "grad.x"} <= of_lane(found).keys()
    assert "grad.bias" not in of_lane(found)
    assert of_lane(found)["output"] is Verdict.VALUE
