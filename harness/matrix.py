"""Records as a DataFrame, and the divergence matrix that is counted from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.divergence import kind, largest_difference
from harness.errors import HarnessError, did_you_mean
from harness.model import AGREEMENT, Verdict
from harness.records import OUTPUT, Record, Results, check

VALUE = "value."
# How often the subject was asked again, at once or on more threads, and how often it gave another result: a column of
# their own each, and no part of any verdict.
AGAIN = ("repeated", "repeat_differs", "threaded", "threads_differ")
_COLUMNS = [
    "trial",
    "layer",
    "family",
    "subject",
    "subject_version",
    "reference",
    "reference_version",
    "dtype",
    "tier",
    "verdict",
    "status",
    "as_expected",
    "known",
    "diagnosis",
    "disagrees",
    "max_abs",
    *AGAIN,
]
_COPIED = (*_COLUMNS[: _COLUMNS.index("as_expected")], "disagrees")
_BY = ("subject", "subject_version", "dtype")


def diverges(verdict: str) -> bool:
    """Whether a trial with this verdict shows a difference between the sides; that both reject a call is none."""
    return agrees(verdict) is False


def agrees(verdict: str) -> bool | None:
    """Whether both sides do the same; ``None`` for a verdict that says nothing about either."""
    if not Verdict(verdict).rated:
        return None
    return Verdict(verdict) in AGREEMENT | {Verdict.REJECTED_BY_BOTH}


def text(value: Any) -> Any:
    """A value as a table shows it: lists as ``2x3``, other nested values as text, scalars as they are."""
    if isinstance(value, list | tuple):
        return "x".join(str(text(item)) for item in value) if value else "()"
    return str(value) if isinstance(value, dict) else value


def frame(results: Results, *, values: bool = True) -> pd.DataFrame:
    """One row per trial of outputs, in the order of the ids, with one ``value.NAME`` column for each parameter.

    Without the ``values``, which take most of the memory, where no table is split by them.
    """
    trials = [trial for trial in results.trials if check(trial) == OUTPUT]
    found = {name: _facts(name, [trial.get(name, "") for trial in trials]) for name in _COPIED}
    found["known"] = _facts("known", [(trial["known"] or {}).get("id") for trial in trials])
    found["diagnosis"] = _facts("diagnosis", map(kind, trials))
    found["max_abs"] = pd.Series(map(largest_difference, trials), dtype=float)
    found["as_expected"] = pd.Series([bool(trial["as_expected"]) for trial in trials], dtype=bool)
    found |= _again(trials, results)
    if values:
        found |= {VALUE + name: column for name, column in _values(trials).items()}
    return pd.DataFrame(found, columns=[*_COLUMNS, *(name for name in found if name.startswith(VALUE))])


def divergence_matrix(frame: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Trials per verdict for each layer and family, split further by subject, version, dtype or parameter."""
    return tally(frame, ["layer", "family", *dict.fromkeys(_column(frame, name) for name in by)])


def tally(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Trials per verdict for each combination of the keys, with ``trials``, ``diverging`` and ``rate``.

    ``rate`` is the share of the rated trials that agree, and NaN where none is rated. The last columns count the
    trials that the subject was asked again, and those of them in which it gave another result.
    """
    present = [verdict.value for verdict in Verdict if (frame["verdict"] == verdict.value).any()]
    marks = pd.DataFrame({verdict: frame["verdict"] == verdict for verdict in present}, index=frame.index)
    counts = _grouped(pd.concat([frame[list(keys)], marks], axis=1), keys).sum().astype(int)
    agreeing = counts[[verdict for verdict in present if agrees(verdict)]].sum(axis=1)
    diverging = counts[[verdict for verdict in present if diverges(verdict)]].sum(axis=1)
    again = _grouped(frame, keys)[list(AGAIN)].sum()
    counts["trials"] = counts[present].sum(axis=1).astype(int)
    counts["diverging"] = diverging.astype(int)
    rated = agreeing + diverging
    counts["rate"] = agreeing / rated.where(rated > 0)
    return counts.join(again)


def _grouped(frame: pd.DataFrame, keys: Sequence[str]) -> Any:
    return frame.groupby(list(keys), dropna=False, sort=True, observed=True)


def _facts(name: str, column: Iterable[str | None]) -> pd.Series:
    """A column of words; those that come again and again are kept once."""
    if name == "trial":
        return pd.Series(column, dtype=object)
    if name == "verdict":
        return pd.Series(pd.Categorical(column, [verdict.value for verdict in Verdict], ordered=True))
    column = list(column)
    return pd.Series(pd.Categorical(column, sorted({each for each in column if each is not None})))


def _again(trials: Sequence[Record], results: Results) -> dict[str, pd.Series]:
    """How often the subject was asked again, and how often it gave another result."""
    asked = {name for looked in results.threads.values() for name in looked["asked"]}
    differing = {name: sides for looked in results.threads.values() for name, sides in looked["differing"].items()}
    steady: list[Mapping[str, bool]] = [trial.get("steady", {}) for trial in trials]
    counts = {
        "repeated": ["subject" in each for each in steady],
        "repeat_differs": [not each.get("subject", True) for each in steady],
        "threaded": [trial["trial"] in asked for trial in trials],
        "threads_differ": ["subject" in differing.get(trial["trial"], ()) for trial in trials],
    }
    return {name: pd.Series(counts[name], dtype=int) for name in AGAIN}


def _values(trials: Sequence[Record]) -> dict[str, pd.Series]:
    # As objects, because pandas would turn 3 into 3.0 wherever another layer has no such parameter.
    columns: dict[str, list[Any]] = defaultdict(lambda: [None] * len(trials))
    for place, trial in enumerate(trials):
        for name, value in trial["values"].items():
            columns[name][place] = text(value)
    return {name: pd.Series(columns[name], dtype=object) for name in sorted(columns)}


def _column(frame: pd.DataFrame, name: str) -> str:
    values = [str(column) for column in frame.columns if str(column).startswith(VALUE)]
    if name in _BY or name in values:
        return name
    if VALUE + name in values:
        return VALUE + name
    known = [*_BY, *(value.removeprefix(VALUE) for value in values)]
    raise HarnessError(f"cannot split the matrix by '{name}': {did_you_mean(name, known)}")
