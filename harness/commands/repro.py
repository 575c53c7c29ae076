"""``repro``: the smallest program that shows a trial's divergence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness import environment
from harness.apart.judge import Judge, Setup
from harness.backends import targets
from harness.commands import Subparsers, declare, on_stderr
from harness.divergence import signature
from harness.errors import HarnessError, did_you_mean
from harness.model import GOLDEN, Target
from harness.protocol import Backend
from harness.records import Record, dump, merge, write_atomic
from harness.reproduce import bare
from harness.reproduce.bare import Ran
from harness.reproduce.find import Found, find, plain_id
from harness.reproduce.issue import issue
from harness.reproduce.make import Made, make
from harness.reproduce.script import script
from harness.shrink import USUAL

EXAMPLE = """\
python -m harness repro conv2d_transpose/example-4/h=6,w=10,float32,mindspore@cpu -o repro.py

  A report for a framework's tracker:  python -m harness repro TRIAL --issue -o issue.md

  TRIAL is an id as a run prints it. The program exits 1 while the two sides differ, or do what the document says they
  do not, and 0 once that is over. Exit code: 0 the program was written, and shows it here; 1 it was written and does
  not show it here; 2 there is no such trial, it shows no divergence, or nothing that a program of its own could show.
"""


def register(commands: Subparsers) -> None:
    """Declare the arguments."""
    summary = "write the smallest program that shows a trial's divergence, with NumPy and the two frameworks alone"
    parser = declare(commands, "repro", summary, EXAMPLE, run)
    parser.add_argument("trial", metavar="TRIAL", help="as in conv2d/same-odd/k=2,…,float32,mindspore@cpu")
    parser.add_argument("-o", "--output", metavar="FILE", help="where it is written (default: standard output)")
    parser.add_argument("--issue", action="store_true", help="write a report in Markdown, the program in it")
    parser.add_argument("--no-shrink", action="store_true", help="leave sizes and parameters as they are")
    parser.add_argument(
        "--cases", default="cases", metavar="DIR", help="where the case files are (default: %(default)s)"
    )
    parser.add_argument(
        "--reference",
        metavar="TARGET",
        help="default: that of the results, if these are given; else torch@cpu, on the subject's instruction set",
    )
    parser.add_argument("--results", metavar="DIR", help="a run's results: say whether the trial shows the same here")


def run(arguments: argparse.Namespace) -> int:
    """0 if the program shows the divergence, 1 if it does not."""
    if arguments.output is not None and not arguments.output.strip():
        raise HarnessError("--output '': expected the name of a file")
    trials = _trials(arguments)
    recorded = trials.get(plain_id(arguments.trial))
    found = find(arguments.trial, Path(arguments.cases), arguments.reference or _reference(recorded))
    if trials and recorded is None:
        raise HarnessError(f"{arguments.results} has no '{found.trial.id}' ({did_you_mean(found.trial.id, trials)})")
    environment.prepare(1, found.isa)
    for target in (found.trial.reference, found.trial.subject):
        reason = targets.obstacle(target) or targets.unasked(target)
        if reason:
            raise HarnessError(f"{target} cannot run here: {reason}")
        if target.name:
            raise HarnessError(
                f"{target}: a script is made and tried in an interpreter that has both frameworks and the harness; "
                f"there ask for '{target.kind}', or run the trial's own line again, which names the target"
            )
    made = _make(found, shrink=not arguments.no_shrink)
    on_stderr(made.way)
    if recorded is not None and signature(recorded) != signature(made.record):
        on_stderr(f"the run saw something else: {signature(recorded)}; here: {signature(made.record)}")
    text = script(made.exhibit, targets.dialect)
    ran = bare.run(text)
    _hand_over(arguments, made, text, ran)
    on_stderr(f"the program was run here, and {ran.ending}" + ("" if ran.code == 1 else ": it does not show it"))
    return 0 if ran.code == 1 else 1


def _reference(recorded: Record | None) -> str | None:
    """The reference of the run, where it is in this interpreter and can be asked; else none."""
    name = str(recorded["reference"]) if recorded else ""
    return name if "@" in name and not name.startswith(GOLDEN) else None


def _trials(arguments: argparse.Namespace) -> Mapping[str, Record]:
    """The trials of the results that are given, by their ids; none without results."""
    if arguments.results is None:
        return {}
    return {each["trial"]: each for each in merge([Path(arguments.results)]).trials}


def _make(found: Found, *, shrink: bool) -> Made:
    trial = found.trial
    setup = Setup(found.file.path, trial.reference, trial.subject, trial.dtype, found.isa)
    with Judge(setup) as judge:
        return make(found, judge.record, _open, USUAL if shrink else None)


def _open(target: Target) -> Backend:
    return targets.backend(target, 1)


def _hand_over(arguments: argparse.Namespace, made: Made, text: str, ran: Ran) -> None:
    frameworks = (made.exhibit.trial.reference.framework, made.exhibit.trial.subject.framework)
    versions = {**{name: targets.version(name) for name in frameworks}, "numpy": np.__version__}
    written = issue(made.exhibit, text, ran, versions) if arguments.issue else text
    if arguments.output is not None:
        write_atomic(arguments.output, written)
    if arguments.json:
        print(dump(_document(arguments, made, text, ran)))
    elif arguments.output is None:
        sys.stdout.write(written)
    else:
        on_stderr(f"written: {arguments.output}")


def _document(arguments: argparse.Namespace, made: Made, text: str, ran: Ran) -> dict[str, Any]:
    return {
        "trial": made.exhibit.origin,
        "smallest": made.exhibit.trial.id,
        "signature": str(signature(made.record)),
        "way": made.way,
        "says": made.exhibit.sentence,
        "script": text,
        "printed": ran.output,
        "exit_code": ran.code,
        "written": arguments.output,
        "record": made.exhibit.record,
    }
