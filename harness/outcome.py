"""What a trial showed, and its grade."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.diagnosis import Diagnosis
from harness.model import AGREEMENT, Comparison, Target, Verdict
from harness.protocol import Backend, Failure, Phase

Open = Callable[[Target], Backend]


@dataclass(frozen=True)
class Outcome:
    """What a trial showed.

    Attributes:
        verdict: the trial's grade.
        comparisons: one per output tensor and lane.
        diagnosis: what the first difference looks like.
        failures: by side, ``reference`` or ``subject``.
        seconds: by side, summed over lanes.
        fingerprints: hash of each input and parameter, by lane and name.
        adjudicator: who computed the truth.
        undocumented: how the output's shape departs from the printed one; empty if it does not.
        note: why the trial proved nothing, where that lies with the case file, the harness, or a side's moods.
        steady: by side, whether the same calls gave the same twice; empty if they were not repeated.
        digests: hash of all that a side gave, by side.
    """

    verdict: Verdict
    comparisons: tuple[Comparison, ...] = ()
    diagnosis: Diagnosis | None = None
    failures: dict[str, Failure] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    adjudicator: str | None = None
    undocumented: str = ""
    note: str = ""
    steady: dict[str, bool] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def fails_alike(self) -> bool:
        """Whether both sides fail, in the same phase and with the same error."""
        failed = {(each.phase, each.type) for each in self.failures.values()}
        return len(self.failures) > len(failed) == 1

    @property
    def disagrees(self) -> str | None:
        """Which side disagrees with the adjudicator: by a rejection of what it can compute, or in a comparison."""
        sides = {each.disagrees for each in self.comparisons} - {None}
        if self.adjudicator is not None:
            refused = {s: f for s, f in self.failures.items() if not f.unsupported and f.phase is not Phase.BACKWARD}
            sides |= refused.keys()
        return "both" if len(sides) > 1 else sides.pop() if sides else None


def grade(failures: dict[str, Failure], comparisons: Sequence[Comparison]) -> Verdict:
    """The verdict of a trial: its failures if any, else its worst comparison, else that it proved nothing.

    Where a side only fails to differentiate, outputs that differ say more.
    """
    verdicts = [each.verdict for each in comparisons]
    differing = [verdict for verdict in verdicts if verdict not in AGREEMENT and verdict is not Verdict.WEAK]
    if differing and all(failure.phase is Phase.BACKWARD for failure in failures.values()):
        return max(differing, key=lambda verdict: verdict.rank)
    if "reference" in failures and failures["reference"].misfit:
        return Verdict.WEAK  # the case file's shapes are laid out as the reference's: it is the file that is wrong
    if any(failure.unsupported for failure in failures.values()):
        return Verdict.UNSUPPORTED
    if failures:
        return Verdict(f"rejected_by_{next(iter(failures))}") if len(failures) == 1 else Verdict.REJECTED_BY_BOTH
    if not verdicts or Verdict.WEAK in verdicts:
        return Verdict.WEAK
    return max(verdicts, key=lambda verdict: verdict.rank)
