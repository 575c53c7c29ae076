"""What tells some of a run's trials from the others of their families: a condition, and how far it is true."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.casefile.expressions import Expression, ExpressionError, plain
from harness.ledger.conditions import DTYPE, FAMILY, RELEASES, SUBJECT, Row, learn
from harness.records import Record

# A run should not end in minutes. A hundred and fifty trials take a tenth of a second where nothing short fits them,
# and so are charged for more; a few milliseconds where something does.
MOST_TRIALS = 1_000
BUDGET = 8_000
_CHARGE = 4


@dataclass(frozen=True)
class Condition:
    """When trials are of a class, in the language of the case files.

    Attributes:
        text: empty where all trials of the families are, and where nothing was found.
        wrong: how many of the families' trials it is wrong on; ``None`` where nothing was found.
        of: how many trials it was held against.
        because: why nothing was found.
    """

    text: str = ""
    wrong: int | None = 0
    of: int = 0
    because: str = ""

    @property
    def exact(self) -> bool:
        """Whether it is right on every trial of the run."""
        return self.wrong == 0

    @property
    def says(self) -> str:
        """In words; what is close only is called so."""
        if self.wrong is None:
            return f"no condition: {self.because}"
        if not self.text:
            return "in every trial"
        return f"when {self.text}" if self.exact else f"nearly when {self.text} (wrong on {self.wrong} of {self.of})"


class Separator:
    """Finds conditions until its budget of trials is used up; the same trials in the same order give the same ones."""

    def __init__(self, budget: int = BUDGET) -> None:
        """Start with a full budget."""
        self._left = budget

    def condition(self, trials: Sequence[Record], inside: Collection[int]) -> Condition:
        """What tells the trials at these places from the others."""
        if len(inside) == len(trials):
            return Condition(of=len(trials))
        if len(trials) > min(MOST_TRIALS, self._left):
            return Condition(wrong=None, of=len(trials), because="not sought, there are too many trials")
        marks = [place in inside for place in range(len(trials))]
        formula = learn(rows(trials), marks)
        if formula is None:
            return Condition(wrong=None, of=len(trials), because="no value tells the trials apart")
        wrong = sum(bool(formula.holds >> place & 1) != mark for place, mark in enumerate(marks))
        self._left -= len(trials) * (_CHARGE if wrong else 1)
        if wrong >= min(len(inside), len(trials) - len(inside)):  # to say always, or never, is as good
            return Condition(wrong=None, of=len(trials), because="no value tells the trials apart")
        return Condition(formula.text, wrong, len(trials))


def rows(trials: Sequence[Record]) -> list[Row]:
    """What a condition may speak of: values and origins; releases only where there are several."""
    releases = [name for name in RELEASES if len({trial.get(name, "") for trial in trials}) > 1]
    return [
        {
            **{FAMILY: trial["family"], SUBJECT: trial["subject"], DTYPE: trial["dtype"]},
            **{name: trial.get(name, "") for name in releases},
            # Records hold lists where cases have tuples.
            **{name: plain(value) for name, value in trial["values"].items()},
        }
        for trial in trials
    ]


def fits(text: str, trials: Sequence[Record], inside: Collection[int]) -> bool:
    """Whether the condition holds for just the trials at these places; not where a trial lacks one of its names."""
    try:
        condition = Expression(text)
    except ExpressionError:  # a record may name its values as no case file could
        return False
    return all(_holds(condition, row) == (place in inside) for place, row in enumerate(rows(trials)))


def _holds(condition: Expression, row: Mapping[str, Any]) -> bool | None:
    if not row.keys() >= set(condition.names):
        return None
    try:
        return bool(condition(row))
    except ExpressionError:
        return None
