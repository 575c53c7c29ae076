"""Asking the frameworks whether a learned condition holds for cases that it was not learned from."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.casefile import Family
from harness.casefile.beyond import case_of, domain, left_out
from harness.casefile.expressions import Expression, ExpressionError, identity
from harness.ledger.conditions import DTYPE, FAMILY, SUBJECT, Formula, Row, learn
from harness.ledger.findings import Finding, State
from harness.model import Case

EACH_SIDE = 20
ROUNDS = 3
REFUTED = 4
_DRAWS = 400
_MOST_TRIES = 3 * EACH_SIDE


@dataclass(frozen=True)
class Known:
    """A trial that was run: its family and values, with the derived ones, and whether it went as the document says."""

    family: str
    row: Row
    agreed: bool


@dataclass(frozen=True)
class Fresh:
    """A case that no run has had.

    Attributes:
        row: all names that a condition may speak of.
        swept: the family's swept values alone.
        beyond: whether one of these is not in the sweep.
    """

    family: Family
    swept: Row
    row: Row
    subject: str
    dtype: str
    beyond: bool

    @property
    def id(self) -> str:
        """As a trial's."""
        return f"{self.family.identify(dict(self.swept))},{self.dtype},{self.subject}"


# Whether a fresh case agrees with the document; None where it says nothing.
Ask = Callable[[Fresh, Case], bool | None]


@dataclass
class Inquiry:
    """One claim's search.

    Attributes:
        claim: its name; what is drawn depends on it alone.
        families: those that fresh cases may be drawn from, with the subjects and dtypes that they ran at.
        known: the evidence of the run.
        taken: ids of trials that were run.
        ask: runs a fresh case.
    """

    claim: str
    families: Mapping[str, tuple[Family, Sequence[tuple[str, str]]]]
    known: Sequence[Known]
    taken: set[str]
    ask: Ask
    learned: list[Known] = field(default_factory=list)
    discarded: int = 0

    def find(self) -> Finding:
        """Learn, check on fresh cases, and learn again from what these contradict, up to three times."""
        formula, met, right = self._learned(), list[tuple[Fresh, bool]](), 0
        refuted: set[str] = set()
        for turn in range(ROUNDS + 1):
            if formula is None:
                break
            # One that is learned again, though it was refuted, is the best there is.
            last = turn == ROUNDS or formula.text in refuted
            met, right = self.check(Expression(formula.text), turn, last)
            if right == len(met) or last:
                break
            refuted.add(formula.text)
            self.learned += [Known(each.family.name, each.row, agreed) for each, agreed in met]
            formula = self._learned()
        return self._finding(formula, [each for each, _ in met], right)

    def _learned(self) -> Formula | None:
        evidence = [*self.known, *self.learned]
        return learn([each.row for each in evidence], [each.agreed for each in evidence])

    def check(self, condition: Expression, turn: int, last: bool) -> tuple[list[tuple[Fresh, bool]], int]:
        """Fresh cases with whether they agreed, and on how many the condition was right."""
        met, right = list[tuple[Fresh, bool]](), 0
        for each, agreed in self._meet(condition, turn):
            met.append((each, agreed))
            right += agreed == _holds(condition, each.row)
            # What is refuted already, and will be learned anew, need not be refuted any further.
            if not last and len(met) - right == REFUTED:
                break
        return met, right

    def _finding(self, formula: Formula | None, met: Sequence[Fresh], right: int) -> Finding:
        if formula is None:
            return Finding(State.FAILED, "no value tells the trials apart", trials=len(self.known))
        agreed = sum(1 << index for index, each in enumerate(self.known) if each.agreed)
        recorded = formula.holds & ((1 << len(self.known)) - 1)
        misfits = (agreed ^ recorded).bit_count()
        if not met:
            state = State.EXHAUSTIVE if self._exhausted else State.UNCHECKED
            return Finding(state, formula.text, misfits=misfits, trials=len(self.known))
        condition = Expression(formula.text)
        return Finding(
            State.CHECKED,
            formula.text,
            right=right,
            fresh=len(met),
            beyond=sum(each.beyond for each in met),
            holding=sum(_holds(condition, each.row) for each in met),
            misfits=misfits,
            trials=len(self.known),
        )

    @property
    def _exhausted(self) -> bool:
        """Whether every value is one of a few words, so that there is no case but those that were run."""
        swept = [values for family, _ in self.families.values() for values in family.sweep.values()]
        return bool(swept) and not self.discarded and all(map(of_words, swept))

    def _meet(self, condition: Expression, turn: int) -> Iterator[tuple[Fresh, bool]]:
        """Run fresh cases, as many on either side of the condition in turns, those near the boundary first."""
        sides: dict[bool, list[tuple[bool, Fresh]]] = {True: [], False: []}
        for each in self.draw(turn):
            sides[_holds(condition, each.row)].append((not self._near(condition, each), each))
        telling = [self._telling(sorted(drawn, key=lambda entry: entry[0])) for drawn in sides.values()]
        for pair in itertools.zip_longest(*(itertools.islice(side, EACH_SIDE) for side in telling)):
            yield from (met for met in pair if met is not None)

    def _telling(self, drawn: Sequence[tuple[bool, Fresh]]) -> Iterator[tuple[Fresh, bool]]:
        """Those that say something, with whether they agree with the document; runs them."""
        for _, each in drawn[:_MOST_TRIES]:
            self.taken.add(each.id)
            case = case_of(each.family, each.swept)
            agreed = None if case is None else self.ask(each, case)
            if agreed is None:
                self.discarded += 1
            else:
                yield each, agreed

    def draw(self, turn: int) -> Iterator[Fresh]:
        """Cases that were not run and that no exclusion leaves out, each once, in an order that is always the same."""
        seen = set(self.taken)
        for number in range(_DRAWS):
            for name, (family, ran) in self.families.items():
                dice = _Dice(f"{self.claim}|{name}|{turn}|{number}")
                row = self._row(family, dice)
                subject, dtype = dice.pick(ran)
                names = _names(family, row, subject, dtype)
                beyond = any(not _within(value, family.sweep[swept]) for swept, value in row.items())
                if names is not None:
                    fresh = Fresh(family, row, names, subject, dtype, beyond)
                    if fresh.id not in seen:
                        seen.add(fresh.id)
                        yield fresh

    def _row(self, family: Family, dice: _Dice) -> dict[str, Any]:
        """New values for all swept names, or, every other time, for one or two names of a case that was run."""
        domains = {name: domain(values) for name, values in family.sweep.items()}
        run = [each for each in self.known if each.family == family.name]
        if not run or dice.pick((True, False)):
            return {name: dice.pick(values) for name, values in domains.items()}
        start = dice.pick(run).row
        changed = {dice.pick(list(domains)), dice.pick(list(domains))} if domains else set()
        return {name: dice.pick(values) if name in changed else start[name] for name, values in domains.items()}

    def _near(self, condition: Expression, fresh: Fresh) -> bool:
        """Whether one value's step to a neighbouring one leads across the boundary."""
        here = _holds(condition, fresh.row)
        for name, values in fresh.family.sweep.items():
            for value in neighbours(fresh.swept[name], values):
                names = _names(fresh.family, {**fresh.swept, name: value}, fresh.subject, fresh.dtype)
                if names is not None and _holds(condition, names) != here:
                    return True
        return False


class _Dice:
    """Choices by hash, which no release of Python can change."""

    def __init__(self, key: str) -> None:
        self._key, self._count = key, 0

    def pick(self, among: Sequence[Any]) -> Any:
        self._count += 1
        digest = hashlib.sha256(f"{self._key}|{self._count}".encode()).digest()
        return among[int.from_bytes(digest[:8], "big") % len(among)]


def of_words(values: Sequence[Any]) -> bool:
    """Whether a sweep has no number that another one could stand for."""
    return all(isinstance(value, bool | str | None) or _of_words_within(value) for value in values)


def _of_words_within(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and of_words(value)


def neighbours(value: Any, values: Sequence[Any]) -> list[Any]:
    """The values a step away: a number one up or down, in one place of a tuple too; else all others of the sweep."""
    if type(value) is int:
        return [value - 1, value + 1]
    if isinstance(value, tuple) and all(type(entry) is int for entry in value):
        steps = [(place, step) for place in range(len(value)) for step in (-1, 1)]
        return [(*value[:place], value[place] + step, *value[place + 1 :]) for place, step in steps]
    return [other for other in values if identity(other) != identity(value)]


def _within(value: Any, values: Sequence[Any]) -> bool:
    return identity(value) in {identity(each) for each in values}


def _names(family: Family, row: Row, subject: str, dtype: str) -> dict[str, Any] | None:
    """Every name that a condition may speak of; ``None`` for a row that is left out or cannot be computed."""
    try:
        if left_out(family, row):
            return None
        return origins(family.names(dict(row)), family.name, subject, dtype)
    except ExpressionError:
        return None


def origins(names: Row, family: str, subject: str, dtype: str) -> dict[str, Any]:
    """The names of a trial, with where it comes from; a case file's own names win."""
    return {FAMILY: family, SUBJECT: subject, DTYPE: dtype, **names}


def _holds(condition: Expression, row: Row) -> bool:
    """Whether the condition holds; not, where it cannot be computed."""
    try:
        return bool(condition({name: row.get(name) for name in condition.names}))
    except ExpressionError:
        return False
