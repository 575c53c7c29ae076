"""The shortest readable condition that tells rows apart: when does a claim hold?

What can be said of a row's values is made of *atoms*: ``bias``, ``mode == 'same'``, ``k == 1``, ``op <= p``. They are
held as integers, one bit a row, so that trying a combination is one operation on integers, and atoms that mean the same
on these rows are one. The result is text in the language of the case files' expressions.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.casefile.expressions import axis, identity

Row = Mapping[str, Any]

FAMILY, SUBJECT, DTYPE = "family", "subject", "dtype"
RELEASES = ("reference_version", "subject_version")
# Where a trial comes from explains less than any of its values.
_ORIGINS = frozenset({FAMILY, SUBJECT, DTYPE, *RELEASES})
_MOST_CONSTANTS = 24
# How many partial formulas are kept where no formula of three atoms fits exactly.
_BEAM = (120, 50, 30)


@dataclass(frozen=True)
class Formula:
    """A condition and where it holds.

    Attributes:
        text: as an expression of the case files.
        holds: bit i is set where row i meets the condition.
        atoms: how many atoms it has.
        cost: how little its atoms say to a reader, added up; decides between formulas of equal length.
        joined: the operator that joins its parts; empty for an atom.
    """

    text: str
    holds: int
    atoms: int = 1
    cost: float = 0.0
    joined: str = ""

    @property
    def rank(self) -> tuple[int, float, int, str]:
        """The simplest comes first; no two formulas are equal in this."""
        return self.atoms, self.cost, len(self.text), self.text


def learn(rows: Sequence[Row], agreed: Sequence[bool]) -> Formula | None:
    """The simplest formula that holds for just the rows that agreed, or, if no short one does, a close one.

    Args:
        rows: values by name; tuples and not lists.
        agreed: for each row, whether the claim held.

    Returns:
        ``None`` where all rows agree, or none does, or no name tells any two of them apart. The same rows in the same
        order always give the same formula.
    """
    everything = (1 << len(rows)) - 1
    target = sum(1 << index for index, held in enumerate(agreed) if held)
    found = atoms(rows)
    if target in (0, everything) or not found:
        return None
    return _exact(found, target, everything) or _close(found, target, len(rows))


# -- atoms -----------------------------------------------------------------------------------------------------------


def atoms(rows: Sequence[Row]) -> list[Formula]:
    """Every atom that holds for some rows and not for all; of those that mean the same here, the simplest."""
    everything = (1 << len(rows)) - 1
    numbers = _numbers(rows)
    kept: dict[int, Formula] = {}
    for text, opposite, cost, marks in itertools.chain(_words(rows), _constants(numbers), _comparisons(numbers)):
        holds = sum(1 << index for index, mark in enumerate(marks) if mark)
        if holds in (0, everything):
            continue
        # Of two ways to say the same, the one that negates nothing.
        for each in (Formula(text, holds, 1, cost), Formula(opposite, everything ^ holds, 1, cost + 0.1)):
            held = kept.get(each.holds)
            if held is None or each.rank < held.rank:
                kept[each.holds] = each
    return sorted(kept.values(), key=lambda atom: atom.rank)


# What an atom says, what its negation says, its cost, and whether it holds in each row.
_Atom = tuple[str, str, float, Iterable[bool]]
_Numbers = dict[str, list[int]]


def _columns(rows: Sequence[Row]) -> Iterator[tuple[str, list[Any]]]:
    """The values of each name; ``None`` where a row lacks the name."""
    for name in sorted({name for row in rows for name in row}):
        yield name, [row.get(name) for row in rows]


def _words(rows: Sequence[Row]) -> Iterator[_Atom]:
    """Atoms of names whose values have no order: booleans, texts, and whether a value is a tuple."""
    for name, values in _columns(rows):
        kinds = {type(value) for value in values}
        if kinds <= {bool, type(None)}:
            yield name, f"not {name}", 0.0, [bool(value) for value in values]
        elif kinds & {str, float} or any(_has_words(value) for value in values):
            cost = 3.0 if name in _ORIGINS else 0.5
            for value in {identity(value): value for value in values if value is not None}.values():
                marks = [identity(each) == identity(value) for each in values]
                yield f"{name} == {value!r}", f"{name} != {value!r}", cost, marks
        elif tuple in kinds and int in kinds:
            yield f"is_tuple({name})", f"not is_tuple({name})", 0.8, [isinstance(value, tuple) for value in values]


def _has_words(value: Any) -> bool:
    return isinstance(value, tuple) and not _is_numbers(value)


def _numbers(rows: Sequence[Row]) -> _Numbers:
    """What has a whole number in every row: a name, or one axis of it where it may be a tuple."""
    found: _Numbers = {}
    for name, values in _columns(rows):
        if all(type(value) is int for value in values):
            found[name] = values
        elif all(type(value) is int or _is_numbers(value) for value in values):
            for index in range(min(len(value) for value in values if isinstance(value, tuple))):
                found[f"axis({name}, {index})"] = [axis(value, index) for value in values]
    return {term: values for term, values in found.items() if len(set(values)) > 1}


def _is_numbers(value: Any) -> bool:
    return isinstance(value, tuple) and all(type(entry) is int for entry in value)


def _constants(numbers: _Numbers) -> Iterator[_Atom]:
    """A number against those that it takes, and its parity."""
    for term, values in numbers.items():
        distinct = sorted(set(values))
        for number in distinct if len(distinct) <= _MOST_CONSTANTS else ():
            cost = 0.9 if number in (0, 1) else 2.0  # none and one are no magic numbers
            yield f"{term} == {number}", f"{term} != {number}", cost, [value == number for value in values]
            yield f"{term} <= {number}", f"{term} > {number}", cost + 0.25, [value <= number for value in values]
        yield f"{term} % 2 == 0", f"{term} % 2 == 1", 2.0, [value % 2 == 0 for value in values]


def _comparisons(numbers: _Numbers) -> Iterator[_Atom]:
    """Two numbers against each other."""
    for (left, first), (right, second) in itertools.combinations(numbers.items(), 2):
        pairs = list(zip(first, second, strict=True))
        yield f"{left} == {right}", f"{left} != {right}", 1.0, [a == b for a, b in pairs]
        yield f"{left} <= {right}", f"{right} < {left}", 1.0, [a <= b for a, b in pairs]
        yield f"{right} <= {left}", f"{left} < {right}", 1.0, [b <= a for a, b in pairs]
        for upper, lower, turned in ((left, right, pairs), (right, left, [(b, a) for a, b in pairs])):
            if all(b > 0 for _, b in turned):
                yield f"{upper} % {lower} == 0", f"{upper} % {lower} != 0", 2.5, [a % b == 0 for a, b in turned]


# -- formulas that fit exactly ---------------------------------------------------------------------------------------


def _exact(found: Sequence[Formula], target: int, everything: int) -> Formula | None:
    """The simplest formula of up to three atoms that holds for just the target's rows."""
    by_rows = {atom.holds: atom for atom in found}
    if target in by_rows:
        return by_rows[target]

    # "a and b" of the target is "not (not a or not b)", so that each search is done once for either operator.
    def negated(atom: Formula) -> Formula:
        return by_rows[everything ^ atom.holds]

    for search in (_two, _three):
        fitting = [_join("or", *parts) for parts in search(found, target, everything, _same)]
        for parts in search(found, everything ^ target, everything, negated):
            fitting.append(_join("and", *parts))
        if fitting:
            return min(fitting, key=lambda formula: formula.rank)
    return None


_Leaf = Callable[[Formula], Formula]
_Parts = Iterator[tuple[Formula, ...]]


def _same(atom: Formula) -> Formula:
    return atom


def _two(found: Sequence[Formula], target: int, _: int, leaf: _Leaf) -> _Parts:
    """Pairs that together hold for just the target's rows."""
    within = [atom for atom in found if not atom.holds & ~target]
    first = target & -target
    for one in within:
        if one.holds & first:
            rest = target & ~one.holds
            yield from ((leaf(one), leaf(other)) for other in within if not rest & ~other.holds)


def _three(found: Sequence[Formula], target: int, everything: int, leaf: _Leaf) -> _Parts:
    """``a or b or c``, and ``a or (b and c)``, that hold for just the target's rows."""
    # An atom that covers less of the target than another is never needed beside it.
    within = _largest([(atom.holds, atom) for atom in found if not atom.holds & ~target])
    for one in within:
        rest = target & ~one.holds
        for other in (each for each in within if each.holds & rest & -rest and one.holds & target & -target):
            last = rest & ~other.holds
            yield from ((leaf(one), leaf(other), leaf(each)) for each in within if not last & ~each.holds)
        excluded = everything ^ target
        around = _largest([(excluded & ~atom.holds, atom) for atom in found if not rest & ~atom.holds])
        for left, right in itertools.combinations(around, 2):
            if not left.holds & right.holds & excluded:
                inner = "and" if leaf is _same else "or"
                yield leaf(one), _join(inner, leaf(left), leaf(right))


def _largest(marked: Sequence[tuple[int, Formula]]) -> list[Formula]:
    """Of atoms with what they achieve, those that achieve something no other one includes; the simplest of equals."""
    best: dict[int, Formula] = {}
    for achieved, atom in marked:
        held = best.get(achieved)
        if held is None or atom.rank < held.rank:
            best[achieved] = atom
    ordered = sorted(best, key=lambda achieved: -achieved.bit_count())
    kept: list[int] = []
    for achieved in ordered:
        if achieved and all(achieved & ~other for other in kept):
            kept.append(achieved)
    return [best[achieved] for achieved in kept]


def _join(operator: str, *parts: Formula) -> Formula:
    """The parts joined, the simpler ones first; ``or`` within ``and`` in parentheses."""
    ordered = sorted(parts, key=lambda part: part.rank)
    texts = [f"({part.text})" if part.joined == "or" and operator == "and" else part.text for part in ordered]
    holds = ordered[0].holds
    for part in ordered[1:]:
        holds = holds & part.holds if operator == "and" else holds | part.holds
    atoms_, cost = sum(part.atoms for part in parts), sum(part.cost for part in parts)
    return Formula(f" {operator} ".join(texts), holds, atoms_, cost, operator)


# -- formulas that come close ----------------------------------------------------------------------------------------


def _close(found: Sequence[Formula], target: int, rows: int) -> Formula:
    """A formula of up to four atoms that is wrong in few rows; an atom more has to pay for itself."""
    price = max(1, rows // 40)

    def penalty(formula: Formula) -> tuple[int, tuple[int, float, int, str]]:
        return (formula.holds ^ target).bit_count() + price * formula.atoms, formula.rank

    kept = sorted(found, key=penalty)
    best = kept[0]
    for width in _BEAM:
        grown: dict[int, tuple[Formula, Formula, str]] = {}
        for start, atom in itertools.product(kept[:width], found):
            grown.setdefault(start.holds & atom.holds, (start, atom, "and"))
            grown.setdefault(start.holds | atom.holds, (start, atom, "or"))
        nearest = heapq.nsmallest(width, grown, key=lambda holds: ((holds ^ target).bit_count(), holds))
        kept = sorted((_join(grown[holds][2], *grown[holds][:2]) for holds in nearest), key=penalty)
        best = min(best, kept[0], key=penalty)
    return best
