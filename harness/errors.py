"""Errors that a person caused and can mend. Each says what, where, what was expected and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class HarnessError(Exception):
    """An input or usage error: one clear line on stderr and exit code 2."""


@dataclass(frozen=True)
class Place:
    """A position in a file, counted from one."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class CaseFileError(HarnessError):
    """A bad case file: where it is wrong, at which key, what was expected, and a hint."""

    def __init__(self, place: Place, key: str, problem: str, hint: str = "") -> None:
        """Keep the parts, so that callers can show them apart."""
        # Both may quote a text of several lines; the message is one.
        problem, hint = " ".join(problem.split()), " ".join(hint.split())
        self.place, self.key, self.problem, self.hint = place, key, problem, hint
        at = f" at '{key}'" if key else ""
        super().__init__(f"{place}: bad case file{at}: {problem}" + (f" ({hint})" if hint else ""))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or lists what is known."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"
