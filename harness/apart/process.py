"""Starting a process of ours, and reading off how it ended."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from harness import watchdog

TRACE = "trace.log"


def options(module: str, folder: Path) -> dict[str, Any]:
    """What :mod:`subprocess` needs to run ``python -m MODULE FOLDER`` with this process' search path.

    Args:
        module: dotted name; it takes the folder as its one argument.
        folder: where it works, away from the current one: a framework may write there when something fails.
    """
    paths = [str(Path(entry).absolute()) for entry in sys.path]
    return {
        "args": [sys.executable, "-m", module, str(folder)],
        "cwd": folder,
        "env": {**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    }


def death(folder: Path, returncode: int, stderr: str) -> watchdog.Death:
    """How a process ended that should not have."""
    found = watchdog.autopsy(folder / TRACE)
    lines = stderr.strip().splitlines()
    # A Python error leaves its reason last; a process that was ended from within leaves it in the log.
    if lines and returncode == 1 and watchdog.TIMEOUT_MARK not in found.trace:
        return watchdog.Death(found.verdict, lines[-1], found.trace)
    return found
