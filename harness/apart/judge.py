"""Judging trials of any values in a process apart, one after the other."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import harness.backends
from harness.apart import process
from harness.casefile import Family
from harness.model import Lane, Target, Trial
from harness.trial_record import Origin, dead_record
from harness.watchdog import Death

CHILD = "harness.apart.child"
LIMIT = 20.0

Record = dict[str, Any]


@dataclass(frozen=True)
class Setup:
    """Where the families of the trials are from, and on which targets they run.

    Attributes:
        isa: the instruction set that the process is kept within.
    """

    file: Path
    reference: Target
    subject: Target
    dtype: str = "float32"
    isa: str = ""


@dataclass
class Judge:
    """Runs trials in a process of its own, which it starts when the first is asked for, and again when one ends it."""

    setup: Setup
    limit: float = LIMIT
    runs: int = 0
    _child: subprocess.Popen[str] | None = None
    _folder: Path = Path()
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Judge:
        """Make the folder that the process works in."""
        name = tempfile.TemporaryDirectory(prefix="judge-", ignore_cleanup_errors=True)
        self._folder = Path(self._open.enter_context(name))
        job = {"adapters": list(harness.backends.__path__), "limit": self.limit, "isa": self.setup.isa}
        (self._folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
        self._open.close()

    def start(self) -> Record:
        """Start the process already, and import what the trials need: what each target tells of itself, by its name."""
        return self._answer(json.dumps({"targets": [str(self.setup.reference), str(self.setup.subject)]})) or {}

    def record(self, family: Family, row: Mapping[str, Any], lanes: Sequence[Lane] = tuple(Lane)) -> Record:
        """The record of the family's trial with these values; ``crash`` or ``timeout`` if it ended the process."""
        self.runs += 1
        setup = self.setup
        asked = {
            "file": str(setup.file.absolute()),
            "family": family.name,
            "row": dict(row),
            "dtype": setup.dtype,
            "reference": str(setup.reference),
            "subject": str(setup.subject),
            "lanes": list(lanes),
        }
        answer = self._answer(json.dumps(asked))
        if answer is None:
            trial = Trial.of(family.case(dict(row)), setup.dtype, setup.reference, setup.subject)
            answer = dead_record(trial, Origin(str(setup.file), family.tier), self._bury())
        return {**answer, "file": str(setup.file)}

    def _answer(self, question: str) -> Record | None:
        """What the process says; ``None`` if it died."""
        child = self._child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None
        try:
            print(question, file=child.stdin, flush=True)
            line = child.stdout.readline()
        except BrokenPipeError:
            return None
        answer: Record | None = json.loads(line) if line.endswith("\n") else None
        return answer

    def _start(self) -> subprocess.Popen[str]:
        with (self._folder / "stderr.log").open("w", encoding="utf-8") as log:
            return subprocess.Popen(
                **process.options(CHILD, self._folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )

    def _bury(self) -> Death:
        assert self._child is not None
        self._child.communicate()
        stderr = (self._folder / "stderr.log").read_text(encoding="utf-8", errors="replace")
        death = process.death(self._folder, self._child.returncode, stderr)
        self._child = None
        return death
