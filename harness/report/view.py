"""Everything that the pages say, worked out before any page is laid out. Both templates only show this."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from harness.classes import classes, counted
from harness.divergence import RED
from harness.ledger.claims import ClaimRow, ClaimVerdict, DocumentRow, Unchecked, by_document, ledger, unchecked
from harness.ledger.findings import Finding
from harness.matrix import AGAIN, agrees, diverges, frame, tally
from harness.model import Verdict
from harness.records import OUTPUT, Record, Results, check
from harness.report.beside import Beside, beside
from harness.report.changes import Changes, changes, describe
from harness.report.classrows import ClassRow, class_rows
from harness.report.groups import Group, anchor, gather, reason_of, version

_TARGET_COLUMNS = ("framework", "version", "device", "isa", "threads")
_RUN_COLUMNS = ["time", "shard", "tier", "selected", "planned", "harness", "python", "platform", "cpu"]
_PLAN_HASH = 12


@dataclass(frozen=True)
class MatrixRow:
    """Trials per verdict for one layer on one subject; ``rate`` is ``None`` where nothing was rated.

    ``twice`` and ``threads`` say how often the same call gave the same again, at once or on more threads.
    """

    layer: str
    subject: str
    counts: tuple[tuple[str, int], ...]
    trials: int
    diverging: int
    rate: float | None
    anchor: str = ""
    twice: str = "-"
    threads: str = "-"


@dataclass(frozen=True)
class NotMeasured:
    """Trials that say nothing about either side, and why."""

    target: str
    reason: str
    trials: int


@dataclass(frozen=True)
class Coverage:
    """How much of a family's parameter space was tried."""

    layer: str
    family: str
    combinations: Any
    product: Any
    excluded: Any
    strength: Any
    coverage: Any
    trials: int
    diverging: int
    anchor: str


@dataclass(frozen=True)
class Claim:
    """A row of the ledger, and where on the page its counterexample is explained and its families' coverage shown."""

    row: ClaimRow
    anchor: str
    families: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Provenance:
    """One results file: the facts of the run, and those of each target."""

    path: str
    facts: tuple[tuple[str, str], ...]
    targets: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True)
class View:
    """What the pages show. ``problems`` is empty exactly when the results are whole.

    ``verdict`` and ``matrix`` are about outputs; what else is checked has a sentence of its own, which may be empty.
    Classes are of both; ``counted`` says how many there are, and the red ones come first.
    """

    title: str
    counted: str
    classes: tuple[ClassRow, ...]
    verdict: str
    checks: str
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    verdicts: tuple[str, ...]
    matrix: tuple[MatrixRow, ...]
    total: MatrixRow
    beside: Beside | None
    changes: Changes | None
    groups: tuple[Group, ...]
    not_measured: tuple[NotMeasured, ...]
    documents: tuple[DocumentRow, ...]
    claims: tuple[Claim, ...]
    unchecked: tuple[Unchecked, ...]
    coverage: tuple[Coverage, ...]
    provenance: tuple[Provenance, ...]

    @property
    def red(self) -> list[ClassRow]:
        """Classes that nobody has accepted as they are."""
        return [row for row in self.classes if row.found.red]

    @property
    def accepted(self) -> list[ClassRow]:
        """The others."""
        return [row for row in self.classes if not row.found.red]


def build(
    results: Results,
    against: Results | None = None,
    found: Mapping[str, Finding] = MappingProxyType({}),
    table: pd.DataFrame | None = None,
) -> View:
    """Work out the page for these results and found conditions, and what is new or fixed since the older results.

    The ``table`` is the results' frame, where there is one already.
    """
    groups, gathered = gather(results.trials), classes(results.trials)
    findings = class_rows(gathered, groups)
    coverage = _coverage(results, {each.anchor for each in groups} | {each.anchor for each in findings})
    table = frame(results, values=False) if table is None else table
    rows, judged, outside = _matrix(table, groups), ledger(results, found), unchecked(results)
    return View(
        title=f"Conformance of {describe(results)}",
        counted=f"{counted(gathered)}.",
        classes=findings,
        verdict=verdict_sentence(results.trials),
        checks=checks_sentence(results.trials),
        notes=_notes(results),
        problems=results.problems,
        verdicts=tuple(verdict.value for verdict in Verdict if (table["verdict"] == verdict.value).any()),
        matrix=rows,
        total=_total(rows),
        beside=beside(results.trials),
        changes=changes(results, against) if against else None,
        groups=groups,
        not_measured=_not_measured(results),
        documents=tuple(by_document(judged, outside)),
        claims=_claims(judged, groups, coverage),
        unchecked=tuple(outside),
        coverage=coverage,
        provenance=tuple(_provenance(run.path, run.header, len(run.trials)) for run in results.runs),
    )


def verdict_sentence(trials: Sequence[Record]) -> str:
    """The first sentence of the page: how many trials of outputs diverge, and how many of those nobody knew of."""
    rated = [trial for trial in trials if check(trial) == OUTPUT and Verdict(trial["verdict"]).rated]
    diverging = [trial for trial in rated if diverges(trial["verdict"])]
    expected = sum(trial["status"] == "as_expected" for trial in diverging)
    known = sum(trial["status"] == "known" for trial in diverging)
    changed = sum(trial["status"] == "changed" for trial in diverging)
    new = len(diverging) - expected - known - changed
    if not rated:
        return "No trial gave a result."
    if not diverging:
        return f"None of {len(rated):,} trials diverges."
    kinds = {"as the case files expect": expected, "as recorded in known.yaml": known}
    present = [(count, words) for words, count in kinds.items() if count]
    parts = [f"{'all ' if count == len(diverging) > 1 else ''}{count:,} {words}" for count, words in present]
    departed = f", {changed:,} no longer as recorded in known.yaml" if changed else ""
    verb = "diverges" if len(diverging) == 1 else "diverge"
    shown = f": {', '.join(parts)}" if len(parts) > 1 else f", {parts[0]}" if parts else ""
    return f"{len(diverging):,} of {len(rated):,} trials {verb}{shown}; {new:,} new{departed}."


def checks_sentence(trials: Sequence[Record]) -> str:
    """How many trials of anything but outputs depart from the documents; empty where there are none."""
    rated = [trial for trial in trials if check(trial) != OUTPUT and Verdict(trial["verdict"]).rated]
    if not rated:
        return ""
    departing = [trial for trial in rated if not trial["as_expected"]]
    new = sum(trial["status"] in RED for trial in rated)
    verb = "departs" if len(departing) == 1 else "depart"
    return (
        f"{len(departing):,} of {len(rated):,} checks of signatures, states and initial values {verb} from the "
        f"documents, {new:,} new."
    )


def _notes(results: Results) -> tuple[str, ...]:
    """Sentences that keep the first one from being read as more than it is."""
    outputs = [trial for trial in results.trials if check(trial) == OUTPUT]
    calm = [trial for trial in outputs if not diverges(trial["verdict"])]
    counts = {
        "agree where a document says otherwise, as recorded in known.yaml": [t for t in calm if t["status"] == "known"],
        "more went otherwise than the case files say, without diverging": [
            t for t in calm if t["status"] in ("new", "changed")
        ],
        "passed although known.yaml records a divergence": [t for t in calm if t["status"] == "unexpected_pass"],
        "could not be run": [t for t in calm if t["verdict"] == Verdict.NOT_RUN],
        "proved nothing, because the comparison could not have failed": [
            t for t in calm if t["verdict"] == Verdict.WEAK
        ],
    }
    notes = [f"Trials that {words}: {len(found):,}." for words, found in counts.items() if found]
    notes += [
        f"No trial met the known divergence '{id_}': its entry in known.yaml is stale." for id_ in results.unmatched
    ]
    return (*notes, *(f"Only a part of the plan was selected: {each}." for each in results.narrowed))


def _matrix(table: pd.DataFrame, groups: tuple[Group, ...]) -> tuple[MatrixRow, ...]:
    anchors: dict[str, str] = {}
    for group in groups:
        anchors.setdefault(group.layer, group.anchor)
    counted = tally(table, ["layer", "subject", "subject_version"])
    rows = []
    for index, counts in zip(counted.index, counted.to_dict("records"), strict=True):
        layer, subject, release = index
        trials, diverging, rate = int(counts.pop("trials")), int(counts.pop("diverging")), counts.pop("rate")
        again = {name: int(counts.pop(name)) for name in AGAIN}
        twice = _same(again["repeated"], again["repeat_differs"])
        threads = _same(again["threaded"], again["threads_differ"])
        numbers = tuple((str(verdict), int(count)) for verdict, count in counts.items())
        share = None if pd.isna(rate) else float(rate)
        anchor = anchors.get(layer, "") if diverging else ""
        name = f"{subject} {release}".strip()
        rows.append(MatrixRow(layer, name, numbers, trials, diverging, share, anchor, twice, threads))
    return tuple(rows)


def _same(asked: int, differ: int) -> str:
    return f"{asked - differ} of {asked}" if asked else "-"


def _total(rows: tuple[MatrixRow, ...]) -> MatrixRow:
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(dict(row.counts))
    agreeing = sum(count for verdict, count in counts.items() if agrees(verdict))
    diverging = sum(row.diverging for row in rows)
    rate = agreeing / (agreeing + diverging) if agreeing + diverging else None
    return MatrixRow("All layers", "", tuple(counts.items()), sum(row.trials for row in rows), diverging, rate)


def _not_measured(results: Results) -> tuple[NotMeasured, ...]:
    reasons = {
        target: reason for run in results.runs for target, reason in sorted(run.header.get("not_run", {}).items())
    }
    counts: Counter[tuple[str, str]] = Counter()
    for trial in results.trials:
        if trial["verdict"] == Verdict.WEAK:
            counts[version(trial, "subject"), "weak: the comparison could not have failed"] += 1
        elif trial["verdict"] == Verdict.NOT_RUN:
            target = trial["reference"] if trial["reference"] in reasons else trial["subject"]
            counts[target, str(reasons.get(target) or reason_of(trial) or "no reason recorded")] += 1
    # A target that was asked for and has no trial in any run is still something that was not run.
    met = {trial[side] for trial in results.trials for side in ("subject", "reference")}
    unseen = [(target, str(reason)) for target, reason in reasons.items() if target not in met]
    return tuple(NotMeasured(*key, counts[key]) for key in sorted([*counts, *unseen]))


def _claims(rows: Sequence[ClaimRow], groups: tuple[Group, ...], coverage: tuple[Coverage, ...]) -> tuple[Claim, ...]:
    anchors = {trial: group.anchor for group in groups for trial in group.trials}
    covered = {(row.layer, row.family): row.anchor for row in coverage}
    order = list(ClaimVerdict)
    return tuple(
        Claim(
            row, anchors.get(row.counterexample, ""), tuple((name, covered[row.layer, name]) for name in row.families)
        )
        for row in sorted(rows, key=lambda row: (row.layer, order.index(row.verdict)))
    )


def _coverage(results: Results, anchors: set[str]) -> tuple[Coverage, ...]:
    taken = set(anchors)
    stated: dict[tuple[str, str], Record] = {}
    for run in results.runs:
        for row in run.header.get("coverage", []):
            stated.setdefault((row["layer"], row["family"]), row)
    verdicts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for trial in results.trials:
        verdicts[trial["layer"], trial["family"]].append(trial["verdict"])
    rows = []
    for key in sorted(stated.keys() | verdicts.keys()):
        row, found = stated.get(key, {}), verdicts.get(key, [])
        facts: Record = {
            name: row.get(name) for name in ("combinations", "product", "excluded", "strength", "coverage")
        }
        place = anchor(("coverage", *key), taken)
        rows.append(Coverage(*key, trials=len(found), diverging=sum(map(diverges, found)), anchor=place, **facts))
    return tuple(rows)


def _provenance(path: str, header: Record, recorded: int) -> Provenance:
    facts = [(name, str(header.get(name, "not recorded"))) for name in _RUN_COLUMNS]
    facts += [("recorded", str(recorded)), ("plan", str(header.get("plan", "not recorded"))[:_PLAN_HASH])]
    facts += [(f"setting {name}", str(value)) for name, value in sorted(header.get("settings", {}).items())]
    targets = []
    for name, target in sorted(header.get("targets", {}).items()):
        rest = sorted(target.keys() - set(_TARGET_COLUMNS))
        named = [key for key in _TARGET_COLUMNS if key in target]
        targets.append((name, tuple((key, str(target[key])) for key in [*named, *rest])))
    return Provenance(path, tuple(facts), tuple(targets))
