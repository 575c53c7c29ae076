"""The ledger: what the measurements say of each claim that a document makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from harness.ledger.findings import Finding, key
from harness.model import Verdict
from harness.records import Record, Results

HARDLY_ANY = 0.05
NOT_SOUGHT = "not sought; to find it: python -m harness claims RESULTS, where case files and these releases are at hand"
_NOT_COUNTED = frozenset({Verdict.WEAK, Verdict.NOT_RUN, Verdict.UNSUPPORTED})


class ClaimVerdict(StrEnum):
    """What became of a claim; first what a reader has to know of."""

    REFUTED = "refuted"
    CONDITIONAL = "conditional"
    UNTESTED = "untested"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class ClaimRow:
    """One claim and what the trials say of it.

    Attributes:
        agreeing: how many of the counted trials went as the document says.
        counted: trials that put the claim to the test; weak, unsupported and not-run ones do not.
        condition: when a conditional claim holds, or how to find out; empty for all others.
        right: fresh cases that the condition was right on; ``None``, as the next two, where none was run.
        fresh: how many fresh cases were run.
        beyond: how many of them have a value that the sweep has not.
        counterexample: id of the smallest trial that did not agree, or empty.
        reproducer: the command that runs the counterexample again.
        families: the families that test the claim.
        title: the document's title; empty, as ``where`` and ``says``, where no header holds the claim.
        language: the document's language.
        about: the releases that the document speaks of.
        measured: the releases that the counted trials ran.
    """

    layer: str
    document: str
    id: str
    verdict: ClaimVerdict
    agreeing: int
    counted: int
    condition: str
    right: int | None
    fresh: int | None
    beyond: int | None
    counterexample: str
    reproducer: str
    families: tuple[str, ...]
    title: str
    language: str
    about: str
    measured: str
    where: str
    says: str


@dataclass(frozen=True)
class Conditional:
    """A conditional claim with its evidence.

    Attributes:
        trials: the counted ones.
        taken: ids of all trials of the claim's families, counted or not.
        key: what its finding is kept under.
    """

    layer: str
    id: str
    trials: tuple[Record, ...]
    taken: frozenset[str]
    key: str


@dataclass(frozen=True)
class Unchecked:
    """A statement of a document that no trial can check, and why."""

    layer: str
    document: str
    where: str
    says: str
    because: str


@dataclass(frozen=True)
class DocumentRow:
    """A document: what it is about, what was measured of it, and how many of its claims got which verdict.

    Attributes:
        counts: claims by verdict, every verdict named.
        unchecked: statements that no trial can check.
    """

    layer: str
    id: str
    title: str
    language: str
    about: str
    measured: str
    claims: int
    counts: Mapping[str, int]
    unchecked: int


def by_document(rows: Sequence[ClaimRow], unchecked: Sequence[Unchecked]) -> list[DocumentRow]:
    """One row per document of these claims, sorted by layer and id."""
    grouped: dict[tuple[str, str], list[ClaimRow]] = defaultdict(list)
    for row in rows:
        grouped[row.layer, row.document].append(row)
    return [
        DocumentRow(
            layer=layer,
            id=id_,
            title=group[0].title,
            language=group[0].language,
            about=group[0].about,
            measured="; ".join(sorted({row.measured for row in group} - {""})) or "nothing",
            claims=len(group),
            counts={str(verdict): sum(row.verdict is verdict for row in group) for verdict in ClaimVerdict},
            unchecked=sum((each.layer, each.document) == (layer, id_) for each in unchecked),
        )
        for (layer, id_), group in sorted(grouped.items())
    ]


def ledger(results: Results, found: Mapping[str, Finding] = MappingProxyType({})) -> list[ClaimRow]:
    """Judge each claim: one row per claim, sorted by layer, document and id.

    Args:
        results: what was measured.
        found: the conditions of conditional claims, by key; one of other results has another key.
    """
    testing = _testing(results)
    claims, documents = _stated(results)
    rows = [
        _row(key, claims.get(key, {}), documents, testing.get(key, []), found)
        for key in sorted(claims.keys() | testing.keys())
    ]
    return sorted(rows, key=lambda row: (row.layer, row.document, row.id))


def conditional(results: Results) -> list[Conditional]:
    """The conditional claims, with what a condition can be learned from."""
    by_family: dict[tuple[str, str], set[str]] = defaultdict(set)
    for trial in results.trials:
        by_family[trial["layer"], trial["family"]].add(trial["trial"])
    claims = []
    for (layer, id_), trials in sorted(_testing(results).items()):
        counted = tuple(trial for trial in trials if trial["verdict"] not in _NOT_COUNTED)
        agreeing = sum(bool(trial["as_expected"]) for trial in counted)
        if _judge(agreeing, len(counted)) is ClaimVerdict.CONDITIONAL:
            taken = frozenset[str]().union(*(by_family[layer, trial["family"]] for trial in trials))
            claims.append(Conditional(layer, id_, counted, taken, key(layer, id_, counted)))
    return claims


def unchecked(results: Results) -> list[Unchecked]:
    """The statements that no trial can check, from all headers, each once, sorted by layer, document and place."""
    names = [field.name for field in fields(Unchecked)]
    found = {
        Unchecked(**{name: str(entry.get(name, "")) for name in names})
        for run in results.runs
        for entry in run.header.get("unchecked", [])
    }
    return sorted(found, key=lambda each: (each.layer, each.document, each.where, each.says))


def smallest(trials: Sequence[Record]) -> Record:
    """Pick the trial that is easiest to look at: the lowest sum of absolute integers over its swept values."""
    return min(trials, key=lambda trial: (_size(trial), trial["trial"]))


_Documents = dict[tuple[str, str], Record]


def _testing(results: Results) -> dict[tuple[str, str], list[Record]]:
    testing: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for trial in results.trials:
        for claim in trial["claims"]:
            testing[trial["layer"], claim].append(trial)
    return testing


def _stated(results: Results) -> tuple[dict[tuple[str, str], Record], _Documents]:
    """Collect the claims and the documents of all headers, each by layer and id."""
    claims: dict[tuple[str, str], Record] = {}
    documents: _Documents = {}
    for run in results.runs:
        for claim in run.header.get("claims", []):
            claims.setdefault((claim["layer"], claim["id"]), claim)
        for layer, stated in run.header.get("documents", {}).items():
            for id_, document in stated.items():
                documents.setdefault((layer, id_), document)
    return claims, documents


def _row(
    key_: tuple[str, str], claim: Record, documents: _Documents, trials: list[Record], found: Mapping[str, Finding]
) -> ClaimRow:
    layer, id_ = key_
    name = claim.get("document", "")
    document = documents.get((layer, name), {})
    counted = [trial for trial in trials if trial["verdict"] not in _NOT_COUNTED]
    against = [trial for trial in counted if not trial["as_expected"]]
    agreeing = len(counted) - len(against)
    verdict = _judge(agreeing, len(counted))
    finding = found.get(key(layer, id_, counted)) if verdict is ClaimVerdict.CONDITIONAL else None
    example = smallest(against) if against else {}
    return ClaimRow(
        layer=layer,
        document=name,
        id=id_,
        verdict=verdict,
        agreeing=agreeing,
        counted=len(counted),
        condition=_condition(verdict, finding),
        right=finding.right if finding else None,
        fresh=finding.fresh if finding else None,
        beyond=finding.beyond if finding else None,
        counterexample=example.get("trial", ""),
        reproducer=example.get("reproducer") or "",
        families=tuple(sorted({trial["family"] for trial in trials})),
        title=document.get("title", ""),
        language=document.get("language", ""),
        about=_about(document),
        measured=_measured(counted),
        where=claim.get("where", ""),
        says=claim.get("says", ""),
    )


def _condition(verdict: ClaimVerdict, finding: Finding | None) -> str:
    if verdict is not ClaimVerdict.CONDITIONAL:
        return ""
    return finding.text if finding else NOT_SOUGHT


def _about(document: Record) -> str:
    """The releases that a document speaks of: ``mindspore 2.1, torch 1.8.1``."""
    named = [f"{side} {document[side]}" for side in ("mindspore", "torch") if document.get(side)]
    return ", ".join(named) or "no release"


def _measured(trials: Iterable[Record]) -> str:
    """The releases that these trials ran: ``mindspore 2.10.0, torch 2.13.0``."""
    sides = [(trial, side) for trial in trials for side in ("subject", "reference")]
    found = {(trial[side].partition("@")[0], trial.get(f"{side}_version") or "") for trial, side in sides}
    return ", ".join(" ".join(pair).strip() for pair in sorted(found))


def _judge(agreeing: int, counted: int) -> ClaimVerdict:
    if not counted:
        return ClaimVerdict.UNTESTED
    if agreeing == counted:
        return ClaimVerdict.CONFIRMED
    return ClaimVerdict.REFUTED if agreeing <= HARDLY_ANY * counted else ClaimVerdict.CONDITIONAL


def _size(trial: Record) -> int:
    values: Record = trial["values"]
    return _magnitude(values[name] for name in trial.get("swept", values) if name in values)


def _magnitude(values: Iterable[Any]) -> int:
    """Sum of absolute integers, through nested lists; what is not an integer weighs nothing."""
    return sum(
        _magnitude(value) if isinstance(value, list | tuple) else abs(value) if isinstance(value, int) else 0
        for value in values
    )
