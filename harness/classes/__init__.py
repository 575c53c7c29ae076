"""Divergent trials, gathered into classes: two hundred trials with one cause are one finding. A pure function.

What makes a class is decided in three steps.

1. Trials of one *signature* and one *standing*: new, changed or passing against ``known.yaml``, or accepted by the same
   entry of it. So no class holds both what is red and what is accepted, and none hides the one behind the other.
2. What an entry accepts is one class in all of its families: a person has found one cause and has written it down. The
   condition is sought over all of these families at once.
3. What nobody has explained yet is one class in several families of a layer only where one condition tells its trials
   from the others exactly in each of them, and errors are worded alike. Families all of whose trials are of it go with
   such a condition if it holds for all of these trials, else with each other. One that comes close only joins nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.classes.join import Part, evidence, explained, smallest_of, unexplained
from harness.divergence import KNOWN, RED, Signature, departs, signature
from harness.ledger.conditions import RELEASES
from harness.ledger.separate import Condition, Separator
from harness.model import Verdict
from harness.records import Record

STATUSES = (*RED, KNOWN)
_WORDS = {"new": "new", "changed": "changed", "unexpected_pass": "vanished", KNOWN: "known"}
_HASH = 4


@dataclass(frozen=True)
class DivergenceClass:
    """Trials that are one finding.

    Attributes:
        id: the same from run to run, whatever trials there are of other classes.
        status: that of each of its trials.
        condition: what tells its trials from the others of its families.
        known: the entry of ``known.yaml`` that covers the trials; empty for what is new.
        like: for what is red, entries that accept trials of its families with its signature: too narrow?
        trials: ids, the smallest first and then in their order.
        of: how many trials of its families showed anything.
        says: what it looks like or which error it is, by the smallest trial.
        example: the record of the smallest trial: the fewest elements, then the smallest values, then the first id.
    """

    id: str
    signature: Signature
    status: str
    condition: Condition
    families: tuple[str, ...]
    subjects: tuple[str, ...]
    dtypes: tuple[str, ...]
    known: str
    like: tuple[str, ...]
    trials: tuple[str, ...]
    of: int
    says: str
    example: Record = field(compare=False, repr=False)

    @property
    def red(self) -> bool:
        """Whether a run with such a class fails."""
        return self.status in RED

    @property
    def count(self) -> int:
        """How many trials it has."""
        return len(self.trials)

    @property
    def reproducer(self) -> str:
        """The command that shows the smallest trial again."""
        return str(self.example.get("reproducer") or "")


def classes(trials: Sequence[Record]) -> tuple[DivergenceClass, ...]:
    """All classes of these trials: red ones first, then by layer, then those with the most trials."""
    ordered = sorted((trial for trial in trials if Verdict(trial["verdict"]).rated), key=_place)
    families: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for trial in ordered:
        families[trial["layer"], trial["family"]].append(trial)
    alike: dict[tuple[int, Signature, str], list[Part]] = defaultdict(list)
    for (_, name), family in sorted(families.items()):
        for key, places in _divergent(family).items():
            alike[key].append(Part(name, family, places))
    separator = Separator()
    gathered = [
        _Gathered(STATUSES[status], found, entry, parts, condition)
        for (status, found, entry), group in sorted(alike.items())
        for parts, condition in (explained(group, separator) if entry else unexplained(group, separator))
    ]
    return _settled(gathered)


def facts(found: DivergenceClass) -> dict[str, Any]:
    """A class as tables and JSON have it. ``wrong`` is 0 where the condition is exact, ``None`` where there is none."""
    condition = found.condition
    return {
        **{"id": found.id, "status": found.status, **asdict(found.signature), "trials": found.count, "of": found.of},
        **{"condition": condition.text, "wrong": condition.wrong, "when": condition.says},
        **{"families": found.families, "subjects": found.subjects, "dtypes": found.dtypes, "known": found.known},
        **{"says": found.says, "smallest": found.trials[0], "reproducer": found.reproducer},
    }


def counted(found: Iterable[DivergenceClass]) -> str:
    """``1 new class (12 trials), 25 known classes (697 trials)``; new ones are counted even where there are none."""
    found, parts = list(found), []
    for status, word in _WORDS.items():
        counts = [each.count for each in found if each.status == status]
        if counts or status == "new":
            trials = f" ({_number(sum(counts), 'trial')})" if counts else ""
            parts.append(f"{_number(len(counts), f'{word} class')}{trials}")
    return ", ".join(parts)


def _number(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


# -- from trials to classes ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Gathered:
    """A class before it has its name."""

    status: str
    signature: Signature
    entry: str
    parts: Sequence[Part]
    condition: Condition

    @property
    def trials(self) -> list[Record]:
        return sorted((part.trials[place] for part in self.parts for place in part.places), key=_place)

    @property
    def stem(self) -> str:
        """The id, but for what tells two classes of one signature apart."""
        words = re.sub(r"[^a-z0-9]+", "-", str(self.signature).lower()).strip("-")
        return re.sub(r"\b(\w+)-\1\b", r"\1", words)

    @property
    def distinction(self) -> str:
        """What tells it from others of its signature. It should not change with the sweep, so no condition is in it."""
        if self.entry:
            return self.entry if self.status == KNOWN else f"{self.status} {self.entry}"
        everywhere = self.condition.exact and not self.condition.text
        return self.parts[0].wording if everywhere else self.parts[0].family


def _place(trial: Record) -> tuple[str, ...]:
    """The order of trials; one may be measured with several releases."""
    return (trial["trial"], *(str(trial.get(name, "")) for name in RELEASES))


def _divergent(family: Sequence[Record]) -> dict[tuple[int, Signature, str], frozenset[int]]:
    """The places of the divergent trials of a family, by status, signature and entry."""
    found: dict[tuple[int, Signature, str], set[int]] = defaultdict(set)
    for place, trial in enumerate(family):
        if departs(trial):
            entry = (trial["known"] or {}).get("id", "")
            found[STATUSES.index(trial["status"]), signature(trial), entry].add(place)
    return {key: frozenset(places) for key, places in found.items()}


def _settled(gathered: Sequence[_Gathered]) -> tuple[DivergenceClass, ...]:
    """The classes in their order, each with an id of its own."""
    accepted: dict[tuple[Signature, str], set[str]] = defaultdict(set)
    for each in gathered:
        if each.status == KNOWN:
            for part in each.parts:
                accepted[each.signature, part.family].add(each.entry)
    ordered = sorted(gathered, key=lambda each: (STATUSES.index(each.status), *_by_weight(each)))
    taken: set[str] = set()
    return tuple(_named(each, accepted, taken) for each in ordered)


def _by_weight(gathered: _Gathered) -> tuple[str, int, str, str]:
    return gathered.signature.layer, -len(gathered.trials), gathered.stem, gathered.distinction


def _named(gathered: _Gathered, accepted: Mapping[tuple[Signature, str], set[str]], taken: set[str]) -> DivergenceClass:
    trials = gathered.trials
    example = smallest_of(trials)
    departure = str(example.get("departure") or "")
    others = {entry for part in gathered.parts for entry in accepted.get((gathered.signature, part.family), ())}
    return DivergenceClass(
        id=_id(gathered, taken),
        signature=gathered.signature,
        status=gathered.status,
        condition=gathered.condition,
        families=tuple(sorted(part.family for part in gathered.parts)),
        subjects=tuple(sorted({trial["subject"] for trial in trials})),
        dtypes=tuple(sorted({trial["dtype"] for trial in trials})),
        known=gathered.entry,
        like=tuple(sorted(others - {gathered.entry})) if gathered.status in RED else (),
        trials=(example["trial"], *(trial["trial"] for trial in trials if trial is not example)),
        of=sum(len(part.trials) for part in gathered.parts),
        says="; ".join(filter(None, (departure, evidence(example)))),
        example=example,
    )


def _id(gathered: _Gathered, taken: set[str]) -> str:
    """The signature, and a short hash of what tells the class from others of it; a number if two still share it."""
    mark = gathered.distinction
    parts = [gathered.stem, hashlib.sha256(mark.encode()).hexdigest()[:_HASH] if mark else ""]
    stem = "-".join(filter(None, parts))
    found, number = stem, 1
    while found in taken:
        number += 1
        found = f"{stem}-{number}"
    taken.add(found)
    return found
