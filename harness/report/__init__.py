"""The published pages: HTML and Markdown for people, CSV for spreadsheets, Parquet for programs. Pure functions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from harness.classes import DivergenceClass, facts
from harness.ledger.claims import ClaimRow, ledger
from harness.ledger.findings import Finding
from harness.matrix import divergence_matrix, frame
from harness.records import Results, write_atomic
from harness.report import parquet
from harness.report.render import html, markdown
from harness.report.view import build

_CLASS_COLUMNS = (
    *("id", "status", "layer", "verdict", "tensor", "looks", "trials", "of", "condition", "wrong", "when"),
    *("families", "subjects", "dtypes", "known", "says", "smallest", "reproducer"),
)


def write(
    results: Results,
    directory: Path | str,
    against: Results | None = None,
    found: Mapping[str, Finding] = MappingProxyType({}),
    table: pd.DataFrame | None = None,
) -> tuple[Path, ...]:
    """Write the pages and tables into a folder, and return their paths.

    With older results in ``against``, the pages also tell what is new and what is fixed since then. The conditions of
    conditional claims are in ``found``, and the results' frame in ``table``, where there is one already.
    """
    table = frame(results, values=False) if table is None else table
    view = build(results, against, found, table)
    pages = {
        "report.html": html(view),
        "report.md": markdown(view),
        "matrix.csv": matrix_csv(table),
        "claims.csv": claims_csv(results, found),
        "classes.csv": classes_csv(row.found for row in view.classes),
    }
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name, page in pages.items():
        write_atomic(directory / name, page)
    parquet.write(results.trials, directory / parquet.TRIALS)
    return tuple(directory / name for name in (*pages, parquet.TRIALS))


def matrix_csv(table: pd.DataFrame) -> str:
    """The divergence matrix by layer, family, subject, its version and dtype, of the results' frame."""
    matrix = divergence_matrix(table, by=("subject", "subject_version", "dtype"))
    return str(matrix.to_csv(lineterminator="\n", float_format="%.6g"))


def classes_csv(found: Iterable[DivergenceClass]) -> str:
    """The classes of divergences, one line each, the red ones first."""
    page = io.StringIO()
    table = csv.DictWriter(page, _CLASS_COLUMNS, lineterminator="\n")
    table.writeheader()
    for each in found:
        shown = facts(each)
        table.writerow({name: " ".join(value) if isinstance(value, tuple) else value for name, value in shown.items()})
    return page.getvalue()


def claims_csv(results: Results, found: Mapping[str, Finding] = MappingProxyType({})) -> str:
    """The ledger of claims."""
    page = io.StringIO()
    table = csv.DictWriter(page, [field.name for field in fields(ClaimRow)], lineterminator="\n")
    table.writeheader()
    for row in ledger(results, found):
        table.writerow({**asdict(row), "families": " ".join(row.families)})
    return page.getvalue()
