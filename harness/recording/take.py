"""The recording of a plan: every trial's questions to one target, and what it answered."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from harness import __version__, plan
from harness.casefile import CaseFile
from harness.errors import HarnessError
from harness.golden import stored
from harness.model import Target, Tier, Trial
from harness.outcome import Open
from harness.plan import Selection, Shard
from harness.protocol import Backend
from harness.recording import walk
from harness.recording.tape import Recorder, Tape

REFERENCE, SUBJECT = "reference", "subject"
SIDES = (REFERENCE, SUBJECT)
SAY_EVERY = 5.0
ADJUDICATOR = Target("numpy", "cpu")
# What of a target's own account says nothing of what it computes: where it ran.
PLACE = ("where", "target")


@dataclass(frozen=True)
class Wanted:
    """What is to be recorded: a target, as the side of the trials that it will be, and which of them."""

    target: Target
    side: str
    tier: Tier
    shard: Shard


@dataclass
class Taken:
    """What was recorded.

    Attributes:
        trials: ids of those whose every question was put.
        left_out: reasons for which others were not, with how many.
    """

    wanted: Wanted
    tape: Tape = field(default_factory=Tape)
    trials: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    provenance: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0

    def about(self) -> dict[str, str]:
        """The file's metadata."""
        wanted, told = self.wanted, self.provenance
        return {
            "golden": stored.FORMAT,
            "target": wanted.target.kind,
            "side": wanted.side,
            "framework": wanted.target.framework,
            "version": str(told.get("version")),
            "provenance": json.dumps(told, default=str),
            "harness": __version__,
            "plan": plan.plan_hash(self.trials),
            "tier": str(wanted.tier),
            "shard": str(wanted.shard),
            "trials": str(len(self.trials)),
            "count": str(len(self.tape.answers)),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def write(self, path: Path) -> int:
        """Write the golden; how many bytes it has. Raises HarnessError where it cannot be written."""
        return stored.write(path, self.about(), self.tape.index, self.tape.streams)


def planned(files: Sequence[CaseFile], wanted: Wanted) -> list[tuple[str, Trial]]:
    """The trials to record, each with its family's name.

    Raises:
        HarnessError: a case file says nothing of the target's framework, or there is no trial at all.
    """
    found: list[tuple[str, Trial]] = []
    for file in files:
        plan.check_sides(file, Selection(wanted.target, ()))
        for family in file.families:
            for other in _others(sorted(family.sides), wanted):
                pair = (wanted.target, (other,)) if wanted.side == REFERENCE else (other, (wanted.target,))
                chosen = Selection(*pair, wanted.tier, wanted.shard)
                found += [(f"{file.path.stem}/{family.name}", trial) for trial in plan.trials(family, chosen)]
    if not found:
        raise HarnessError("no trial was selected: look at the case files, --tier and --shard")
    return found


def _others(frameworks: Sequence[str], wanted: Wanted) -> list[Target]:
    """The other sides: whatever is compared with a reference, it is asked the same; a subject is not."""
    others = [Target(name, "cpu") for name in frameworks if name != wanted.target.framework]
    return others[:1] if wanted.side == REFERENCE else others


def take(trials: Sequence[tuple[str, Trial]], wanted: Wanted, open_backend: Open, say: Callable[[str], None]) -> Taken:
    """Record these trials.

    Args:
        trials: as :func:`planned` gives them.
        wanted: what they were planned for.
        open_backend: gives the backend of the target, of its plain mode, of the adjudicator, and of the other side,
            which is asked where the adjudicator cannot settle what both are given.
        say: told every few seconds how it goes.
    """
    start = said = time.monotonic()
    taken = Taken(wanted)
    opener = _Opener(wanted.target, open_backend, taken.tape)
    taken.provenance = {k: v for k, v in opener(wanted.target).provenance().items() if k not in PLACE}
    for number, (family, trial) in enumerate(trials):
        if family != taken.tape.family:
            taken.tape.begin(family)
        _one(trial, taken, opener)
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            say(f"{number + 1} of {len(trials)} trials, {len(taken.tape.answers)} observations")
    taken.tape.begin("")
    taken.seconds = time.monotonic() - start
    return taken


def _one(trial: Trial, taken: Taken, opener: Open) -> None:
    target = taken.wanted.target
    taken.tape.only = walk.read(trial, target)
    try:
        walk.ask(trial, target, opener)
    except Exception as error:  # what keeps a trial from being set up keeps no other one from being recorded
        taken.left_out[f"{type(error).__name__}: {' '.join(str(error).split())}"] += 1
    else:
        taken.trials.append(f"{trial.case.id},{trial.dtype},{target.kind}")


@dataclass
class _Opener:
    """Gives the backends, those of the target with the tape running."""

    target: Target
    open_backend: Open
    tape: Tape
    _recorders: dict[Target, Recorder] = field(default_factory=dict)

    def __call__(self, target: Target) -> Backend:
        if target not in (self.target, replace(self.target, mode="")):
            return self.open_backend(target)
        if target not in self._recorders:
            backend = self.open_backend(target)
            self._recorders[target] = Recorder(target, backend, self.open_backend(ADJUDICATOR), self.tape)
        return self._recorders[target]
