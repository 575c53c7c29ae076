"""Runs a program as whoever receives it will: in a process that knows nothing of the harness."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

LIMIT = 600.0
# Python exits with 1 for an exception too, which shows nothing of what the program is for.
CRASHED = -1


@dataclass(frozen=True)
class Ran:
    """What a program printed, and its exit code; ``None`` if it took too long, ``CRASHED`` after an exception."""

    code: int | None
    output: str

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.code == CRASHED:
            return "ended in an error"
        return "took too long" if self.code is None else f"exited with {self.code}"


def run(text: str, limit: float = LIMIT) -> Ran:
    """Run the program, isolated from this environment, in an empty folder."""
    with tempfile.TemporaryDirectory(prefix="reproducer-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "reproducer.py"
        path.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(path)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired as over:
            return Ran(None, (over.stdout or b"").decode(errors="replace"))
    output = done.stdout.decode(errors="replace")
    said = done.stderr.decode(errors="replace")
    broken = "Traceback (most recent call last)" in said
    if done.returncode != 1 or broken or not output.strip():  # what frameworks log plays no part where it went well
        output += said
    return Ran(CRASHED if broken else done.returncode, output)
