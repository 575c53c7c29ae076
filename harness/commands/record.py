"""``record``: a golden, which is what one framework answers to all that a run asks of it."""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from harness import environment, plan
from harness.backends import targets
from harness.commands import Subparsers, declare, on_stderr
from harness.errors import HarnessError
from harness.golden import stored
from harness.model import Target, Tier
from harness.protocol import Backend
from harness.recording import take
from harness.recording.take import REFERENCE, SIDES, SUBJECT, Taken, Wanted
from harness.records import dump
from harness.session import SETTINGS

CASES = Path("cases")
LIMIT, LIMIT_OF_FULL = 60.0, 3600.0
MOST_REASONS = 5
EXAMPLE = """\
python -m harness record --target torch@cpu -o torch.safetensors
  pytest -n auto --reference golden:torch.safetensors     # on a runner without torch

  Exit code: 0 all was recorded, 1 some trials were left out, 2 a usage or input error.
"""


def register(commands: Subparsers) -> None:
    """Declare the arguments."""
    summary = "store what one framework gives, so that a run needs the other one only"
    parser = declare(commands, "record", summary, EXAMPLE, run)
    parser.add_argument("cases", nargs="*", metavar="FILE", help="case files (default: all of the folder cases)")
    parser.add_argument("--target", required=True, help="what to record, as in torch@cpu, or a name in targets.toml")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="where it is written: a safetensors file")
    parser.add_argument(
        "--side",
        choices=SIDES,
        help=f"which side of the trials it will be; what both are given depends on the {REFERENCE} "
        f"(default: {REFERENCE} for the framework that runs are compared against by default, else {SUBJECT})",
    )
    for name in ("tier", "shard", "threads"):
        setting = next(each for each in SETTINGS if each.name == name)
        parser.add_argument(f"--{name}", **setting.options)


def run(arguments: argparse.Namespace) -> int:
    """0 if all was recorded, 1 if something was left out."""
    wanted, output = _wanted(arguments), _output(arguments)
    environment.prepare(max(arguments.threads, 1))  # what is recorded has a process of its own
    paths = [Path(each) for each in arguments.cases] or plan.case_paths(CASES)
    if not paths:
        raise HarnessError(f"no case file in the folder {CASES}; give the paths of some")
    on_stderr("reading the case files ...")
    trials = take.planned([plan.load_case_file(path) for path in paths], wanted)
    # One core, as a worker of a run has: what MindSpore does with subnormal numbers depends on it.
    core = environment.cores()[0] if arguments.threads == 1 and environment.cores() else None
    with environment.pinned(core), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        taken = take.take(trials, wanted, partial(_open, arguments, wanted), on_stderr)
    size = taken.write(output)
    print(dump(_document(taken, output, size)) if arguments.json else _story(taken, output, size))
    return 1 if taken.left_out else 0


def _wanted(arguments: argparse.Namespace) -> Wanted:
    target = targets.parse(arguments.target)
    reason = targets.obstacle(target)
    if target.golden:
        reason = "it is a recording already; give the target itself"
    if reason:
        raise HarnessError(f"{target} cannot be recorded here: {reason}")
    usual = next(each.options["default"] for each in SETTINGS if each.name == REFERENCE)
    side = arguments.side or (REFERENCE if target.framework == targets.parse(usual).framework else SUBJECT)
    return Wanted(target, side, Tier(arguments.tier), plan.parse_shard(arguments.shard))


def _output(arguments: argparse.Namespace) -> Path:
    if not arguments.output.strip():
        raise HarnessError("--output '': expected the name of a file")
    output = Path(arguments.output)
    stored.check_writable(output)
    return output


def _open(arguments: argparse.Namespace, wanted: Wanted, target: Target) -> Backend:
    """The target in a process apart, so that what ends it costs one observation; others as they are."""
    threads = max(arguments.threads, 1)
    if target.framework == wanted.target.framework:
        where = target.where or f"popen//python={sys.executable}"
        limit = LIMIT_OF_FULL if wanted.tier is Tier.FULL else LIMIT
        return targets.backend(replace(target, where=where), threads, limit)
    reason = targets.obstacle(target)
    if reason:
        raise HarnessError(f"what both sides are given is settled by {target}, which cannot run here: {reason}")
    return targets.backend(target, threads)


def _document(taken: Taken, output: Path, size: int) -> dict[str, Any]:
    return {
        **taken.about(),
        "provenance": taken.provenance,
        "trials": len(taken.trials),
        "count": len(taken.tape.answers),
        "written": str(output),
        "bytes": size,
        "bytes_before": taken.tape.raw,
        "seconds": round(taken.seconds, 1),
        "left_out": dict(taken.left_out),
    }


def _story(taken: Taken, output: Path, size: int) -> str:
    about = taken.about()
    lines = [f"left out: {count} trials: {reason}" for reason, count in taken.left_out.most_common(MOST_REASONS)]
    lines += [
        f"{output}: {size / 1e6:.1f} MB, {about['count']} observations of {about['trials']} trials of "
        f"{about['target']} {about['version']}, tier {about['tier']}, shard {about['shard']}, in {taken.seconds:.0f} s",
        f"next: pytest -n auto --{taken.wanted.side} golden:{output}",
    ]
    return "\n".join(lines)
