"""The same calls on two threads, in a process apart: are the results those of one thread, bit for bit?"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import harness.backends
from harness.apart import process
from harness.backends import targets
from harness.model import GOLDEN, Lane
from harness.records import Record

CHILD = "harness.determinism.child"
THREADS = 2
# For all of them; what is not reached by then is not counted.
LIMIT = 300.0
# Of more trials, so many are run again, drawn by a hash of their ids: as many take some 25 seconds.
MOST = 500
SIDES = ("reference", "subject")
_SENT = ("trial", "file", "family", "values", "swept", "dtype", "reference", "subject")


def wanted(trials: Sequence[Record]) -> list[Record]:
    """Those of the trials that were repeated in the run and went through, in the plain mode and in float32."""
    return [
        {key: trial[key] for key in (*_SENT, "digests")}
        for trial in trials
        if trial.get("steady") and _is_plain(trial) and set(trial.get("digests", ())) == set(SIDES)
    ]


def _is_plain(trial: Record) -> bool:
    """In this interpreter, too: what has a name of its own is elsewhere, or a golden, which has no threads."""
    spelled = all("@" in trial[side] and not trial[side].startswith(GOLDEN) for side in SIDES)
    return spelled and ":" not in trial["subject"] and trial["dtype"] == "float32"


def compare(
    trials: Sequence[Record],
    root: Path,
    say: Callable[[str], None],
    lanes: Sequence[Lane] = tuple(Lane),
    limit: float = LIMIT,
) -> dict[str, Any]:
    """What two threads change.

    Args:
        trials: records of trials that were run on one thread, with the digests of what both sides gave; of very many
            a part is run.
        root: what the case files' names in the records are relative to.
        say: told when it starts and ends.
        lanes: those that the run took.
        limit: seconds for all of them.

    Returns:
        ``count`` of threads, the trials that were ``asked``, and the sides that are ``differing`` by trial.
    """
    trials = _drawn(trials)
    before = {trial["trial"]: trial["digests"] for trial in trials}
    say(f"running {len(before)} trials again on {THREADS} threads ...")
    start = time.monotonic()
    after = _run(trials, root, lanes, limit) if before else {}
    differing = {
        name: [side for side in SIDES if digests[side] != before[name][side]]
        for name, digests in sorted(after.items())
        if set(digests) == set(SIDES)
    }
    say(f"ran {len(after)} of {len(before)} again on {THREADS} threads in {time.monotonic() - start:.0f} s")
    return {"count": THREADS, "asked": list(differing), "differing": {k: v for k, v in differing.items() if v}}


def _drawn(trials: Sequence[Record]) -> Sequence[Record]:
    """The trials in their order, or as many of them as are worth the time."""
    if len(trials) <= MOST:
        return trials
    by_hash = sorted(trials, key=lambda trial: hashlib.sha256(trial["trial"].encode()).digest())
    taken = {trial["trial"] for trial in by_hash[:MOST]}
    return [trial for trial in trials if trial["trial"] in taken]


def _run(trials: Sequence[Record], root: Path, lanes: Sequence[Lane], limit: float) -> dict[str, dict[str, str]]:
    """The digests on more threads, by trial; a process that ends early costs those that it did not come to."""
    isa, _ = targets.together({trial[side]: None for side in SIDES for trial in trials})
    with tempfile.TemporaryDirectory(prefix="threads-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        job = {
            "adapters": list(harness.backends.__path__),
            "threads": THREADS,
            "isa": isa,
            "lanes": list(lanes),
            "root": str(root.absolute()),
            "trials": [{key: trial[key] for key in _SENT} for trial in trials],
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        with suppress(subprocess.TimeoutExpired):  # what was written until then counts
            subprocess.run(**process.options(CHILD, folder), timeout=limit, capture_output=True, check=False)
        found = folder / "found.jsonl"
        lines = found.read_text(encoding="utf-8").splitlines(keepends=True) if found.exists() else []
        answers = [json.loads(line) for line in lines if line.endswith("\n")]
        return {each["trial"]: each["digests"] for each in answers}
