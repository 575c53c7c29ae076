"""Whole trials against miniature frameworks, each wrong in one way."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from harness.model import (
    AGREEMENT,
    Comparison,
    Expectation,
    Lane,
    Parameter,
    Refusal,
    Side,
    Target,
    Tier,
    Tolerance,
    Trial,
    Verdict,
)
from harness.outcome import Outcome, grade
from harness.protocol import Argument, Backend, Failure, Observation, Phase, Request, Step
from harness.runner import run
from harness.tests.mini import HONEST, MINI, open_backend, trial
from harness.tolerance import exact_limit
from harness.trial_record import Origin, to_record


def outcome(subject: str, selected: Sequence[Lane] = tuple(Lane), **rest: Any) -> Outcome:
    return run(trial(subject, **rest), open_backend, selected)


def by_lane(found: Outcome) -> dict[str, Verdict]:
    """The worst of each lane."""
    lanes = {each.lane for each in found.comparisons}
    return {str(lane): max(of_lane(found, lane).values(), key=lambda verdict: verdict.rank) for lane in lanes}


def of_lane(found: Outcome, lane: Lane) -> dict[str, Verdict]:
    return {each.tensor: each.verdict for each in found.comparisons if each.lane is lane}


class Spy:
    """A backend that remembers what it was asked."""

    def __init__(self, backend: Backend) -> None:
        self.backend, self.requests = backend, list[Request]()

    def provenance(self) -> Any:
        return self.backend.provenance()

    def observe(self, request: Request) -> Observation:
        self.requests.append(request)
        return self.backend.observe(request)

    def signature(self, call: str, of: str) -> Sequence[Argument]:
        return self.backend.signature(call, of)


def requests_of(wanted: Trial) -> list[Request]:
    spy = Spy(open_backend(wanted.subject))
    run(wanted, lambda target: spy if target == wanted.subject else open_backend(target))
    return spy.requests


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("layer", ["Linear", "Scale"])
def test_a_right_layer_agrees_in_both_lanes(layer: str, dtype: str) -> None:
    found = outcome(layer, reference=layer, dtype=dtype)
    assert (found.verdict, found.disagrees, found.diagnosis, found.undocumented) == (Verdict.BITWISE, None, None, "")
    compared = dict.fromkeys(("output", "grad.bias", "grad.weight", "grad.x"), Verdict.BITWISE)
    for lane in Lane:
        assert list(of_lane(found, lane).items()) == list(compared.items())
    given = ("x", "weight", "bias", "cotangent")
    assert found.fingerprints.keys() == {f"{lane}.{name}" for lane in Lane for name in given}
    assert found.seconds.keys() == {"reference", "subject"}


WRONG = [
    ("NoBias", "Scale", Verdict.VALUE, "bias_missing"),
    ("Transposed", "Linear", Verdict.VALUE, "other"),
    ("Shifted", "Linear", Verdict.VALUE, "shifted"),
    ("Flipped", "Linear", Verdict.VALUE, "flipped"),
    ("NaN", "Linear", Verdict.VALUE, "nonfinite"),
    ("WrongShape", "Linear", Verdict.SHAPE, "cropped"),
    ("WrongDtype", "Linear", Verdict.DTYPE, None),
]


@pytest.mark.parametrize(("subject", "reference", "verdict", "diagnosis"), WRONG)
def test_a_wrong_layer_is_caught_in_the_exact_lane(
    subject: str, reference: str, verdict: Verdict, diagnosis: str | None
) -> None:
    found = outcome(subject, reference=reference)
    assert (found.verdict, by_lane(found)["exact"]) == (verdict, verdict)
    assert (found.diagnosis.kind if found.diagnosis else None) == diagnosis
    assert found.disagrees == (None if verdict is Verdict.DTYPE else "subject")


@pytest.mark.parametrize(("subject", "reference", "verdict", "diagnosis"), WRONG)
def test_a_wrong_layer_is_caught_by_the_rounding_lane_alone(
    subject: str, reference: str, verdict: Verdict, diagnosis: str | None
) -> None:
    found = outcome(subject, [Lane.ROUNDING], reference=reference)
    assert (found.verdict, by_lane(found)) == (verdict, {"rounding": verdict})


def test_a_cast_to_float16_shows_in_the_rounding_lane_only() -> None:
    found = outcome("HalfCast")
    assert by_lane(found) == {"exact": Verdict.BITWISE, "rounding": Verdict.VALUE}
    assert (found.verdict, found.disagrees) == (Verdict.VALUE, "subject")
    assert outcome("HalfCast", [Lane.EXACT]).verdict is Verdict.BITWISE
    assert outcome("HalfCast", dtype="float16").verdict is Verdict.BITWISE


class Telling(Spy):
    """A backend that tells of flags."""

    def __init__(self, backend: Backend, **flags: Any) -> None:
        super().__init__(backend)
        self.flags = flags

    def provenance(self) -> Any:
        return {**super().provenance(), **self.flags}


def told(wanted: Trial, side: Target = MINI, **flags: Any) -> tuple[Outcome, Telling]:
    """The trial, and what was asked of the side that tells of these flags."""
    telling = Telling(open_backend(side), **flags)
    return run(wanted, lambda target: telling if target == side else open_backend(target)), telling


@pytest.mark.parametrize("side", [HONEST, MINI], ids=str)
@pytest.mark.parametrize(
    ("flags", "allowed"),
    [
        ({"tf32": True, "hf32": None}, True),
        ({"tf32": None, "hf32": True}, True),
        ({"tf32": "unknown"}, True),
        ({"tf32": False, "hf32": None}, False),
        ({}, False),
    ],
)
def test_shortened_factors_are_allowed_where_a_side_tells_of_them(
    side: Target, flags: dict[str, Any], allowed: bool
) -> None:
    found, _ = told(trial("ShortFactors"), side, **flags)
    assert by_lane(found)["exact"] is Verdict.BITWISE
    assert by_lane(found)["rounding"] is (Verdict.WITHIN_BOUND if allowed else Verdict.VALUE)
    assert told(trial("NoBias", reference="Scale"), side, **flags)[0].verdict is Verdict.VALUE


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 2**11), ("float64", 2**53), ("bfloat16", 2**8)])
def test_exact_integers_fit_into_shortened_factors(dtype: str, limit: int) -> None:
    for ci in (4, 100):
        wanted = thin(dtype, ci)
        asked = [told(wanted, tf32=short)[1].requests[0] for short in (False, True)]
        assert largest_sum(asked[1]) < limit
        assert (largest_sum(asked[0]) == largest_sum(asked[1])) is (dtype != "float32")


def test_an_output_too_many_is_a_wrong_shape() -> None:
    found = outcome("TwoOutputs")
    assert found.verdict is Verdict.SHAPE
    right = dict.fromkeys(("output", "grad.bias", "grad.weight", "grad.x"), Verdict.BITWISE)
    assert of_lane(found, Lane.EXACT) == {**right, "output_1": Verdict.SHAPE}
    assert outcome("TwoOutputs", align=False).verdict is Verdict.SHAPE


@pytest.mark.parametrize(
    ("phase", "kind"),
    [("construct", "ValueError"), ("load", "StateMismatch"), ("call", "RuntimeError"), ("fetch", "OSError")],
)
def test_a_rejection_has_its_phase_and_type(phase: str, kind: str) -> None:
    found = outcome("Raises", extra={"at": phase})
    assert (found.verdict, len(found.comparisons), list(found.failures)) == (
        Verdict.REJECTED_BY_SUBJECT,
        0,
        ["subject"],
    )
    assert (found.failures["subject"].phase, found.failures["subject"].type) == (Phase(phase), kind)


@pytest.mark.parametrize(
    ("refusal", "found"),
    [
        (Refusal(), ""),
        (Refusal((Phase.CALL,)), ""),
        (Refusal((Phase.LOAD, Phase.CALL), ("RuntimeError",)), ""),
        (Refusal((), ("ValueError", "RuntimeError")), ""),
        (Refusal((Phase.CONSTRUCT, Phase.LOAD)), "at call, stated is construct or load"),
        (Refusal((Phase.CALL,), ("ValueError", "OSError")), "with RuntimeError, stated is ValueError or OSError"),
    ],
)
def test_a_refusal_is_held_against_the_stated_one(refusal: Refusal, found: str) -> None:
    wanted = trial("Raises", extra={"at": "call"}, refusal=refusal, expect=Expectation.REJECTED_BY_SUBJECT)
    seen = run(wanted, open_backend)
    assert (seen.verdict, seen.undocumented) == (
        Verdict.REJECTED_BY_SUBJECT,
        found and f"the subject refuses it {found}",
    )
    assert to_record(wanted, Origin("", Tier.DEFAULT), seen)["as_expected"] is not bool(found)


def test_an_unknown_call_is_lacking_and_no_rejection() -> None:
    found = outcome("Linaer")
    failure = found.failures["subject"]
    assert (found.verdict, failure.phase, failure.type) == (Verdict.UNSUPPORTED, Phase.CONSTRUCT, "Absent")
    assert failure.message == "there is no mini.Linaer: mini has no mini.Linaer"


def test_a_state_that_does_not_fit_the_reference_is_a_mistake_of_the_case_file() -> None:
    found = outcome("Linear", state=(Parameter("weight", (4, 5)), Parameter("bias", (4,))))
    assert found.verdict is Verdict.WEAK
    assert found.failures["reference"].misfit


@pytest.mark.parametrize("expect", [Expectation.REJECTED_BY_SUBJECT, Expectation.REJECTED_BY_BOTH])
def test_a_state_that_does_not_fit_is_no_rejection_by_a_framework(expect: Expectation) -> None:
    larger = Side((Step("mini.Linear", {"ci": 5, "co": 5}),), 0)
    wanted = trial("Linear", expect=expect, sides={**trial("Linear").case.sides, "mini": larger})
    found = run(wanted, open_backend)
    assert found.verdict is Verdict.REJECTED_BY_SUBJECT
    assert not to_record(wanted, Origin("", Tier.DEFAULT), found)["as_expected"]


@pytest.mark.parametrize("lanes", [tuple(Lane), (Lane.EXACT,), (Lane.ROUNDING,)])
def test_who_rejects_is_said_in_every_choice_of_lanes(lanes: tuple[Lane, ...]) -> None:
    assert outcome("Linear", lanes, reference="Picky").verdict is Verdict.REJECTED_BY_REFERENCE
    both = outcome("Raises", lanes, reference="Picky", extra={"at": "call"})
    assert (both.verdict, list(both.failures)) == (Verdict.REJECTED_BY_BOTH, ["reference", "subject"])
    assert outcome("Raises", lanes, extra={"at": "call"}).verdict is Verdict.REJECTED_BY_SUBJECT


def test_a_rejected_trial_is_not_run_in_the_other_lane() -> None:
    assert len(requests_of(trial("Raises", extra={"at": "call"}))) == 1
    assert len(requests_of(trial("Linear"))) == 2


def test_a_backend_without_the_computation_is_unsupported() -> None:
    found = outcome("Unsupported")
    assert (found.verdict, found.failures["subject"].unsupported) == (Verdict.UNSUPPORTED, True)


@pytest.mark.parametrize(("printed", "says"), [((2, 3, 5, 4), ""), ((2, 3, 5, 9), "prints (2, 3, 5, 9)")])
def test_a_printed_shape_is_held_against_both_sides(printed: tuple[int, ...], says: str) -> None:
    found = outcome("Linear", documented_shape=printed)
    assert found.verdict is Verdict.BITWISE
    assert says in found.undocumented
    assert found.undocumented.count("prints") == (2 if says else 0)
    record = to_record(trial("Linear", documented_shape=printed), Origin("cases/mini.yaml", Tier.DEFAULT), found)
    assert record["as_expected"] is not bool(says)


def test_only_the_side_that_departs_from_the_printed_shape_is_named() -> None:
    found = outcome("WrongShape", documented_shape=(2, 3, 5, 4))
    assert found.undocumented == "the document prints (2, 3, 5, 4), the subject gives (2, 3, 5, 3)"


def test_without_aligned_weights_shapes_alone_are_compared() -> None:
    for subject in ("Linear", "Shifted", "NaN", "WrongDtype"):
        found = outcome(subject, align=False)
        assert found.verdict is Verdict.BITWISE
        assert {each.tensor for each in found.comparisons} == {"output.shape"}
    assert outcome("WrongShape", align=False).verdict is Verdict.SHAPE
    assert requests_of(trial("Linear", align=False))[0].state is None


def test_a_comparison_that_could_not_fail_is_weak() -> None:
    found = outcome("Linear", ci=1, inputs={"x": (1, 1, 1, 1)}, lanes=(Lane.ROUNDING,))
    assert found.verdict is Verdict.BITWISE
    wide = {"float32": Tolerance(rtol=0.0, atol=1e6, because="a test")}
    weak = outcome("Linear", tolerances=wide)
    assert (weak.verdict, by_lane(weak)["exact"]) == (Verdict.WEAK, Verdict.BITWISE)
    assert set(of_lane(weak, Lane.ROUNDING).values()) == {Verdict.WEAK}
    missed = {each.tensor: set(each.missed) for each in weak.comparisons if each.lane is Lane.ROUNDING}
    assert {"shift-3", "bias-dropped", "halves-swapped"} <= missed["output"]
    assert {"shift-0", "flip-1", "halves-swapped"} <= missed["grad.weight"]


def test_a_table_of_tolerances_replaces_the_bound_of_its_dtype_only() -> None:
    loose = {"float32": Tolerance(rtol=0.0, atol=0.01, because="a test")}
    assert outcome("HalfCast", [Lane.ROUNDING], tolerances=loose).verdict is Verdict.WITHIN_BOUND
    assert outcome("HalfCast", [Lane.ROUNDING], tolerances=loose, dtype="float64").verdict is Verdict.VALUE


def test_a_case_without_any_lane_proves_nothing() -> None:
    assert outcome("Linear", []).verdict is Verdict.WEAK
    assert outcome("Shifted", [Lane.ROUNDING], lanes=(Lane.EXACT,)).verdict is Verdict.WEAK


def thin(dtype: str, ci: int) -> Trial:
    """A trial that sums ci products and a bias into each of a few elements."""
    return trial(
        dtype=dtype,
        inputs={"x": (1, 1, 3, ci)},
        state=(Parameter("weight", (2, ci)), Parameter("bias", (2,))),
        sides={name: Side((Step(f"{name}.Linear", {"ci": ci, "co": 2}),), 0) for name in ("honest", "mini")},
    )


def exact_request(wanted: Trial) -> Request | None:
    return next(
        (each for each in requests_of(wanted) if np.array_equal(each.inputs[0], np.round(each.inputs[0]))), None
    )


def largest_sum(request: Request) -> float:
    """Of magnitudes, over the output and its derivatives."""
    assert request.state
    assert request.cotangent is not None
    x, weight, bias = (np.abs(each.astype(float)) for each in (request.inputs[0], *request.state.values()))
    cotangent = np.abs(request.cotangent.astype(float))
    by_weight = cotangent.reshape(-1, weight.shape[0]).T @ x.reshape(-1, x.shape[-1])
    sums = (x @ weight.T + bias, cotangent @ weight, by_weight, cotangent.reshape(-1, weight.shape[0]).sum(0))
    return float(max(each.max() for each in sums))


def test_exact_integers_shrink_with_the_dtype_and_the_accumulation() -> None:
    asked = [("float32", 4), ("float32", 3000), ("float16", 4), ("float16", 30), ("float16", 300), ("float16", 2040)]
    found = [exact_request(thin(dtype, ci)) for dtype, ci in asked]
    largest = [float(np.abs(each.inputs[0]).max()) if each else 0.0 for each in found]
    assert largest[0] > largest[2] > largest[4] > 1
    assert largest[1] >= largest[3]
    assert largest[-1] == 1
    for (dtype, _), each in zip(asked, found, strict=True):
        assert each
        assert largest_sum(each) < exact_limit(dtype)


def test_where_ones_would_overflow_inputs_are_thinned() -> None:
    dense, thinned = exact_request(thin("float16", 2040)), exact_request(thin("float16", 2047))
    assert dense
    assert thinned
    assert largest_sum(thinned) < exact_limit("float16")
    shares = [np.count_nonzero(each.inputs[0]) / each.inputs[0].size for each in (dense, thinned)]
    assert shares[0] > 0.9
    assert 0.1 < shares[1] < 0.4
    exact = of_lane(run(thin("float16", 2047), open_backend), Lane.EXACT)
    assert {exact[name] for name in ("output", "grad.weight", "grad.x")} == {Verdict.BITWISE}


def test_no_exact_lane_where_no_integers_are_small_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tolerance.exact_limit", lambda dtype, short: 1)
    wanted = thin("float16", 4)
    assert exact_request(wanted) is None
    assert {str(each.lane) for each in run(wanted, open_backend).comparisons} == {"rounding"}


def test_exact_sums_stay_exact_in_float16() -> None:
    for ci in (4, 100):
        found = outcome("Linear", [Lane.EXACT], dtype="float16", ci=ci)
        assert (found.verdict, found.comparisons[0].max_abs) == (Verdict.BITWISE, 0.0)


def test_both_sides_get_the_same_tensors_and_no_constant_ones() -> None:
    spies = {target: Spy(open_backend(target)) for target in (HONEST, MINI)}
    run(trial("Linear"), lambda target: spies.get(target) or open_backend(target))
    mini = spies[MINI].requests
    # Before each lane the reference is asked for the bound and the truth.
    honest = [each for each in spies[HONEST].requests if each.inputs[0].dtype == np.float32]
    for left, right in itertools.zip_longest(mini, honest):
        assert np.array_equal(left.inputs[0], right.inputs[0])
        assert left.state and right.state
        assert all(np.array_equal(left.state[name], right.state[name]) for name in ("weight", "bias"))
        assert len(np.unique(left.inputs[0])) > 5


class Stub:
    """A backend that gives its input, and something added."""

    def __init__(self, added: float) -> None:
        self.added = added

    def provenance(self) -> Any:
        return {}

    def observe(self, request: Request) -> Observation:
        return Observation({"output": request.inputs[0] + np.float32(self.added)}, None, 0.0)

    def signature(self, call: str, of: str) -> Sequence[Argument]:
        raise LookupError(call)


@pytest.mark.parametrize(
    ("reference", "subject", "off"), [(0, 0, None), (1, 0, "reference"), (0, 1, "subject"), (1, 1, "both")]
)
def test_the_independent_adjudicator_says_who_is_off(reference: float, subject: float, off: str | None) -> None:
    sides = {"honest": Side((Step("torch.nn.Identity"),), 0), "mini": Side((Step("mini.Anything"),), 0)}
    stubs = {HONEST: Stub(reference), MINI: Stub(subject)}
    found = run(trial(sides=sides, state=()), lambda target: stubs.get(target) or open_backend(target))
    assert (found.adjudicator, found.disagrees) == ("numpy", off)
    assert found.verdict is (Verdict.VALUE if off else Verdict.BITWISE)


def test_the_reference_in_float64_adjudicates_what_numpy_does_not_know() -> None:
    assert outcome("Linear").adjudicator == "honest@cpu float64"
    assert outcome("Linear", reference="Picky").adjudicator is None


@pytest.mark.parametrize("subject", ["Linear", "Shifted", "HalfCast", "WrongShape", "NaN", "Unsupported"])
def test_two_runs_give_the_same_record_but_for_the_seconds(subject: str) -> None:
    def record() -> dict[str, Any]:
        made = to_record(trial(subject), Origin("cases/mini.yaml", Tier.DEFAULT), outcome(subject))
        return {**made, "seconds": None}

    assert repr(record()) == repr(record())


def test_fingerprints_differ_between_cases_and_lanes() -> None:
    prints = [outcome("Linear", id=id).fingerprints for id in ("a/b/c=1", "a/b/c=2")]
    assert not set(prints[0].values()) & set(prints[1].values())
    assert prints[0]["exact.x"] != prints[0]["rounding.x"]


def failure(unsupported: bool = False) -> Failure:
    return Failure(Phase.CALL, "ValueError", "", unsupported)


def graded(*verdicts: Verdict) -> Verdict:
    return grade({}, [Comparison("output", Lane.EXACT, verdict, (), ()) for verdict in verdicts])


@pytest.mark.parametrize(
    ("failures", "verdict"),
    [
        ({"subject": failure()}, Verdict.REJECTED_BY_SUBJECT),
        ({"reference": failure()}, Verdict.REJECTED_BY_REFERENCE),
        ({"reference": failure(), "subject": failure()}, Verdict.REJECTED_BY_BOTH),
        ({"subject": failure(True)}, Verdict.UNSUPPORTED),
        ({"reference": failure(), "subject": failure(True)}, Verdict.UNSUPPORTED),
    ],
)
def test_failures_are_graded_before_comparisons(failures: dict[str, Failure], verdict: Verdict) -> None:
    assert grade(failures, []) is verdict
    assert grade(failures, [Comparison("output", Lane.EXACT, Verdict.VALUE, (), ())]) is verdict


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        ((Verdict.BITWISE, Verdict.BITWISE), Verdict.BITWISE),
        ((Verdict.BITWISE, Verdict.WITHIN_BOUND), Verdict.WITHIN_BOUND),
        ((Verdict.BITWISE, Verdict.WEAK), Verdict.WEAK),
        ((Verdict.WEAK, Verdict.VALUE), Verdict.VALUE),
        ((Verdict.SHAPE, Verdict.VALUE, Verdict.WITHIN_BOUND), Verdict.SHAPE),
        ((Verdict.DTYPE, Verdict.VALUE), Verdict.DTYPE),
        ((), Verdict.WEAK),
    ],
)
def test_the_worst_comparison_is_the_trials_grade(verdicts: tuple[Verdict, ...], worst: Verdict) -> None:
    assert graded(*verdicts) is worst
    assert graded(*reversed(verdicts)) is worst


def test_which_side_disagrees_is_summed_up_over_all_comparisons() -> None:
    def seen(*sides: str | None) -> str | None:
        found = [Comparison("output", Lane.EXACT, Verdict.VALUE, (), (), disagrees=side) for side in sides]
        return Outcome(Verdict.VALUE, tuple(found)).disagrees

    assert [seen(), seen(None), seen("subject", None), seen("subject", "reference"), seen("both")] == [
        None,
        None,
        "subject",
        "both",
        "both",
    ]


@pytest.mark.parametrize(("dtype", "lanes"), [("float16", {Lane.EXACT}), ("float32", set(Lane))])
def test_sums_too_long_for_16_bits_are_left_to_the_exact_lane(dtype: str, lanes: set[Lane]) -> None:
    found = outcome("Linear", dtype=dtype, ci=1025, derivatives=0)
    assert found.verdict in AGREEMENT
    assert {each.lane for each in found.comparisons} == lanes


@pytest.mark.parametrize(("ci", "lanes"), [(1025, {Lane.EXACT}), (100, set(Lane))])
def test_sums_too_long_for_shortened_factors_are_too(ci: int, lanes: set[Lane]) -> None:
    found, _ = told(trial("Linear", ci=ci, derivatives=0), tf32=True)
    assert found.verdict in AGREEMENT
    assert {each.lane for each in found.comparisons} == lanes
