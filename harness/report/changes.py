"""What is different from older results: new and fixed classes; newly divergent, fixed and no longer measured trials."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from harness.classes import DivergenceClass, classes
from harness.divergence import departs, signature
from harness.ledger.claims import smallest
from harness.matrix import diverges
from harness.model import Verdict
from harness.records import Record, Results

NEW, FIXED, CHANGED, LOST = "new", "fixed", "diverges differently", "no longer measured"
_KINDS = (NEW, FIXED, CHANGED, LOST)
ABSENT = "absent"


@dataclass(frozen=True)
class Change:
    """Trials of one family that went from one verdict to another; ``absent`` stands for no record."""

    kind: str
    layer: str
    family: str
    before: str
    after: str
    count: int
    example: str


@dataclass(frozen=True)
class ClassChange:
    """A class of divergences that came or went.

    It is new if none of its trials had its signature before, whatever the classes were called and whoever knew of them;
    it has gone if none has it any more: fixed, unless some of them diverge differently or none was measured.
    """

    kind: str
    found: DivergenceClass


@dataclass(frozen=True)
class Changes:
    """All changes against the older results, which ``older`` names, and what was wrong with those."""

    older: str
    class_counts: tuple[tuple[str, int], ...]
    classes: tuple[ClassChange, ...]
    counts: tuple[tuple[str, int], ...]
    rows: tuple[Change, ...]
    problems: tuple[str, ...]


def changes(results: Results, against: Results) -> Changes:
    """Compare trial by trial; where a trial was measured with several versions, its newest one counts."""
    now, before = _newest(results), _newest(against)
    alike: dict[tuple[int, str, str, str, str], list[Record]] = defaultdict(list)
    for id_ in now.keys() | before.keys():
        trial = now.get(id_) or before[id_]
        was, is_ = _verdict(before.get(id_)), _verdict(now.get(id_))
        kind = _kind(was, is_)
        if kind:
            alike[_KINDS.index(kind), trial["layer"], trial["family"], was, is_].append(trial)
    rows = tuple(
        Change(_KINDS[kind], layer, family, was, is_, len(trials), smallest(trials)["trial"])
        for (kind, layer, family, was, is_), trials in sorted(alike.items())
    )
    counts = tuple((kind, sum(row.count for row in rows if row.kind == kind)) for kind in _KINDS)
    found = tuple(sorted(_class_changes(now, before), key=lambda each: _KINDS.index(each.kind)))
    class_counts = tuple((kind, sum(each.kind == kind for each in found)) for kind in _KINDS)
    return Changes(describe(against), class_counts, found, counts, rows, against.problems)


def _class_changes(now: dict[str, Record], before: dict[str, Record]) -> Iterator[ClassChange]:
    is_, was = ({id_: signature(trial) for id_, trial in each.items() if departs(trial)} for each in (now, before))
    for each in classes(list(now.values())):
        if not any(was.get(id_) == each.signature for id_ in each.trials):
            yield ClassChange(NEW, each)
    for each in classes(list(before.values())):
        if not any(is_.get(id_) == each.signature for id_ in each.trials):
            measured = any(Verdict(now[id_]["verdict"]).rated for id_ in each.trials if id_ in now)
            yield ClassChange(CHANGED if is_.keys() & set(each.trials) else FIXED if measured else LOST, each)


def describe(results: Results) -> str:
    """The subjects and references of the results with their versions: ``mindspore 2.10.0 against torch 2.13.0``.

    What is held against itself is named whole: ``torch@cpu+avx512 2.13.0 against torch@cpu 2.13.0``.
    """
    sides = []
    for side in ("subject", "reference"):
        pairs = {(_name(trial, side), trial[f"{side}_version"]) for trial in results.trials}
        # A target that did not run has no version, and adds nothing beside one of the same framework that did.
        versioned = {name for name, release in pairs if release}
        shown = sorted(pair for pair in pairs if pair[1] or pair[0] not in versioned)
        sides.append(" and ".join(" ".join(pair).strip() for pair in shown))
    return " against ".join(sides) if all(sides) else "no trials"


def _name(trial: Record, side: str) -> str:
    frameworks = [trial[each].partition("@")[0] for each in (side, "subject", "reference")]
    return str(trial[side]) if frameworks[1] == frameworks[2] else frameworks[0]


def _newest(results: Results) -> dict[str, Record]:
    newest: dict[str, Record] = {}
    for trial in results.trials:
        held = newest.get(trial["trial"])
        if held is None or _release(trial) >= _release(held):
            newest[trial["trial"]] = trial
    return newest


def _release(trial: Record) -> tuple[list[int], list[int]]:
    """The versions as numbers, because 2.10 is newer than 2.9."""
    subject, reference = (re.findall(r"\d+", str(trial[f"{side}_version"])) for side in ("subject", "reference"))
    return [int(part) for part in subject], [int(part) for part in reference]


def _verdict(trial: Record | None) -> str:
    return trial["verdict"] if trial else ABSENT


def _kind(before: str, after: str) -> str:
    """Name the change; empty where nothing changed that a reader would act on."""
    measured = before != ABSENT and Verdict(before).rated
    if after == ABSENT or not Verdict(after).rated:
        return LOST if measured else ""
    if not diverges(after):
        return FIXED if measured and diverges(before) else ""
    if not (measured and diverges(before)):
        return NEW
    return CHANGED if before != after else ""
