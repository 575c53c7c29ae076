"""All trials as one Parquet file, for pandas and its like: a row each in the order of the ids, a column for each value.

Words are dictionaries there, and so categoricals in pandas: a million trials take little memory by columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from harness.divergence import elements, kind, largest_difference, signature
from harness.matrix import VALUE, text
from harness.records import Record, check, replacing

TRIALS = "trials.parquet"
_ROWS = 50_000
_WORD = pa.dictionary(pa.int32(), pa.string())
# A field of the record, or what is worked out of it; all words but the ones with a type of their own.
_WORDS = (
    *("layer", "family", "file", "tier", "check", "subject", "subject_version", "reference", "reference_version"),
    *("dtype", "verdict", "expected", "status", "known", "diagnosis", "tensor", "disagrees"),
)
_OTHERS = {
    "trial": pa.string(),
    "claims": pa.list_(pa.string()),
    "as_expected": pa.bool_(),
    "max_abs": pa.float64(),
    "elements": pa.int64(),
}
_FOUND = {
    "check": check,
    "known": lambda trial: (trial["known"] or {}).get("id"),
    "diagnosis": kind,
    "tensor": lambda trial: signature(trial).tensor or None,
    "max_abs": largest_difference,
    "elements": elements,
}
_NUMBERS = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
_LARGEST = 2**63 - 1


def write(trials: Sequence[Record], path: Path) -> None:
    """Write the file, a part of the trials at a time."""
    kinds = _kinds(trials)
    values = [(VALUE + name, kind) for name, kind in sorted(kinds.items())]
    words = [(name, _WORD) for name in _WORDS]
    schema = pa.schema([("trial", _OTHERS["trial"]), *words, *list(_OTHERS.items())[1:], *values])
    with replacing(path) as temporary, ParquetWriter(temporary, schema, compression="zstd") as writer:
        for part in _parts(trials):
            columns = {name: [_fact(trial, name) for trial in part] for name in (*_WORDS, *_OTHERS)}
            columns |= _values(part, kinds)
            writer.write_table(pa.table(columns, schema=schema))


def _parts(trials: Sequence[Record]) -> Iterator[list[Record]]:
    left = iter(trials)
    while part := list(islice(left, _ROWS)):
        yield part


def _fact(trial: Record, name: str) -> Any:
    return _FOUND[name](trial) if name in _FOUND else trial.get(name)


def _kinds(trials: Iterable[Record]) -> dict[str, pa.DataType]:
    """The type of each value's column: a number's or a boolean's only where all trials have one, else words."""
    met: dict[str, set[type]] = defaultdict(set)
    for trial in trials:
        for name, value in trial["values"].items():
            kind = type(value)
            met[name].add(str if kind is int and abs(value) > _LARGEST else kind)
    return {name: _common(types - {type(None)}) for name, types in met.items()}


def _common(types: set[type]) -> pa.DataType:
    if len(types) == 1:
        return _NUMBERS.get(next(iter(types)), _WORD)
    return pa.float64() if types == {int, float} else _WORD


def _values(part: Sequence[Record], kinds: dict[str, pa.DataType]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {VALUE + name: [None] * len(part) for name in kinds}
    for place, trial in enumerate(part):
        for name, value in trial["values"].items():
            if value is not None:
                columns[VALUE + name][place] = str(text(value)) if kinds[name] == _WORD else value
    return columns
