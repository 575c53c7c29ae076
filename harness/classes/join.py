"""Which families' trials of one signature are one finding, and under which condition."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from harness.divergence import elements
from harness.ledger.claims import smallest
from harness.ledger.separate import Condition, Separator, fits
from harness.model import AGREEMENT
from harness.records import Record

# Each condition is tried on each other family of the same signature, so their number counts squared.
_MOST_FAMILIES = 40
_LONGEST_ERROR = 200
# Addresses, what is quoted or in brackets, numbers: errors of one kind differ in these.
_PARTICULARS = re.compile(r"0x\w+|(['\"]).*?\1|[\[({].*?[\])}]|\d+")


@dataclass(frozen=True, eq=False)
class Part:
    """A family, and which of its trials are meant."""

    family: str
    trials: Sequence[Record]
    places: frozenset[int]

    @property
    def wording(self) -> str:
        """How the smallest one's error is worded, whatever names and numbers it speaks of."""
        example = smallest_of([self.trials[place] for place in self.places])
        return "" if example.get("diagnosis") else _PARTICULARS.sub("_", evidence(example))


_Joined = tuple[Sequence[Part], Condition]


def explained(parts: Sequence[Part], separator: Separator) -> list[_Joined]:
    """What one entry covers: one class, with the condition over all families at once, or else family by family."""
    trials = list(chain.from_iterable(part.trials for part in parts))
    starts = [sum(len(part.trials) for part in parts[:number]) for number in range(len(parts))]
    inside = {start + place for start, part in zip(starts, parts, strict=True) for place in part.places}
    together = separator.condition(trials, inside)
    if together.exact or len(parts) == 1:
        return [(parts, together)]
    own = [(part.family, separator.condition(part.trials, part.places)) for part in parts]
    if not all(condition.exact for _, condition in own):
        return [(parts, together)]
    texts = [f"family == {name!r}{f' and ({each.text})' if each.text else ''}" for name, each in own]
    return [(parts, Condition(" or ".join(texts), 0, len(trials)))]


def unexplained(parts: Sequence[Part], separator: Separator) -> list[_Joined]:
    """Classes of one signature that no entry covers: families are joined where one condition fits them exactly."""
    found = [(part, separator.condition(part.trials, part.places)) for part in parts]
    everywhere: dict[str, list[Part]] = defaultdict(list)
    conditional: dict[str, list[tuple[Part, Condition]]] = defaultdict(list)
    joined: list[_Joined] = []
    for part, condition in found:
        if not condition.exact:
            joined.append(([part], condition))
        elif condition.text:
            conditional[part.wording].append((part, condition))
        else:
            everywhere[part.wording].append(part)
    for wording in sorted(conditional.keys() | everywhere.keys()):
        joined += _joined(conditional[wording], everywhere[wording])
    return joined


def _joined(left: list[tuple[Part, Condition]], everywhere: list[Part]) -> list[_Joined]:
    """Parts by condition: the one that fits the most of them first, the shortest of several.

    A family all of whose trials diverge tells nothing of when others do not, and so goes with a condition that the
    others have shown, where it fits.
    """
    texts = sorted({condition.text for _, condition in left})
    few = len(left) + len(everywhere) <= _MOST_FAMILIES
    fitted = {
        text: [part.family for part, own in left if own.text == text or (few and fits(text, part.trials, part.places))]
        for text in texts
    }
    joined: list[_Joined] = []
    while left:
        names = {part.family for part, _ in left}
        best = min(texts, key=lambda text: (-len(names.intersection(fitted[text])), len(text), text))
        taken = [part for part, _ in left if part.family in fitted[best]]
        also = [part for part in everywhere if few and fits(best, part.trials, part.places)]
        joined.append(([*taken, *also], Condition(best, 0, _trials([*taken, *also]))))
        left = [each for each in left if each[0] not in taken]
        everywhere = [part for part in everywhere if part not in also]
    return joined + ([(everywhere, Condition(of=_trials(everywhere)))] if everywhere else [])


def _trials(parts: Iterable[Part]) -> int:
    return sum(len(part.trials) for part in parts)


# -- one trial for all -----------------------------------------------------------------------------------------------


def smallest_of(trials: Sequence[Record]) -> Record:
    """The simplest example: the fewest elements compared, then the smallest swept values, then the first id."""
    fewest = min(map(elements, trials))
    return smallest([trial for trial in trials if elements(trial) == fewest])


def evidence(record: Record) -> str:
    """What a trial looks like, in a sentence."""
    found = [_error(record), str(record.get("undocumented") or "")]
    if record.get("diagnosis"):
        found.insert(0, str(record["diagnosis"]["says"]))
    if not any(found):
        measured = "both sides agree" if record["verdict"] in AGREEMENT else f"measured is {_words(record['verdict'])}"
        found = [f"{measured}, where the document says {_words(record['expected'])}"]
    return "; ".join(filter(None, found))


def _error(record: Record) -> str:
    """Who fails where, and the first line of what it says: the rest is often a stack."""
    error = record.get("error")
    if not error:
        return ""
    where = f"{error['side']} at {error['phase']}: " if error.get("side") else ""
    lines = [" ".join(line.split()) for line in str(error.get("message") or "").splitlines() if line.strip()] or [""]
    said = lines[0] if len(lines[0]) <= _LONGEST_ERROR else f"{lines[0][:_LONGEST_ERROR]} …"
    return ": ".join(filter(None, (f"{where}{error.get('type') or ''}", said)))


def _words(name: str) -> str:
    return str(name).replace("_", " ")
