"""``claims``: the ledger of what the documents say, from the last results."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness import claims
from harness.commands import Subparsers, declare
from harness.errors import HarnessError, did_you_mean
from harness.records import merge

COLOURS = {"confirmed": "green", "refuted": "red", "conditional": "yellow", "untested": "dim"}
WIDTH_OF_A_FILE = 160


def register(commands: Subparsers) -> None:
    """Declare the arguments."""
    summary = "show every claim of the documents with its verdict and counts"
    parser = declare(commands, "claims", summary, "python -m harness claims --layer Conv2dTranspose", run)
    latest = "reports/latest"
    parser.add_argument("results", nargs="*", default=[latest], metavar="RESULTS", help=f"default: {latest}")
    parser.add_argument("--layer", help="only this layer's")


def run(arguments: argparse.Namespace) -> int:
    """0: to read the ledger is no judgement."""
    results = merge([Path(path) for path in arguments.results])
    rows = claims.ledger(results)
    if arguments.layer:
        layers = {row.layer for row in rows}
        if arguments.layer not in layers:
            raise HarnessError(f"no claims of a layer '{arguments.layer}' ({did_you_mean(arguments.layer, layers)})")
        rows = [row for row in rows if row.layer == arguments.layer]
    if arguments.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=1))
    else:
        _show(rows, results.problems)
    return 0


def _show(rows: list[claims.ClaimRow], problems: tuple[str, ...]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_OF_A_FILE)
    table = Table("verdict", "layer", "claim", "where", "trials", box=None, pad_edge=False)
    table.add_column("smallest counterexample", overflow="fold")
    for row in rows:
        colour = COLOURS[row.verdict]
        where, counts = f"{row.document}: {row.where}", f"{row.agreeing} of {row.counted}"
        table.add_row(f"[{colour}]{row.verdict}[/]", row.layer, row.says, where, counts, row.counterexample)
    console.print(table)
    words = [f"{sum(row.verdict == word for row in rows)} {word}" for word in COLOURS]
    console.print(f"\n{len(rows)} claims: {', '.join(words)}")
    for problem in problems:
        console.print(f"INCOMPLETE: {problem}", style="red", markup=False)
