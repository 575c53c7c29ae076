"""One lane of one trial: both sides are asked the same, and what they give is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from harness.adjudicate import Setting, derivative
from harness.compare import Judge, compare
from harness.model import Array, Case, Comparison, Target, Trial, Verdict
from harness.outcome import Open
from harness.protocol import Failure, Observation
from harness.requests import canonical, request

NOTHING = np.empty(0)


@dataclass(frozen=True)
class LaneReport:
    """One lane of one trial.

    Attributes:
        setting: what both sides were given.
        expected: what the reference did.
        actual: what the subject did.
        comparisons: of the outputs, then of the derivatives, then with the subject's plain mode.
        plain: what the subject did in its plain mode, where it has run in another one.
        steady: by side, whether a second time gave the same, bit for bit; empty if nobody looked.
        unsteady: tensors that a second time gave otherwise, by more than the bound.
    """

    setting: Setting
    expected: Observation
    actual: Observation
    comparisons: tuple[Comparison, ...]
    plain: Observation | None = None
    steady: Mapping[str, bool] = field(default_factory=dict)
    unsteady: tuple[str, ...] = ()

    @property
    def failures(self) -> dict[str, Failure]:
        """By side."""
        sides = {"reference": self.expected.failure, "subject": self.actual.failure}
        return {side: failure for side, failure in sides.items() if failure is not None}


def observe(trial: Trial, setting: Setting, open_backend: Open) -> LaneReport:
    """Ask both sides and compare; ask again where they differ, or where the trial is one of those that are repeated."""
    expected = _ask(trial.case, trial.reference, setting, open_backend)
    actual = _ask(trial.case, trial.subject, setting, open_backend)
    report = LaneReport(setting, expected, actual, ())
    if expected.outputs and actual.outputs:
        report = replace(report, comparisons=_compare_all(trial, setting, expected, actual))
        differs = any(each.verdict is Verdict.VALUE for each in report.comparisons)
        # Weights as built are drawn anew each time.
        repeat = trial.case.align and (differs or trial.again)
        report = _repeated(trial, report, open_backend) if repeat else report
    return _against_plain(trial, report, open_backend) if trial.subject.mode and trial.case.align else report


def _ask(case: Case, target: Target, setting: Setting, open_backend: Open) -> Observation:
    seen = open_backend(target).observe(request(case, target.framework, setting.tensors))
    return replace(seen, outputs=canonical(case, target.framework, seen.outputs))


def _compare_all(trial: Trial, setting: Setting, expected: Observation, actual: Observation) -> tuple[Comparison, ...]:
    either, both = expected.outputs.keys() | actual.outputs.keys(), expected.outputs.keys() & actual.outputs.keys()
    # A derivative that one side has not got is that side's failure, or follows from an output of another shape.
    names = sorted((name for name in either if name in both or not derivative(name)), key=_outputs_first)
    if not trial.case.align:
        # Unlike weights give unlike values: the shape is all there is to compare.
        return tuple(_compare_shapes(name, setting, expected, actual) for name in names)
    return tuple(
        # A framework that is wrong in the same way twice is not another one.
        compare(
            actual.outputs.get(name, NOTHING),
            expected.outputs.get(name, NOTHING),
            name,
            replace(judge, mutual=trial.against_itself).over(expected.outputs.get(name, NOTHING).shape),
        )
        for name in names
        if (judge := setting.judge(name)) is not None
    )


def _outputs_first(name: str) -> tuple[bool, str]:
    return derivative(name), name


def _compare_shapes(name: str, setting: Setting, expected: Observation, actual: Observation) -> Comparison:
    left, right = actual.outputs.get(name, NOTHING).shape, expected.outputs.get(name, NOTHING).shape
    verdict = Verdict.BITWISE if left == right else Verdict.SHAPE
    return Comparison(f"{name}.shape", setting.lane, verdict, right, left)


def _repeated(trial: Trial, report: LaneReport, open_backend: Open) -> LaneReport:
    """The report after a second time: what a side gives otherwise then says nothing about the other side."""
    steady, unsteady = {}, set()
    sides = {"reference": (trial.reference, report.expected), "subject": (trial.subject, report.actual)}
    for side, (target, before) in sides.items():
        after = _ask(trial.case, target, report.setting, open_backend)
        changed = {name for name, array in before.outputs.items() if not _same(array, after.outputs.get(name))}
        steady[side] = not changed
        unsteady |= {name for name in changed if _beyond(report.setting, name, before, after)}
    comparisons = tuple(
        replace(each, verdict=Verdict.WEAK) if each.tensor in unsteady and each.verdict is Verdict.VALUE else each
        for each in report.comparisons
    )
    return replace(report, comparisons=comparisons, steady=steady, unsteady=tuple(sorted(unsteady)))


def _same(left: Array, right: Array | None) -> bool:
    """Whether both are the same in shape, dtype and every bit."""
    return right is not None and (left.shape, left.dtype, left.tobytes()) == (right.shape, right.dtype, right.tobytes())


def _beyond(setting: Setting, name: str, before: Observation, after: Observation) -> bool:
    left, right, judge = before.outputs[name], after.outputs.get(name, NOTHING), setting.judge(name)
    return left.shape != right.shape or (judge is not None and bool(judge.outside(left, right).any()))


def _against_plain(trial: Trial, report: LaneReport, open_backend: Open) -> LaneReport:
    """The report with the subject's mode held against its plain one, where no bit may differ."""
    plain = replace(trial.subject, mode="")
    seen = _ask(trial.case, plain, report.setting, open_backend)
    judge = Judge(report.setting.lane, None, None)
    comparisons = [
        replace(_bit_for_bit(array, seen.outputs[name], name, judge), against=str(plain))
        for name, array in sorted(report.actual.outputs.items(), key=lambda item: _outputs_first(item[0]))
        if name in seen.outputs
    ]
    return replace(report, plain=seen, comparisons=(*report.comparisons, *comparisons))


def _bit_for_bit(actual: Array, expected: Array, name: str, judge: Judge) -> Comparison:
    found = compare(actual, expected, name, judge)
    if found.verdict in (Verdict.SHAPE, Verdict.DTYPE):
        return found
    # What mutants prove is proved by the comparison with the reference.
    return replace(found, verdict=Verdict.BITWISE if _same(actual, expected) else Verdict.VALUE, missed=())
