"""The process that judges: ``python -m harness.apart.child FOLDER``, see ``judge.py``.

It reads a line for each trial from its standard input, and writes that trial's record to its standard output.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import harness.backends
from harness import environment, plan
from harness.apart.bench import Bench
from harness.apart.process import TRACE
from harness.casefile.expressions import plain
from harness.model import Lane, Trial, Verdict
from harness.outcome import Outcome
from harness.records import dump
from harness.trial_record import Origin, to_record
from harness.watchdog import Watchdog


def main(folder: Path) -> None:
    """Judge what is asked until nothing more comes."""
    answers = _own_output()
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    harness.backends.__path__[:] = job["adapters"]
    environment.prepare(1, job["isa"])
    warnings.simplefilter("ignore")
    bench = Bench(Watchdog(folder / TRACE), job["limit"], job["isa"])
    for line in sys.stdin:
        print(dump(_answer(json.loads(line), bench)), file=answers, flush=True)


def _own_output() -> TextIO:
    """Our standard output, which from here on nobody else writes to."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _answer(asked: dict[str, Any], bench: Bench) -> dict[str, Any]:
    """The record that is asked for; of targets, what they tell of themselves once they are open."""
    if "targets" in asked:
        return {name: dict(bench.open(bench.target(name)).provenance()) for name in asked["targets"]}
    return record(asked, bench)


def record(asked: Mapping[str, Any], bench: Bench) -> dict[str, Any]:
    """The record of the trial that is asked for."""
    file = plan.read_case_file(Path(asked["file"]))
    family = next(each for each in file.families if each.name == asked["family"])
    case = family.case({name: plain(value) for name, value in asked["row"].items()})
    trial = Trial.of(case, asked["dtype"], bench.target(asked["reference"]), bench.target(asked["subject"]))
    origin = Origin(str(file.path), family.tier)
    try:
        outcome = bench.outcome(trial, [Lane(lane) for lane in asked["lanes"]])
    except Exception as error:  # our own, or memory that is not there: as in a run, the trial proves nothing
        outcome = Outcome(Verdict.WEAK, note=f"it could not be set up: {type(error).__name__}: {error}")
    return to_record(trial, origin, outcome)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
