"""Subjects side by side: where one gives another verdict than the others do in the same case. A pure function."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.matrix import agrees
from harness.model import Verdict
from harness.records import Record

AGREE = "agree"


@dataclass(frozen=True)
class BesideRow:
    """A family in which subjects differ.

    Attributes:
        cases: how many of its cases, counted by dtype, all subjects ran.
        differing: in how many of these they differ.
        verdicts: of each subject over all of these cases: ``agree 10, value 2``.
    """

    layer: str
    family: str
    cases: int
    differing: int
    verdicts: tuple[str, ...]


@dataclass(frozen=True)
class Beside:
    """Subjects with their versions, how many cases all of them ran, and the families in which they differ."""

    subjects: tuple[str, ...]
    cases: int
    rows: tuple[BesideRow, ...]


def beside(trials: Iterable[Record]) -> Beside | None:
    """The subjects that were measured, side by side; ``None`` of a single one, or where no case was run by all."""
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = defaultdict(dict)
    subjects: dict[str, None] = {}
    for trial in trials:
        if Verdict(trial["verdict"]).rated:
            name = f"{trial['subject']} {trial['subject_version']}".strip()
            subjects[name] = None
            case = trial["trial"].removesuffix(f",{trial['subject']}")
            found[trial["layer"], trial["family"]].setdefault(case, {})[name] = _word(trial["verdict"])
    named = tuple(sorted(subjects, key=_natural))
    common = {family: [case for case in cases.values() if len(case) == len(named)] for family, cases in found.items()}
    ran = sum(map(len, common.values()))
    rows = (_row(*family, cases, named) for family, cases in sorted(common.items()))
    return Beside(named, ran, tuple(row for row in rows if row.differing)) if len(named) > 1 and ran else None


def _natural(name: str) -> list[tuple[int, str]]:
    """With numbers in their order: 2.10 comes after 2.9."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _row(layer: str, family: str, cases: Sequence[Mapping[str, str]], subjects: tuple[str, ...]) -> BesideRow:
    differing = sum(len(set(case.values())) > 1 for case in cases)
    return BesideRow(
        layer, family, len(cases), differing, tuple(_counts(case[name] for case in cases) for name in subjects)
    )


def _counts(words: Iterable[str]) -> str:
    order = [AGREE, *Verdict]
    counts = Counter(words)
    return ", ".join(f"{word} {counts[word]}" for word in sorted(counts, key=order.index))


def _word(verdict: str) -> str:
    """The verdict, the two kinds of equality and a rejection by both being one: rounding is no news."""
    return AGREE if agrees(verdict) else verdict
