"""What was found out of a conditional claim: the condition, and how it fared on cases that it was not learned from.

Findings are kept beside the results that they were learned from, each under a key that holds the evidence, so that one
that belongs to other results is never taken for theirs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.records import Record, write_atomic

CONDITIONS = "conditions.json"
# A condition that is right on fewer of the fresh cases is no answer.
ENOUGH = 0.9


class State(StrEnum):
    """How far a finding can be trusted."""

    CHECKED = "checked"  # on fresh cases
    EXHAUSTIVE = "exhaustive"  # every case there is has been tried
    UNCHECKED = "unchecked"  # no fresh case could be run
    FAILED = "failed"  # no condition was found, or the search came to no end


@dataclass(frozen=True)
class Finding:
    """One claim's condition.

    Attributes:
        expression: as in a case file; for ``failed``, why there is none.
        right: fresh cases that the condition was right on; ``None`` where it was not checked.
        fresh: how many fresh cases ran.
        beyond: how many of them have a value that the sweep has not.
        holding: how many of them are on the side where the condition holds.
        misfits: recorded trials that the condition is wrong on.
        trials: recorded trials that it was learned from.
    """

    state: State
    expression: str
    right: int | None = None
    fresh: int | None = None
    beyond: int | None = None
    holding: int | None = None
    misfits: int = 0
    trials: int = 0

    @property
    def share(self) -> float | None:
        """Right over fresh; ``None`` where no fresh case ran."""
        return self.right / self.fresh if self.right is not None and self.fresh else None

    @property
    def text(self) -> str:
        """The finding in a sentence."""
        if self.state is State.FAILED:
            return f"no condition: {self.expression}"
        if self.state is State.EXHAUSTIVE:
            return f"holds {self._when}: exhaustive, every case there is was tried{self._also}"
        if self.state is State.UNCHECKED:
            return f"holds {self._when}, by the run's trials alone: no fresh case could be run{self._also}"
        if (self.share or 0.0) < ENOUGH:
            return f"no short condition found; the best one, {self.expression}, is {self._numbers}{self._also}"
        return f"{'holds' if self.right == self.fresh else 'nearly holds'} {self._when}: {self._numbers}{self._also}"

    @property
    def _when(self) -> str:
        return self.expression if self.expression.startswith("for all but") else f"iff {self.expression}"

    @property
    def _numbers(self) -> str:
        beyond = f", {self.beyond} of them beyond the sweep" if self.beyond else ""
        sides = {self.fresh: ", none where it should not hold", 0: ", none where it should hold"}
        return f"right on {self.right} of {self.fresh} fresh cases{beyond}{sides.get(self.holding, '')}"

    @property
    def _also(self) -> str:
        return f"; wrong on {self.misfits} of {self.trials} trials of the run" if self.misfits else ""


def key(layer: str, claim: str, trials: Iterable[Record]) -> str:
    """What a finding is kept under: it changes with any trial, its version, and whether it agreed."""
    seen = sorted(
        f"{trial['trial']} {trial.get('reference_version')} {trial.get('subject_version')} "
        f"{bool(trial['as_expected'])} {json.dumps(trial.get('values'), sort_keys=True, default=str)}"
        for trial in trials
    )
    subjects = "+".join(sorted({line.split()[0].rpartition(",")[2] for line in seen}))
    return f"{layer}/{claim}/{subjects}/{hashlib.sha256(chr(10).join(seen).encode()).hexdigest()[:16]}"


def load(folders: Iterable[Path]) -> dict[str, Finding]:
    """The findings kept in these folders, by key. What cannot be read is as good as not there."""
    found: dict[str, Finding] = {}
    for folder in folders:
        try:
            kept = json.loads((folder / CONDITIONS).read_text(encoding="utf-8"))
            found.update({name: parse(entry) for name, entry in kept.items()})
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            continue
    return found


def save(folder: Path, found: Mapping[str, Finding]) -> None:
    """Keep findings in a folder, in place of those that are there."""
    kept = {name: asdict(finding) for name, finding in sorted(found.items())}
    write_atomic(folder / CONDITIONS, json.dumps(kept, indent=1) + "\n")


def parse(entry: Mapping[str, Any]) -> Finding:
    """A finding from its JSON. Raises KeyError, TypeError or ValueError for anything else."""
    return Finding(**{**entry, "state": State(entry["state"])})


def departing(trials: Sequence[Record], *, whole: bool) -> Finding:
    """The finding of a claim about signatures: which parameters depart, of all there are if the results are whole."""
    names = {False: set[str](), True: set[str]()}
    for trial in trials:
        names[bool(trial["as_expected"])].add(str(trial["values"].get("parameter", trial["case"])))
    state = State.EXHAUSTIVE if whole else State.UNCHECKED
    return Finding(state, f"for all but {', '.join(sorted(names[False]))}", trials=len(trials))
