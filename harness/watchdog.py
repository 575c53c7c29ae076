"""A time limit that also ends a trial whose native code holds the interpreter's lock, and what a dead worker left."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from harness.model import Verdict

TIMEOUT_MARK = "Timeout ("
LONGEST_TRACE = 2000


class Watchdog:
    """Ends the process when a trial takes too long, after it wrote the stack to a log file.

    The timer is a thread of the interpreter's fault handler, which needs no lock of the interpreter.
    """

    def __init__(self, log: Path) -> None:
        """Open the log."""
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log: TextIO = log.open("w", encoding="utf-8")

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Allow the body this long, and have fatal signals write their stack to the log too."""
        faulthandler.enable(self._log)  # here, because pytest's own handler is set up after this one was made
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._log)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


@dataclass(frozen=True)
class Death:
    """How a worker ended: ``crash`` or ``timeout``, the reason in a line, and the stack if it left one."""

    verdict: Verdict
    reason: str
    trace: str


class Died(Exception):
    """A process that a framework ran in has ended, and with it what it was asked."""

    def __init__(self, death: Death, target: str = "") -> None:
        """Keep how it ended, and what ran there."""
        self.death, self.target = death, target
        super().__init__(death.reason)


def autopsy(log: Path) -> Death:
    """Read a dead worker's log."""
    text = log.read_text(encoding="utf-8", errors="replace").strip() if log.exists() else ""
    if TIMEOUT_MARK in text:
        return Death(Verdict.TIMEOUT, text.splitlines()[0].rstrip("!"), text[:LONGEST_TRACE])
    reason = next((line for line in text.splitlines() if line.startswith("Fatal")), "the worker died without a trace")
    return Death(Verdict.CRASH, reason, text[:LONGEST_TRACE])
