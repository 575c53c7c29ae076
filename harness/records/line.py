"""A trial of a results file: what the tables and the counts need is at hand, all else is read again when asked for.

A merge may hold a million trials, and a whole record takes some ten kilobytes of memory. Most of what is asked of all
trials is the same in many of them, and is kept once; the long rest (calls, digests, each tensor's comparison) is asked
of the few trials that a page shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.divergence import elements, kind, largest_difference, signature
from harness.errors import HarnessError

# A trial's line as JSON, or as what stands for it here.
Record = Mapping[str, Any]
VERSIONS = ("subject_version", "reference_version")
# What all trials are asked for and many have in common.
_COMMON = (
    *("layer", "family", "file", "tier", "check", "claims", "swept", "reference", "subject", "dtype"),
    *("verdict", "expected", "as_expected", "known", "status", "disagrees", "steady"),
)
# What is worked out of the comparisons, the diagnosis and the error, so that these need not be kept.
_WORKED_OUT = ("signature", "kind", "elements", "largest_difference")
_KEPT = frozenset([*_COMMON, *VERSIONS, *_WORKED_OUT, "trial", "values"])
# The smallest trials of a class are asked for one field after the other.
_LINES_AT_HAND = 64


class Source:
    """A results file, some lines of which are read again."""

    def __init__(self, path: Path) -> None:
        """Open nothing yet."""
        self.path = path
        self.line = lru_cache(_LINES_AT_HAND)(self._line)

    def _line(self, offset: int) -> dict[str, Any]:
        """The JSON object of the line that starts there; empty if there is none any more."""
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return parse(file.readline())
        except OSError as error:
            raise HarnessError(f"{self.path}: cannot be read: {error.strerror}") from error


class Common:
    """What trials share: facts, and the names of their values; one of each kind, however many trials have it."""

    def __init__(self) -> None:
        """Nothing is shared yet."""
        self._facts: dict[str, dict[str, Any]] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}

    def facts(self, facts: dict[str, Any]) -> dict[str, Any]:
        """The same facts, those of the first who had them."""
        return self._facts.setdefault(repr(facts), facts)

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The same names, those of the first who had them."""
        return self._names.setdefault(names, names)


class Line(Mapping[str, Any]):
    """A trial as a mapping: its line of the file, and ``subject_version`` and ``reference_version`` of the header."""

    __slots__ = ("_elements", "_facts", "_largest", "_names", "_offset", "_source", "_trial", "_values")

    def __init__(
        self, record: Mapping[str, Any], versions: Mapping[str, str], common: Common, source: Source, offset: int
    ) -> None:
        """Keep what is asked of all trials, and where the rest is."""
        facts = {name: record[name] for name in _COMMON if name in record}
        facts.update(versions, signature=signature(record), kind=kind(record))
        self._facts = common.facts(facts)
        self._trial: str = record["trial"]
        self._names = common.names(tuple(record["values"]))
        self._values = tuple(record["values"].values())
        largest = largest_difference(record)
        self._largest = 0.0 if largest == 0.0 else largest  # one object for the most frequent number
        self._elements = elements(record)
        self._source, self._offset = source, offset

    def __getitem__(self, name: str) -> Any:
        facts = self._facts
        if name in facts:
            return facts[name]
        if name == "trial":
            return self._trial
        if name == "values":
            return dict(zip(self._names, self._values, strict=True))
        if name == "largest_difference":
            return self._largest
        if name == "elements":
            return self._elements
        if name in _KEPT:
            raise KeyError(name)
        return self._whole()[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a key; asked so often that it is worth its own way to the facts."""
        facts = self._facts
        return facts[name] if name in facts else super().get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._whole(), **dict.fromkeys(VERSIONS)})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _whole(self) -> dict[str, Any]:
        record = self._source.line(self._offset)
        if record.get("trial") != self._trial:
            raise HarnessError(f"{self._source.path}: changed while it was read; wait for the run that writes it")
        return record


def parse(line: bytes) -> dict[str, Any]:
    """The JSON object of a line; empty if it holds none."""
    try:
        record = json.loads(line.decode("utf-8", errors="replace"))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
