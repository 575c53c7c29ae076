"""Seeking the conditions of conditional claims, in processes of their own: a crash or a hang costs one condition."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import harness.backends
from harness import environment
from harness.apart import process
from harness.backends import targets
from harness.errors import HarnessError
from harness.ledger import findings
from harness.ledger.claims import Conditional
from harness.ledger.findings import Finding, State
from harness.records import Record, check

CHILD = "harness.ledger.child"
# For all claims of one layer, imports of the frameworks included; and for one fresh case.
LAYER_LIMIT = 180.0
CASE_LIMIT = 20.0
_SIDES = ("reference", "subject")
_SENT = ("trial", "family", "values", "reference", "subject", "dtype", "verdict", "as_expected")


def settle(
    wanted: Sequence[Conditional], folders: Sequence[Path], root: Path, say: Callable[[str], None], *, whole: bool
) -> dict[str, Finding]:
    """The findings of these claims: those kept in the folders that still match, and the others sought now.

    Args:
        wanted: the claims, with their evidence.
        folders: where the results lie; what is found is kept in the first of them, if it can be written.
        root: what the case files' names in the records are relative to.
        say: told when something is sought, which takes seconds.
        whole: whether the results are of a whole run.
    """
    kept = findings.load(folders)
    current = {each.key: kept[each.key] for each in wanted if each.key in kept}
    found = seek([each for each in wanted if each.key not in current], root, say, whole=whole)
    if found:
        keep(folders[0], {**findings.load(folders[:1]), **found})
    return {**current, **found}


def keep(folder: Path, found: Mapping[str, Finding]) -> None:
    """Keep findings in a folder, if it can be written; to show them does not depend on it.

    A search that failed is not kept: the next one may have more time.
    """
    try:
        findings.save(folder, {key: each for key, each in found.items() if each.state is not State.FAILED})
    except OSError:
        return


def seek(
    wanted: Sequence[Conditional],
    root: Path,
    say: Callable[[str], None],
    layer_limit: float = LAYER_LIMIT,
    case_limit: float = CASE_LIMIT,
    *,
    whole: bool = True,
) -> dict[str, Finding]:
    """The findings of these claims, by key; none for claims that cannot be sought here.

    Args:
        wanted: the claims, with their evidence.
        root: what the case files' names in the records are relative to.
        say: told when the search starts and ends.
        layer_limit: seconds for all claims of one layer.
        case_limit: seconds for one fresh case.
        whole: whether the results are of a whole run.
    """
    signatures = [each for each in wanted if all(check(trial) == "signature" for trial in each.trials)]
    found = {each.key: findings.departing(each.trials, whole=whole) for each in signatures}
    jobs: dict[str, list[Conditional]] = defaultdict(list)
    for each in wanted:
        if each.key not in found and obstacle(each.trials, root) is None:
            jobs[each.layer].append(each)
    if not jobs:
        return found
    start, count = time.monotonic(), sum(map(len, jobs.values()))
    words = f"{count} conditional claim{'' if count == 1 else 's'}"
    say(f"seeking the conditions of {words} on fresh cases ...")
    cores: SimpleQueue[int] = SimpleQueue()
    usable = environment.cores() or list(range(os.cpu_count() or 1))
    for core in usable:
        cores.put(core)
    # The longest first, so that no core is left waiting for one that began last.
    ordered = sorted(jobs.values(), key=lambda claims: -sum(len(claim.trials) for claim in claims))
    stop = Event()
    with ThreadPoolExecutor(len(usable)) as pool:
        try:
            layers = [_Layer(claims, root, layer_limit, case_limit, stop) for claims in ordered]
            for made in pool.map(lambda layer: layer.find(cores), layers):
                found |= made
        finally:
            stop.set()  # or the layers would go on after an interrupt
    say(f"sought the conditions of {words} in {time.monotonic() - start:.0f} s")
    return found


def obstacle(trials: Iterable[Record], root: Path) -> str | None:
    """Why a claim with these trials cannot be sought here; ``None`` if it can."""
    for file in sorted({str(trial.get("file", "")) for trial in trials}):
        if not (root / file).is_file():
            return f"no case file {root / file}"
    measured = {(trial[side], str(trial.get(f"{side}_version") or "")) for trial in trials for side in _SIDES}
    for name, release in sorted(measured):
        try:
            target = targets.parse(name)
        except HarnessError as error:
            return str(error)
        if target.name:
            return f"{name} is not in this interpreter"
        here = targets.version(target.framework)
        # What follows the plus sign names the build and not the release.
        if release and here and release.partition("+")[0] != here.partition("+")[0]:
            return f"{target.framework} {release} was measured, and {here} is installed"
        reason = targets.obstacle(target)
        if reason:
            return reason
    return None


@dataclass(frozen=True)
class _Layer:
    """The search for all conditional claims of one layer."""

    claims: Sequence[Conditional]
    root: Path
    layer_limit: float
    case_limit: float
    stop: Event

    def find(self, cores: SimpleQueue[int]) -> dict[str, Finding]:
        """Run the search on a free core. A claim that ends the process fails, and the others go on."""
        core = cores.get()
        try:
            with tempfile.TemporaryDirectory(prefix="conditions-", ignore_cleanup_errors=True) as folder:
                return self._find(Path(folder), core)
        finally:
            cores.put(core)

    def _find(self, folder: Path, core: int) -> dict[str, Finding]:
        found: dict[str, Finding] = {}
        deadline = time.monotonic() + self.layer_limit
        left = list(self.claims)
        while left and not self.stop.is_set():
            ended = self._run(folder, core, left, deadline - time.monotonic())
            found |= _read(folder / "found.jsonl")
            left = [each for each in left if each.key not in found]
            if left:
                found[left[0].key] = Finding(State.FAILED, ended, trials=len(left[0].trials))
                left = left[1:]
        return found

    def _run(self, folder: Path, core: int, claims: Sequence[Conditional], seconds: float) -> str:
        """Run one process; how it ended, for the claim that it ended in."""
        names = {trial[side]: None for side in _SIDES for claim in claims for trial in claim.trials}
        isa, _ = targets.together(names)
        job = {
            "adapters": list(harness.backends.__path__),
            "file": str((self.root / claims[0].trials[0]["file"]).absolute()),
            "core": core,
            "isa": isa,
            "case_limit": self.case_limit,
            "claims": [_sent(each) for each in claims],
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        (folder / "found.jsonl").unlink(missing_ok=True)
        if seconds <= 0:
            return "the search took too long"
        try:
            ended = subprocess.run(
                **process.options(CHILD, folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "the search took too long"
        death = process.death(folder, ended.returncode, ended.stderr.decode(errors="replace"))
        return f"the search ended in a fresh case: {death.reason}"


def _sent(claim: Conditional) -> dict[str, Any]:
    trials = [{**{name: trial[name] for name in _SENT}, "check": check(trial)} for trial in claim.trials]
    return {"key": claim.key, "claim": f"{claim.layer}/{claim.id}", "trials": trials, "taken": sorted(claim.taken)}


def _read(path: Path) -> dict[str, Finding]:
    """The findings that a process left; it may have died in the midst of a line."""
    found: dict[str, Finding] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
            found[entry["key"]] = findings.parse(entry["finding"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def line(key: str, finding: Finding) -> str:
    """What a process leaves of one claim."""
    return json.dumps({"key": key, "finding": asdict(finding)}) + "\n"
