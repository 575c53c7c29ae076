"""The commands, one file each: ``register`` declares the arguments, ``run`` returns the exit code."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.records import Results

LARGEST = 2**30
Subparsers = Any  # argparse names its class privately


def declare(
    commands: Subparsers, name: str, summary: str, example: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A subcommand with a one-line summary and an example in its help."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    parser.set_defaults(run=run)
    return parser


def shape(text: str) -> tuple[int, ...]:
    """The shape that ``--input`` gives. Raises HarnessError for anything but extents, and for far too many elements."""
    parts = [part.strip() for part in text.strip("()[] ").split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts):
        raise HarnessError(f"--input '{text}': expected extents separated by commas, as in 1,3,16,20")
    shape = tuple(int(part) for part in parts)
    if math.prod(shape) > LARGEST:
        raise HarnessError(f"--input '{text}': more than {LARGEST} elements")
    return shape


def folders(results: Results) -> list[Path]:
    """Where the results lie, each folder once."""
    return list(dict.fromkeys(Path(run.path).parent for run in results.runs))


def is_whole(results: Results) -> bool:
    """Whether the results are complete and nothing was left out of the plan."""
    return results.complete and not results.narrowed


def on_stderr(line: str) -> None:
    """Say what takes time, where it does not mix with a command's output."""
    print(line, file=sys.stderr, flush=True)
