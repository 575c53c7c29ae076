"""``claims``: the ledger of what the documents say, from the last results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.commands import Subparsers, declare, folders, is_whole, on_stderr
from harness.errors import HarnessError, did_you_mean
from harness.ledger import claims, seek
from harness.ledger.claims import ClaimRow, ClaimVerdict, DocumentRow, Unchecked
from harness.records import Results, merge

COLOURS = {"confirmed": "green", "refuted": "red", "conditional": "yellow", "untested": "dim"}
WIDTH_OF_A_FILE = 160


def register(commands: Subparsers) -> None:
    """Declare the arguments."""
    summary = "show every claim of the documents with its verdict, counts, and the condition under which it holds"
    example = "python -m harness claims --layer Conv2dTranspose --verdict refuted --verdict conditional"
    parser = declare(commands, "claims", summary, example, run)
    latest = "reports/latest"
    parser.add_argument("results", nargs="*", default=[latest], metavar="RESULTS", help=f"default: {latest}")
    parser.add_argument("--layer", help="only this layer's")
    verdicts = [str(verdict) for verdict in ClaimVerdict]
    parser.add_argument("--verdict", action="append", choices=verdicts, help="only claims of this verdict; repeatable")
    parser.add_argument("--unchecked", action="store_true", help="also list the statements that no trial can check")


def run(arguments: argparse.Namespace) -> int:
    """0: what the ledger says is no judgement of ours; 1 if the results are incomplete."""
    results = merge([Path(path) for path in arguments.results])
    rows, unchecked = claims.ledger(results), claims.unchecked(results)
    if arguments.layer:
        _check_layer(arguments.layer, {row.layer for row in rows} | {each.layer for each in unchecked})
    wanted = [each for each in claims.conditional(results) if arguments.layer in (None, each.layer)]
    rows = claims.ledger(results, seek.settle(wanted, folders(results), Path(), on_stderr, whole=is_whole(results)))
    rows = [row for row in rows if arguments.layer in (None, row.layer)]
    rows = [row for row in rows if not arguments.verdict or row.verdict in arguments.verdict]
    unchecked = [each for each in unchecked if arguments.layer in (None, each.layer)]
    if arguments.json:
        listed = {
            "documents": [asdict(row) for row in claims.by_document(rows, unchecked)],
            "claims": [asdict(row) for row in rows],
            "unchecked": [asdict(each) for each in unchecked],
        }
        print(json.dumps({**listed, "selected": results.narrowed, "problems": list(results.problems)}, indent=1))
        return 1 if results.problems else 0
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_OF_A_FILE)
    _show(console, rows, unchecked if arguments.unchecked else ())
    _sum_up(console, rows, unchecked, results)
    return 1 if results.problems else 0


def _check_layer(layer: str, layers: set[str]) -> None:
    if layer not in layers:
        raise HarnessError(f"no claims of a layer '{layer}' ({did_you_mean(layer, layers)})")


def _show(console: Console, rows: Sequence[ClaimRow], unchecked: Iterable[Unchecked]) -> None:
    """The ledger, which releases each document is about, and the statements outside of it."""
    table = Table("verdict", "layer", "claim", "where", "agree", box=None, pad_edge=False)
    table.add_column("holds when, or smallest counterexample", overflow="fold")
    for row in rows:
        verdict = f"[{COLOURS[row.verdict]}]{row.verdict}[/]"
        cells = (row.layer, f"{row.id}: {row.says}", f"{row.document}: {row.where}", f"{row.agreeing} of {row.counted}")
        table.add_row(verdict, *map(escape, (*cells, row.condition or row.counterexample)))
    console.print(table)
    console.print()
    for document in claims.by_document(rows, ()):
        console.print(_document(document), markup=False, highlight=False)
    for each in unchecked:
        place = f"{each.layer}, {each.document}: {each.where}"
        console.print(f"unchecked: {place}: {each.says} ({each.because})", markup=False, highlight=False)


def _document(row: DocumentRow) -> str:
    """What a document is about, what was measured of it, and how its claims fared."""
    language = f" ({row.language})" if row.language else ""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in row.counts.items() if count)
    where = f"about {row.about}; measured: {row.measured}"
    return f"{row.layer}, {row.id} '{row.title}'{language}: {counts}; {where}"


def _sum_up(console: Console, rows: Sequence[ClaimRow], unchecked: Sequence[Unchecked], results: Results) -> None:
    """Counts, what is wrong with the results, and what to do next."""
    counts = [f"{sum(row.verdict == word for row in rows)} {word}" for word in COLOURS]
    console.print(f"\n{len(rows)} claims: {', '.join(counts)}", highlight=False)
    if unchecked:
        words = "statement" if len(unchecked) == 1 else "statements"
        console.print(f"{len(unchecked)} {words} cannot be checked; --unchecked lists them", highlight=False)
    for part in results.narrowed:
        console.print(f"PART: only this was run, and judged: {part}", style="red", markup=False, highlight=False)
    for problem in results.problems:
        console.print(f"INCOMPLETE: {problem}", style="red", markup=False, highlight=False)
    console.print(_next(rows, results), markup=False, highlight=False, soft_wrap=True)


def _next(rows: Sequence[ClaimRow], results: Results) -> str:
    if results.problems:
        return "next: complete the results: run what is missing, and name all results"
    for verdict in (ClaimVerdict.REFUTED, ClaimVerdict.CONDITIONAL):
        for row in rows:
            if row.verdict is verdict and row.reproducer:
                return f"next: see for yourself, as here for {row.layer}'s {row.id}: {row.reproducer}"
    if any(row.verdict is ClaimVerdict.UNTESTED for row in rows):
        return "next: run what is untested (pytest -n auto); python -m harness doctor says what keeps a target away"
    return "next: nothing; the documents hold here"
