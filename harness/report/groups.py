"""Divergences, gathered into groups that look alike, so that a page shows a few causes and not hundreds of trials."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.divergence import RED, kind, largest, largest_difference
from harness.ledger.claims import smallest
from harness.matrix import diverges, text
from harness.records import Record

# In the order of interest; what a person has to act on comes first.
STATUS = {
    "new": "new",
    "changed": "not as recorded in known.yaml",
    "unexpected_pass": "unexpected pass",
    "known": "recorded in known.yaml",
    "as_expected": "as the case file expects",
    "not_run": "not run",
}
_LONGEST_MESSAGE = 400
_SIDES = ("reference", "subject")


@dataclass(frozen=True)
class Parameter:
    """A swept parameter: its values in the group, and all values that the family was tested with."""

    name: str
    here: str
    tested: str


@dataclass(frozen=True)
class Group:
    """Trials of one family with the same verdict, diagnosis and known divergence, shown by their smallest trial.

    Attributes:
        of: how many trials of the family were recorded.
        max_abs: the largest difference in the group; ``None`` where no values were compared.
        departure: how the example departs from ``known.yaml``, or else from what the document prints.
        disagrees: which side the adjudicator finds off: subject, reference, both; ``None`` where it was not asked.
        comparisons: those of the example, tensor by tensor.
        link: empty unless it is an http or https address.
    """

    anchor: str
    layer: str
    family: str
    verdict: str
    diagnosis: str
    status: str
    count: int
    of: int
    subjects: tuple[str, ...]
    dtypes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    max_abs: float | None
    example: str
    calls: tuple[tuple[str, str], ...]
    comparisons: tuple[Record, ...]
    documented_shape: Any
    says: str
    departure: str
    disagrees: str | None
    adjudicator: str
    error: str
    reproducer: str
    known: str
    reason: str
    link: str
    trials: frozenset[str]


def gather(trials: Iterable[Record]) -> tuple[Group, ...]:
    """Group every trial that diverges or is not as the case files and ``known.yaml`` say, new ones first."""
    families: dict[tuple[str, str], list[Record]] = defaultdict(list)
    alike: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for trial in trials:
        families[trial["layer"], trial["family"]].append(trial)
        if diverges(trial["verdict"]) or trial["status"] in RED:
            alike[_likeness(trial)].append(trial)
    taken: set[str] = set()
    return tuple(
        _group(anchor(key[1:], taken), alike[key], families[key[1], key[2]]) for key in sorted(alike, key=_by_interest)
    )


def version(trial: Record, side: str) -> str:
    """A side of a trial with its version: ``mindspore@cpu 2.10.0``."""
    return f"{trial[side]} {trial[f'{side}_version']}".strip()


def reason_of(trial: Record) -> str:
    """What the trial's error says, in one line of bearable length; empty where it has none."""
    error = trial.get("error") or {}
    head = ", ".join(str(error[part]) for part in ("side", "phase") if error.get(part))
    tail = ": ".join(str(error[part]) for part in ("type", "message") if error.get(part))
    line = " ".join(": ".join(part for part in (head, tail) if part).split())
    return line if len(line) <= _LONGEST_MESSAGE else line[:_LONGEST_MESSAGE] + " …"


def web_address(link: Any) -> str:
    """The link if a browser may safely follow it, else nothing; a record could hold a script."""
    return str(link) if re.match(r"https?://[^\s<>\"']+\Z", str(link)) else ""


def _likeness(trial: Record) -> tuple[str, ...]:
    diagnosis = kind(trial) or ""
    known = (trial["known"] or {}).get("id", "")
    return trial["status"], trial["layer"], trial["family"], trial["verdict"], diagnosis, known


def _by_interest(key: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    order = list(STATUS)
    return order.index(key[0]) if key[0] in order else len(order), key


def anchor(parts: Iterable[str], taken: set[str]) -> str:
    """An anchor that stays the same from one report to the next, unless two places would share it."""
    stem = re.sub(r"[^a-z0-9]+", "-", "-".join(part for part in parts if part).lower()).strip("-")
    found, number = stem, 1
    while found in taken:
        number += 1
        found = f"{stem}-{number}"
    taken.add(found)
    return found


def _group(place: str, trials: list[Record], family: list[Record]) -> Group:
    example = smallest(trials)
    known, diagnosis = example["known"] or {}, example.get("diagnosis") or {}
    calls = example.get("calls") or {}
    return Group(
        anchor=place,
        layer=example["layer"],
        family=example["family"],
        verdict=example["verdict"],
        diagnosis=diagnosis.get("kind", ""),
        status=example["status"],
        count=len(trials),
        of=len(family),
        subjects=tuple(sorted({version(trial, "subject") for trial in trials})),
        dtypes=tuple(sorted({trial["dtype"] for trial in trials})),
        parameters=_parameters(trials, family),
        max_abs=largest(map(largest_difference, trials)),
        example=example["trial"],
        calls=tuple((f"{side} ({version(example, side)})", calls[side]) for side in _SIDES if calls.get(side)),
        comparisons=tuple(example["comparisons"]),
        documented_shape=example.get("documented_shape"),
        says=diagnosis.get("says", ""),
        departure=example.get("departure") or example.get("undocumented") or "",
        disagrees=example.get("disagrees"),
        adjudicator=example.get("adjudicator") or "",
        error=reason_of(example),
        reproducer=example.get("reproducer") or "",
        known=known.get("id", ""),
        reason=known.get("reason", ""),
        link=web_address(known.get("link", "")),
        trials=frozenset(trial["trial"] for trial in trials),
    )


def _parameters(trials: list[Record], family: list[Record]) -> tuple[Parameter, ...]:
    names = sorted({name for trial in trials for name in trial.get("swept", ())})
    return tuple(Parameter(name, _values(trials, name), _values(family, name)) for name in names)


def _values(trials: list[Record], name: str) -> str:
    """The distinct values of a parameter, numbers in their order and before everything else."""
    found = {str(value): value for value in (text(trial["values"].get(name)) for trial in trials)}
    numbers = sorted((value, shown) for shown, value in found.items() if isinstance(value, int | float))
    others = sorted(shown for shown, value in found.items() if not isinstance(value, int | float))
    return ", ".join([shown for _, shown in numbers] + others)
