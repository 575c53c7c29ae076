"""One trial from start to verdict: settle the tensors, observe both sides, compare, grade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness import checks, tolerance
from harness.adjudicate import Adjudicator, Appointment, NotASum, Question, Setting, appoint, settle, unjudged
from harness.backends import targets
from harness.compare import Judge
from harness.diagnosis import Diagnosis, Evidence, diagnose
from harness.inputs import fingerprint
from harness.lane import LaneReport, observe
from harness.model import Case, Check, Comparison, Lane, Target, Trial, Verdict
from harness.outcome import Open, Outcome, grade
from harness.protocol import Failure, Phase


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
    reports: list[LaneReport] = []
    for setting in settings(trial, open_backend, lanes):
        report = observe(trial, setting, open_backend)
        reports.append(report)
        # A side that only fails to differentiate has an output to compare in the other lane.
        if any(failure.phase is not Phase.BACKWARD for failure in report.failures.values()):
            break
    return _outcome(trial, reports or [_rejections(trial, open_backend)])


def settings(trial: Trial, open_backend: Open, lanes: Sequence[Lane]) -> Iterator[Setting]:
    """What each of these lanes is run and judged with; none for a lane that says nothing here."""
    framework = trial.reference.framework
    appointed = appoint(trial.case, framework, _adjudicators(trial, open_backend))
    borrowed = appointed is None and trial.against_itself
    if borrowed:
        framework, appointed = _borrowed(trial, open_backend)
    short = any(tolerance.shortened(open_backend(side).provenance()) for side in (trial.reference, trial.subject))
    for lane in (each for each in trial.case.lanes if each in lanes):
        setting = settle(Question(trial.case, framework, lane, trial.dtype, short), appointed)
        if setting is not None:
            yield setting.mutual() if borrowed else setting


def _borrowed(trial: Trial, open_backend: Open) -> tuple[str, Appointment | None]:
    """Who computes another framework's calls of the case, which tells how large values are, and not which are right."""
    independent = list(_adjudicators(trial, open_backend))[:1]
    for framework in trial.case.sides:
        appointed = appoint(trial.case, framework, independent)
        if appointed is not None:
            return framework, appointed
    return trial.reference.framework, None


def _adjudicators(trial: Trial, open_backend: Open) -> Iterator[Adjudicator]:
    yield Adjudicator("numpy", open_backend(Target("numpy", "cpu")), np.int64)
    # Not independent of the reference, and named so; better than no bound at all.
    yield Adjudicator(f"{trial.reference} float64", open_backend(trial.reference), np.float64)


def _rejections(trial: Trial, open_backend: Open) -> LaneReport:
    """Who rejects the calls, where no lane can judge a value: that needs neither truth nor bound."""
    return replace(observe(trial, unjudged(trial.case, trial.dtype), open_backend), comparisons=())


def _outcome(trial: Trial, reports: Sequence[LaneReport]) -> Outcome:
    failures = {side: failure for report in reports for side, failure in report.failures.items()}
    comparisons = tuple(each for report in reports for each in report.comparisons)
    return Outcome(
        verdict=Verdict.REJECTED_BY_BOTH if _misfits(trial, failures) else grade(failures, comparisons),
        comparisons=comparisons,
        diagnosis=_diagnosis(trial, reports),
        failures=failures,
        seconds={
            "reference": sum(report.expected.seconds for report in reports),
            "subject": sum(report.actual.seconds for report in reports),
        },
        fingerprints={
            f"{report.setting.lane}.{name}": fingerprint(array)
            for report in reports
            for name, array in report.setting.tensors.named().items()
        },
        adjudicator=next((report.setting.adjudicator for report in reports), None),
        undocumented=_undocumented(trial.case, reports),
        note=_note(reports),
        steady=_steady(reports),
        digests=_digests(reports),
    )


def _misfits(trial: Trial, failures: Mapping[str, Failure]) -> bool:
    """Whether the one framework that is held against itself takes the weights of the case on neither side."""
    return trial.against_itself and len(failures) > 1 and all(failure.misfit for failure in failures.values())


def _digests(reports: Sequence[LaneReport]) -> dict[str, str]:
    """By side, a hash of all that it gave; none of a side that failed."""
    given = {
        "reference": [report.expected.outputs for report in reports],
        "subject": [report.actual.outputs for report in reports],
    }
    failed = {side for report in reports for side in report.failures}
    return {
        side: fingerprint(*(lane[name] for lane in lanes for name in sorted(lane)))
        for side, lanes in given.items()
        if side not in failed
    }


def _steady(reports: Sequence[LaneReport]) -> dict[str, bool]:
    """By side, whether every lane that was run twice gave the same both times."""
    sides = {side for report in reports for side in report.steady}
    return {side: all(report.steady.get(side, True) for report in reports) for side in sorted(sides)}


def _note(reports: Sequence[LaneReport]) -> str:
    tensors = sorted({tensor for report in reports for tensor in report.unsteady})
    sides = sorted({side for report in reports for side, steady in report.steady.items() if not steady})
    if not tensors:
        return ""
    return f"the same call twice gives another {', '.join(tensors)} ({' and '.join(sides)})"


def _diagnosis(trial: Trial, reports: Sequence[LaneReport]) -> Diagnosis | None:
    """What the first difference looks like."""
    for report in reports:
        for each in report.comparisons:
            other = report.plain if each.against and report.plain else report.expected
            actual, expected = (side.outputs.get(each.tensor) for side in (report.actual, other))
            if each.verdict in (Verdict.VALUE, Verdict.SHAPE) and actual is not None and expected is not None:
                judge = report.setting.judge(each.tensor) or Judge(report.setting.lane, None, None)
                judge = judge.over(expected.shape)
                # Two modes of one framework are held against each other bit for bit.
                known = (judge.truth, judge.unbiased, None if each.against else judge.bound)
                return diagnose(Evidence(actual, expected, each.tensor, *_titles(trial, each), *known))
    return None


def _titles(trial: Trial, comparison: Comparison) -> tuple[str, str]:
    """What a sentence calls the two that were compared."""
    subject, reference = (targets.title(side.framework) for side in (trial.subject, trial.reference))
    if comparison.against:
        return f"{subject} in {trial.subject.mode} mode", f"{subject} in its plain mode"
    return (str(trial.subject), str(trial.reference)) if trial.against_itself else (subject, reference)


def _undocumented(case: Case, reports: Sequence[LaneReport]) -> str:
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
    if failure.phase is Phase.BACKWARD:
        return "" if failure.unsupported else "only when it is differentiated"
    if phases and failure.phase not in phases:
        return f"at {failure.phase.value}, stated is {' or '.join(phase.value for phase in phases)}"
    if errors and failure.type not in errors:
        return f"with {failure.type}, stated is {' or '.join(errors)}"
    return ""
