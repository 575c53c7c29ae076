"""Records as a DataFrame, and the divergence matrix that is counted from it."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

import pandas as pd

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
_BY = ("subject", "subject_version", "dtype")


def diverges(verdict: str) -> bool:
    """Whether a trial with this verdict shows a difference between the sides; that both reject a call is none."""
    return agrees(verdict) is False


def agrees(verdict: str) -> bool | None:
    """Whether both sides do the same; ``None`` for a verdict that says nothing about either."""
    if not Verdict(verdict).rated:
        return None
    return Verdict(verdict) in AGREEMENT | {Verdict.REJECTED_BY_BOTH}


def largest_difference(trial: Record) -> float | None:
    """The largest difference over the trial's comparisons of both sides; NaN outweighs any number."""
    found = [
        float(each["max_abs"])
        for each in trial["comparisons"]
        if each.get("max_abs") is not None and not each.get("against")
    ]
    return max(found, key=lambda number: (math.isnan(number), number), default=None)


def text(value: Any) -> Any:
    """A value as a table shows it: lists as ``2x3``, other nested values as text, scalars as they are."""
    if isinstance(value, list | tuple):
        return "x".join(str(text(item)) for item in value) if value else "()"
    return str(value) if isinstance(value, dict) else value


def frame(results: Results) -> pd.DataFrame:
    """One row per trial of outputs, in the order of the ids, with one ``value.NAME`` column for each parameter."""
    trials = [trial for trial in results.trials if check(trial) == OUTPUT]
    asked = {name for looked in results.threads.values() for name in looked["asked"]}
    differing = {name: sides for looked in results.threads.values() for name, sides in looked["differing"].items()}
    table = pd.DataFrame([_row(trial) | _again(trial, asked, differing) for trial in trials], columns=_COLUMNS)
    table["verdict"] = pd.Categorical(table["verdict"], [verdict.value for verdict in Verdict], ordered=True)
    table["max_abs"] = table["max_abs"].astype(float)
    table["as_expected"] = table["as_expected"].astype(bool)
    names = sorted({name for trial in trials for name in trial["values"]})
    # As objects, because pandas would turn 3 into 3.0 wherever another layer has no such parameter.
    values = {
        VALUE + name: pd.Series([text(trial["values"].get(name)) for trial in trials], dtype=object) for name in names
    }
    return pd.concat([table, pd.DataFrame(values, index=table.index)], axis=1)


def divergence_matrix(frame: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Trials per verdict for each layer and family, split further by subject, version, dtype or parameter."""
    return tally(frame, ["layer", "family", *dict.fromkeys(_column(frame, name) for name in by)])


def tally(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Trials per verdict for each combination of the keys, with ``trials``, ``diverging`` and ``rate``.

    ``rate`` is the share of the rated trials that agree, and NaN where none is rated. The last columns count the
    trials that the subject was asked again, and those of them in which it gave another result.
    """
    present = [verdict.value for verdict in Verdict if (frame["verdict"] == verdict.value).any()]
    marks = pd.DataFrame({verdict: (frame["verdict"] == verdict).astype(int) for verdict in present}, index=frame.index)
    counts = pd.concat([frame[list(keys)], marks], axis=1).groupby(list(keys), dropna=False, sort=True).sum()
    agreeing = counts[[verdict for verdict in present if agrees(verdict)]].sum(axis=1)
    diverging = counts[[verdict for verdict in present if diverges(verdict)]].sum(axis=1)
    again = frame.groupby(list(keys), dropna=False, sort=True)[list(AGAIN)].sum()
    counts["trials"] = counts[present].sum(axis=1).astype(int)
    counts["diverging"] = diverging.astype(int)
    rated = agreeing + diverging
    counts["rate"] = agreeing / rated.where(rated > 0)
    return counts.join(again)


def _row(trial: Record) -> dict[str, Any]:
    row = {name: trial.get(name, "") for name in _COLUMNS}
    row["known"] = (trial["known"] or {}).get("id")
    row["diagnosis"] = (trial.get("diagnosis") or {}).get("kind")
    row["max_abs"] = largest_difference(trial)
    return row


def _again(trial: Record, asked: Container[str], differing: Mapping[str, Sequence[str]]) -> dict[str, int]:
    steady = trial.get("steady", {})
    return {
        "repeated": int("subject" in steady),
        "repeat_differs": int(not steady.get("subject", True)),
        "threaded": int(trial["trial"] in asked),
        "threads_differ": int("subject" in differing.get(trial["trial"], ())),
    }


def _column(frame: pd.DataFrame, name: str) -> str:
    values = [str(column) for column in frame.columns if str(column).startswith(VALUE)]
    if name in _BY or name in values:
        return name
    if VALUE + name in values:
        return VALUE + name
    known = [*_BY, *(value.removeprefix(VALUE) for value in values)]
    raise HarnessError(f"cannot split the matrix by '{name}': {did_you_mean(name, known)}")
