"""The ledger: what the measurements say of each claim that a document makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.model import Verdict
from harness.records import Record, Results

HARDLY_ANY = 0.05
_NOT_COUNTED = frozenset({Verdict.WEAK, Verdict.NOT_RUN, Verdict.UNSUPPORTED})


class ClaimVerdict(StrEnum):
    """What became of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    CONDITIONAL = "conditional"
    UNTESTED = "untested"


@dataclass(frozen=True)
class ClaimRow:
    """One claim and what the trials say of it.

    Attributes:
        agreeing: how many of the counted trials went as the document says.
        counted: trials that put the claim to the test; weak, unsupported and not-run ones do not.
        counterexample: id of the smallest trial that did not agree, or empty.
        families: the families that test the claim.
        title: the document's title; empty, as ``where`` and ``says``, where no header holds the claim.
    """

    layer: str
    document: str
    id: str
    verdict: ClaimVerdict
    agreeing: int
    counted: int
    counterexample: str
    families: tuple[str, ...]
    title: str
    where: str
    says: str


def ledger(results: Results) -> list[ClaimRow]:
    """Judge each claim: one row per claim, sorted by layer, document and id."""
    testing: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for trial in results.trials:
        for claim in trial["claims"]:
            testing[trial["layer"], claim].append(trial)
    claims, titles = _stated(results)
    rows = [
        _row(key, claims.get(key, {}), titles, testing.get(key, [])) for key in sorted(claims.keys() | testing.keys())
    ]
    return sorted(rows, key=lambda row: (row.layer, row.document, row.id))


def smallest(trials: Sequence[Record]) -> Record:
    """Pick the trial that is easiest to look at: the lowest sum of absolute integers over its swept values."""
    return min(trials, key=lambda trial: (_size(trial), trial["trial"]))


def _stated(results: Results) -> tuple[dict[tuple[str, str], Record], dict[tuple[str, str], str]]:
    """Collect the claims of all headers, and the titles of the documents, each by layer and id."""
    claims: dict[tuple[str, str], Record] = {}
    titles: dict[tuple[str, str], str] = {}
    for run in results.runs:
        for claim in run.header.get("claims", []):
            claims.setdefault((claim["layer"], claim["id"]), claim)
        for layer, documents in run.header.get("documents", {}).items():
            for id_, document in documents.items():
                titles.setdefault((layer, id_), document.get("title", ""))
    return claims, titles


def _row(key: tuple[str, str], claim: Record, titles: dict[tuple[str, str], str], trials: list[Record]) -> ClaimRow:
    layer, id_ = key
    document = claim.get("document", "")
    counted = [trial for trial in trials if trial["verdict"] not in _NOT_COUNTED]
    against = [trial for trial in counted if not trial["as_expected"]]
    agreeing = len(counted) - len(against)
    return ClaimRow(
        layer=layer,
        document=document,
        id=id_,
        verdict=_judge(agreeing, len(counted)),
        agreeing=agreeing,
        counted=len(counted),
        counterexample=smallest(against)["trial"] if against else "",
        families=tuple(sorted({trial["family"] for trial in trials})),
        title=titles.get((layer, document), ""),
        where=claim.get("where", ""),
        says=claim.get("says", ""),
    )


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
