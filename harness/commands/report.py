"""``report``: merge results of shards and runs, and write the pages."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from harness import matrix, report
from harness.classes import classes, counted, facts
from harness.commands import Subparsers, declare, folders, is_whole, on_stderr
from harness.errors import HarnessError
from harness.known import Status
from harness.ledger import seek
from harness.ledger.claims import conditional
from harness.records import RESULTS, merge
from harness.report.changes import changes
from harness.summary import not_run_lines


def register(commands: Subparsers) -> None:
    """Declare the arguments."""
    summary = "merge results, write pages and tables, count classes of divergences, and print the divergence matrix"
    example = "python -m harness report reports/shard-1 reports/shard-2 -o reports/nightly --against reports/2.10.0"
    parser = declare(commands, "report", summary, example, run)
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RESULTS",
        help="results.jsonl, a folder that has one, or a folder of such folders",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR",
        help="folder for report.html, report.md, matrix.csv, classes.csv, claims.csv and trials.parquet",
    )
    parser.add_argument(
        "--against", metavar="OLD", help="earlier results: say which classes and trials are new, and which are fixed"
    )
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="NAME",
        help="also split the printed matrix by subject, dtype, subject_version or a swept value such as k; repeatable",
    )


def run(arguments: argparse.Namespace) -> int:
    """0 if all is as expected, 1 if something is new, the results are incomplete, or a subject was not run at all."""
    if not arguments.output.strip():
        raise HarnessError("--output '': expected the name of a folder")
    results = merge(each for path in arguments.results for each in runs_in(Path(path)))
    against = merge(runs_in(Path(arguments.against))) if arguments.against else None
    trials = matrix.frame(results, values=bool(arguments.by))
    table = matrix.divergence_matrix(trials, arguments.by)
    found = seek.settle(conditional(results), folders(results), Path(), on_stderr, whole=is_whole(results))
    pages = report.write(results, Path(arguments.output), against, found, trials)
    gathered = classes(results.trials)
    red = sum(Status(trial["status"]).red for trial in results.trials)
    if arguments.json:
        document = {
            "trials": len(results.trials),
            "new": red,
            "classes": [facts(each) for each in gathered],
            "complete": results.complete,
            "problems": list(results.problems),
            "unmatched": list(results.unmatched),
            "not_run": {subject: {"trials": n, "first": why} for subject, (n, why) in results.not_run.items()},
            "pages": [str(page) for page in pages],
            "matrix": json.loads(table.reset_index().to_json(orient="records")),
        }
        print(json.dumps(document, indent=1))
    else:
        print(table.to_string())
        for problem in results.problems:
            print(f"INCOMPLETE: {problem}")
        for line in not_run_lines(results):
            print(line)
        for id_ in results.unmatched:
            print(f"unmatched: no trial met the known divergence '{id_}': remove or mend it")
        if against:
            since = changes(results, against)
            for noun, counts in (("classes", since.class_counts), ("trials", since.counts)):
                print(f"against {arguments.against}, {noun}: " + ", ".join(f"{count} {kind}" for kind, count in counts))
        print(f"\n{counted(gathered)}; {len(results.trials)} trials, {red} new. Pages:")
        print("\n".join(f"  {page}" for page in pages))
    whole = results.complete and not results.unmeasured
    return 0 if whole and not red and not results.unmatched else 1


def runs_in(path: Path) -> list[Path]:
    """The results that are meant: the path itself, or those in its folders where it has none of its own."""
    return [path] if (path / RESULTS).is_file() else sorted(path.glob(f"*/{RESULTS}")) or [path]
