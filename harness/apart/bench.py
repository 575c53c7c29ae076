"""What a process apart runs trials with: backends that are opened once, and a time limit."""

from __future__ import annotations

import gc
from collections.abc import Sequence

from harness import runner
from harness.backends import targets
from harness.model import Lane, Target, Trial
from harness.outcome import Outcome
from harness.protocol import Backend
from harness.watchdog import Watchdog


class Bench:
    """Runs trials, each under a time limit that ends the process."""

    def __init__(self, watchdog: Watchdog, limit: float, isa: str = "") -> None:
        """Open nothing before it is needed; ``isa`` is the instruction set that this process is kept within."""
        self._watchdog, self._limit, self._isa = watchdog, limit, isa
        self._opened: set[Target] = set()

    def outcome(self, trial: Trial, lanes: Sequence[Lane] = (Lane.EXACT,)) -> Outcome:
        """Run a trial in these lanes, or in all where its case has none of them."""
        for target in (trial.reference, trial.subject):
            self.open(target)  # the imports are not the trial's time
        chosen = [lane for lane in trial.case.lanes if lane in lanes] or list(trial.case.lanes)
        with self._watchdog.limit(self._limit):
            return runner.run(trial, self.open, chosen)

    def target(self, name: str) -> Target:
        """The target of this name, as it runs from this process."""
        return targets.parse(name, self._isa)

    def open(self, target: Target) -> Backend:
        """The target's backend."""
        backend = targets.backend(target, 1)
        if target not in self._opened:
            self._opened.add(target)
            # What the imports left would be walked at each collection that a framework asks for.
            gc.collect()
            gc.freeze()
        return backend
