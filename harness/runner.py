"""One trial from start to verdict: settle the tensors, observe both sides, compare, grade."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness import checks
from harness.adjudicate import Adjudicator, NotASum, Question, Setting, appoint, settle, unjudged
from harness.compare import compare
from harness.diagnose import Diagnosis, diagnose
from harness.inputs import fingerprint
from harness.model import Case, Check, Comparison, Lane, Target, Trial, Verdict
from harness.outcome import Open, Outcome, grade
from harness.protocol import Backend, Failure, Observation
from harness.requests import request


def run(trial: Trial, open_backend: Open, lanes: Sequence[Lane] = tuple(Lane)) -> Outcome:
    """Run one trial.

    Args:
        trial: what to run.
        open_backend: gives the backend of a target; called for the two sides and the adjudicators.
        lanes: those to run, of the case's own; a check of something else than the output has none.

    Returns:
        The outcome; an error of a framework is part of it.
    """
    if trial.case.check is not Check.OUTPUT:
        return checks.run(trial, open_backend)
    try:
        return _run(trial, open_backend, lanes)
    except NotASum as error:
        return Outcome(Verdict.WEAK, note=str(error))


def _run(trial: Trial, open_backend: Open, lanes: Sequence[Lane]) -> Outcome:
    reference, subject = open_backend(trial.reference), open_backend(trial.subject)
    reports: list[_LaneReport] = []
    for setting in settings(trial, open_backend, lanes):
        report = _observe(trial, setting, reference, subject)
        reports.append(report)
        if report.failures:
            break
    return _outcome(trial.case, reports or [_rejections(trial, reference, subject)])


def settings(trial: Trial, open_backend: Open, lanes: Sequence[Lane]) -> Iterator[Setting]:
    """What each of these lanes is run and judged with; none for a lane that says nothing here."""
    framework = trial.reference.framework
    appointed = appoint(trial.case, framework, _adjudicators(trial, open_backend))
    for lane in (each for each in trial.case.lanes if each in lanes):
        setting = settle(Question(trial.case, framework, lane, trial.dtype), appointed)
        if setting is not None:
            yield setting


@dataclass(frozen=True)
class _LaneReport:
    """One lane of one trial."""

    setting: Setting
    expected: Observation
    actual: Observation
    comparisons: tuple[Comparison, ...]

    @property
    def failures(self) -> dict[str, Failure]:
        sides = {"reference": self.expected.failure, "subject": self.actual.failure}
        return {side: failure for side, failure in sides.items() if failure is not None}


def _adjudicators(trial: Trial, open_backend: Open) -> Iterator[Adjudicator]:
    yield Adjudicator("numpy", open_backend(Target("numpy", "cpu")), np.int64)
    # Not independent of the reference, and named so; better than no bound at all.
    yield Adjudicator(f"{trial.reference} float64", open_backend(trial.reference), np.float64)


def _observe(trial: Trial, setting: Setting, reference: Backend, subject: Backend) -> _LaneReport:
    expected = reference.observe(request(trial.case, trial.reference.framework, setting.tensors))
    actual = subject.observe(request(trial.case, trial.subject.framework, setting.tensors))
    comparisons: tuple[Comparison, ...] = ()
    if expected.failure is None and actual.failure is None:
        comparisons = _compare_all(trial.case, setting, expected, actual)
    return _LaneReport(setting, expected, actual, comparisons)


def _rejections(trial: Trial, reference: Backend, subject: Backend) -> _LaneReport:
    """Who rejects the calls, where no lane can judge a value: that needs neither truth nor bound."""
    report = _observe(trial, unjudged(trial.case, trial.dtype), reference, subject)
    return replace(report, comparisons=())


def _compare_all(case: Case, setting: Setting, expected: Observation, actual: Observation) -> tuple[Comparison, ...]:
    names = sorted(expected.outputs.keys() | actual.outputs.keys())
    if not case.align:
        # Unlike weights give unlike values: the shape is all there is to compare.
        return tuple(_compare_shapes(name, setting.lane, expected, actual) for name in names)
    nothing = np.empty(0)
    return tuple(
        compare(actual.outputs.get(name, nothing), expected.outputs.get(name, nothing), name, setting.judge(name))
        for name in names
    )


def _compare_shapes(name: str, lane: Lane, expected: Observation, actual: Observation) -> Comparison:
    nothing = np.empty(0)
    left, right = actual.outputs.get(name, nothing).shape, expected.outputs.get(name, nothing).shape
    return Comparison(f"{name}.shape", lane, Verdict.BITWISE if left == right else Verdict.SHAPE, right, left)


def _outcome(case: Case, reports: Sequence[_LaneReport]) -> Outcome:
    failures = {side: failure for report in reports for side, failure in report.failures.items()}
    comparisons = tuple(each for report in reports for each in report.comparisons)
    return Outcome(
        verdict=grade(failures, comparisons),
        comparisons=comparisons,
        diagnosis=_diagnosis(reports),
        failures=failures,
        seconds={
            "reference": sum(report.expected.seconds for report in reports),
            "subject": sum(report.actual.seconds for report in reports),
        },
        fingerprints={
            f"{report.setting.lane}.{name}": fingerprint(array)
            for report in reports
            for name, array in {**report.setting.tensors.inputs, **report.setting.tensors.state}.items()
        },
        adjudicator=next((report.setting.adjudicator for report in reports), None),
        undocumented=_undocumented(case, reports),
    )


def _diagnosis(reports: Sequence[_LaneReport]) -> Diagnosis | None:
    for report in reports:
        for each in report.comparisons:
            actual, expected = (side.outputs.get(each.tensor) for side in (report.actual, report.expected))
            if each.verdict in (Verdict.VALUE, Verdict.SHAPE) and actual is not None and expected is not None:
                return diagnose(actual, expected)
    return None


def _undocumented(case: Case, reports: Sequence[_LaneReport]) -> str:
    failures = {side: failure for report in reports for side, failure in report.failures.items()}
    found = [f"the {side} refuses it {how}" for side, each in failures.items() if (how := _otherwise(case, each))]
    if case.documented_shape is not None:
        for side, seen in (("reference", reports[0].expected), ("subject", reports[0].actual)):
            shape = seen.outputs["output"].shape if "output" in seen.outputs else None
            if shape is not None and shape != case.documented_shape:
                found.append(f"the document prints {case.documented_shape}, the {side} gives {shape}")
    return "; ".join(found)


def _otherwise(case: Case, failure: Failure) -> str:
    """In which way a refusal is not the one that is stated; empty if it is."""
    phases, errors = case.refusal.phases, case.refusal.errors
    if phases and failure.phase not in phases:
        return f"at {failure.phase.value}, stated is {' or '.join(phase.value for phase in phases)}"
    if errors and failure.type not in errors:
        return f"with {failure.type}, stated is {' or '.join(errors)}"
    return ""
