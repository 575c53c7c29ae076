"""``doctor``: which targets can run here, and why the others cannot."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from harness import environment, isa
from harness.backends import named, targets
from harness.commands import Subparsers, declare
from harness.model import Target

NEEDED = ("torch@cpu", "mindspore@cpu")
SECONDS = 120
TRY = """
import json, sys
from harness import environment
from harness.backends import targets
isa, (target,) = targets.together([sys.argv[1]])
environment.prepare(1, isa)
print(json.dumps(dict(targets.backend(target, 1).provenance()), default=str))
"""


def register(commands: Subparsers) -> None:
    """Declare the arguments."""
    summary = "say which targets can run here, and why the others cannot"
    parser = declare(commands, "doctor", summary, "python -m harness doctor", run)
    parser.add_argument("--quick", action="store_true", help="do not try to import the frameworks")


def run(arguments: argparse.Namespace) -> int:
    """0 if the default targets can run, else 1."""
    names = [name for name in targets.frameworks() if name != "numpy"]
    asked = [targets.parse(f"{name}@{device}") for name in names for device in targets.DEVICES]
    asked += [targets.parse(name) for name in named.named()]
    rows = [examine(target, arguments.quick) for target in asked]
    healthy = all(row["runs"] for row in rows if row["target"] in NEEDED)
    if arguments.json:
        about = {**environment.describe(), "isa_variables": isa.chosen()}
        print(json.dumps({"healthy": healthy, **about, "targets": rows}, indent=1))
    else:
        _show(rows, healthy)
    return 0 if healthy else 1


def examine(target: Target, quick: bool) -> dict[str, Any]:
    """One target: whether it runs, in which version, on which instruction set as it tells itself; if not, why not."""
    reason, told = targets.obstacle(target), targets.provenance(target)
    if reason is None and not quick:
        reason, told = _attempt(target, told)
    return {
        "target": str(target),
        "runs": reason is None,
        "version": told["version"],
        "isa": told.get("isa"),
        "where": target.where,
        "reason": reason,
    }


def _attempt(target: Target, told: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """Why it cannot be set up, and what it tells of itself if it can."""
    # In a process of its own: an import may crash, and two frameworks need not share one.
    command = [sys.executable, "-c", TRY, str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"its import did not end within {SECONDS} s", told
    if done.returncode == 0:
        return None, json.loads(done.stdout.splitlines()[-1])
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    last = last.removeprefix("harness.remote.near.Unreachable: ")
    return f"cannot be set up: {last}", told


def _show(rows: list[dict[str, Any]], healthy: bool) -> None:
    console = Console(soft_wrap=True)
    table = Table("target", "runs here", "version", "instructions", "why not", box=None, pad_edge=False)
    for row in rows:
        word = "[green]yes[/]" if row["runs"] else "no"
        table.add_row(row["target"], word, row["version"] or "-", row["isa"] or "-", row["reason"] or "")
    console.print(table)
    about = environment.describe()
    cores = f"{len(environment.cores())} cores of {about['cpu']}"
    console.print(f"\nPython {about['python']} on {about['platform']}, {cores}")
    for line in _instruction_sets():
        console.print(line)
    console.print("next: pytest -n auto" if healthy else f"next: mend what keeps {' and '.join(NEEDED)} from running")


def _instruction_sets() -> list[str]:
    """What this CPU has, what runs keep within, and what the user has set instead."""
    if isa.machine() != "x86_64":
        return [f"instruction sets: nothing is pinned on {isa.machine()}, where frameworks take what the CPU has"]
    has = isa.available()
    words = (
        "unknown, since this platform does not tell" if has is None else ", ".join(has) or "none that has a word here"
    )
    lines = [
        f"instruction sets of this CPU: {words}",
        f"a run keeps within {isa.BASELINE}, unless a target names another: torch@cpu+native, mindspore@cpu+amx:graph",
    ]
    return [*lines, *isa.choice()]
