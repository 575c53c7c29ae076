"""Makes what shows a finding smaller: one value at a time gives way to a simpler one, while the finding stays.

Greedy and deterministic; knows rows of values and no framework.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Below = Callable[[Any], Sequence[Any]]


@dataclass(frozen=True)
class Limits:
    """How many rows may be tried, and for how many seconds; only what ends here depends on the clock."""

    runs: int = 200
    seconds: float = 20.0
    clock: Callable[[], float] = time.monotonic


USUAL = Limits()


@dataclass(frozen=True)
class Shrunk:
    """The smallest row that was found.

    Attributes:
        runs: how many rows were tried.
        finished: whether no simpler value is left that keeps the finding; not, where the limit ended the search.
    """

    row: dict[str, Any]
    runs: int
    finished: bool


class _OutOfRuns(Exception):
    """The limit is reached."""


def shrink(
    row: Row,
    simpler: Mapping[str, Below],
    keeps: Callable[[Row], bool | None],
    limits: Limits = USUAL,
) -> Shrunk:
    """Try simpler values, name by name and the simplest first, until none keeps the finding.

    Args:
        row: shows the finding.
        simpler: for each name, in the order in which names are tried, the values that are simpler than a given one.
            Each has to be simpler still than those whose simpler ones it is among, or the search would not end.
        keeps: whether a row shows the finding too; ``None`` where it is no case at all, which costs no run.
        limits: of the search.
    """
    search = _Search(keeps, limits, limits.clock() + limits.seconds)
    best = dict(row)
    try:
        while _pass(best, simpler, search):
            pass
    except _OutOfRuns:
        return Shrunk(best, search.runs, finished=False)
    return Shrunk(best, search.runs, finished=True)


def _pass(best: dict[str, Any], simpler: Mapping[str, Below], search: _Search) -> bool:
    """Simplify each name as far as it goes; whether any could be."""
    progress = False
    for name, below in simpler.items():
        while _step(best, name, below(best[name]), search):
            progress = True
    return progress


def _step(best: dict[str, Any], name: str, values: Sequence[Any], search: _Search) -> bool:
    """Give the name the first of these values that keeps the finding; whether there is one."""
    for value in values:
        if search.keeps({**best, name: value}):
            best[name] = value
            return True
    return False


@dataclass
class _Search:
    """What was tried, and what may still be."""

    judge: Callable[[Row], bool | None]
    limits: Limits
    deadline: float
    runs: int = 0

    def __post_init__(self) -> None:
        self._tried: dict[str, bool] = {}

    def keeps(self, row: Row) -> bool:
        """Whether the row shows the finding; each is tried once."""
        key = repr(sorted(row.items()))
        if key not in self._tried:
            if self.runs >= self.limits.runs or self.limits.clock() >= self.deadline:
                raise _OutOfRuns
            found = self.judge(row)
            self.runs += found is not None
            self._tried[key] = bool(found)
        return self._tried[key]


def smaller(value: Any) -> list[Any]:
    """The whole numbers that are simpler than this one, and tuples of them; the simplest first.

    Zero, one, half of it, one less; in a tuple in one place at a time. Below zero the same with the sign. Nothing is
    simpler than a value of another kind, but ``False`` is than ``True``.
    """
    if isinstance(value, bool):
        return [False] if value else []
    if isinstance(value, int):
        sign = -1 if value < 0 else 1
        return [
            sign * size for size in dict.fromkeys((0, 1, abs(value) // 2, abs(value) - 1)) if 0 <= size < abs(value)
        ]
    if isinstance(value, tuple):
        return [
            (*value[:place], each, *value[place + 1 :]) for place, entry in enumerate(value) for each in smaller(entry)
        ]
    return []


def earlier(value: Any, values: Sequence[Any]) -> list[Any]:
    """The values of a sweep that stand before this one: whoever writes a sweep begins with what is simple."""
    places = [repr(each) for each in values]
    return list(values[: places.index(repr(value))]) if repr(value) in places else []
