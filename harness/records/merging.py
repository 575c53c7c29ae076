"""Several results files as one: the shards of a run, and runs of several targets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from harness.errors import HarnessError
from harness.model import Verdict
from harness.records.line import Common, Record
from harness.records.reader import RESULTS, Run, locate, read
from harness.records.sets import Overlap, problems


@dataclass(frozen=True)
class Results:
    """Several runs as one: their trials in the order of the ids, and all that is wrong with any of the files."""

    runs: list[Run]
    trials: list[Record]
    problems: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every planned trial is here exactly once."""
        return not self.problems

    @property
    def narrowed(self) -> list[str]:
        """How runs were narrowed, sorted; empty if all ran everything."""
        return sorted({str(run.header.get("selected", "all")) for run in self.runs} - {"all"})

    @property
    def measured(self) -> frozenset[str]:
        """The subjects that a trial was run of."""
        return frozenset(trial["subject"] for trial in self.trials if trial["verdict"] != Verdict.NOT_RUN)

    @property
    def not_run(self) -> dict[str, tuple[int, str]]:
        """By subject, how many trials were not run, and why the first of them was not."""
        found: dict[str, tuple[int, str]] = {}
        for trial in self.trials:
            if trial["verdict"] == Verdict.NOT_RUN:
                count, why = found.get(trial["subject"]) or (0, str((trial["error"] or {}).get("message", "")))
                found[trial["subject"]] = count + 1, why
        return found

    @property
    def unmeasured(self) -> frozenset[str]:
        """The subjects that were asked for and of which not one trial was run; without them no set is whole."""
        return frozenset(self.not_run) - self.measured

    @property
    def threads(self) -> dict[str, Record]:
        """What more threads changed, by the path of each run that looked."""
        return {run.path: run.footer["threads"] for run in self.runs if run.footer and "threads" in run.footer}

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Ids of known divergences that a whole plan should have met and did not; none where a part was run."""
        if not self.complete or any(run.header.get("selected") != "all" for run in self.runs):
            return ()
        ran, met = self.measured, {trial["known"]["id"] for trial in self.trials if trial["known"]}
        scopes = {item for run in self.runs for id_, on in run.header.get("known", {}).items() for item in [(id_, *on)]}
        return tuple(sorted(id_ for id_, *subjects in scopes if id_ not in met and ran & set(subjects)))


def merge(paths: Iterable[Path | str]) -> Results:
    """Read several results files as one. The first record of a trial is kept, in the order of the file names."""
    files = sorted({file.resolve(): file for file in map(locate, map(Path, paths))}.values())
    if not files:
        raise HarnessError(f"no results given: name at least one {RESULTS} or a folder that holds one")
    common = Common()
    runs = [read(file, common) for file in files]
    trials, overlaps = _together(runs)
    own = [problem for run in runs for problem in run.problems]
    return Results(runs, trials, (*own, *problems(runs, overlaps)))


def _together(runs: list[Run]) -> tuple[list[Record], list[Overlap]]:
    """All trials in the order of the ids, each once, and which runs have some in common."""
    trials = [trial for run in runs for trial in run.trials]
    ends = list(accumulate(len(run.trials) for run in runs))
    identities = [_identity(trial) for trial in trials]
    kept: list[int] = []
    overlaps: dict[tuple[str, str], Overlap] = {}
    for place in sorted(range(len(trials)), key=identities.__getitem__):
        if not kept or identities[place] != identities[kept[-1]]:
            kept.append(place)
            continue
        path, first = (runs[bisect_right(ends, each)].path for each in (place, kept[-1]))
        overlaps.setdefault((path, first), Overlap(path, first)).add(trials[place], trials[kept[-1]])
    return [trials[place] for place in kept], [overlaps[key] for key in sorted(overlaps)]


def _identity(trial: Record) -> tuple[str, ...]:
    """Tell what makes two records the same measurement: a trial may well be repeated with other versions."""
    return trial["trial"], trial["reference"], trial["subject_version"], trial["reference_version"]
