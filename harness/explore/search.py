"""Draws rows by Hypothesis, and keeps those that show what nobody knows yet."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, configuration
from hypothesis import strategies as st

from harness.casefile import Family
from harness.casefile.beyond import case_of, changed
from harness.divergence import Signature, signature
from harness.explore.space import Space
from harness.model import Lane, Verdict
from harness.reproduce.smallest import Ask, Record, Smallest, smallest

# Rows of one turn over all families; the time is looked at after each row, and the seed is another in each turn.
TURN = 200
SAYS_NOTHING = frozenset(
    {
        Verdict.REJECTED_BY_REFERENCE,
        Verdict.REJECTED_BY_BOTH,
        Verdict.UNSUPPORTED,
        Verdict.WEAK,
        Verdict.NOT_RUN,
    }
)


@dataclass(frozen=True)
class Find:
    """A class of divergence that is not known: the smallest case that shows it."""

    family: Family
    signature: Signature
    smallest: Smallest


@dataclass
class Search:
    """One search.

    Attributes:
        spaces: what is searched.
        ask: runs a case.
        is_news: whether a record is of no known divergence, and not as its document says.
        tried: how many cases were run, those on the way to the smallest not counted.
        silent: how many of these said nothing, as what torch refuses.
        finds: what was found, in order.
    """

    spaces: Sequence[Space]
    ask: Ask
    is_news: Callable[[Record], bool]
    clock: Callable[[], float] = time.monotonic
    tried: int = 0
    silent: int = 0
    finds: list[Find] = field(default_factory=list)
    _seen: set[Any] = field(default_factory=set)
    _met: set[str] = field(default_factory=set)

    def run(self, seconds: float, seed: int) -> None:
        """Search for so long. The rows and their order depend on the seed alone, how many there are on the time too."""
        deadline, turn = self.clock() + seconds, 0
        with tempfile.TemporaryDirectory(prefix="explore-", ignore_cleanup_errors=True) as home:
            configuration.set_hypothesis_home_dir(home)
            while self.clock() < deadline:
                self._turn(seed * 1_000_003 + turn, deadline)
                turn += 1

    def _turn(self, seed: int, deadline: float) -> None:
        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=TURN,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(_rows(self.spaces))
        def visit(drawn: tuple[int, dict[str, Any]]) -> None:
            if self.clock() < deadline:
                self.visit(self.spaces[drawn[0]].family, drawn[1])

        visit()

    def visit(self, family: Family, row: Mapping[str, Any]) -> None:
        """Run one case, and shrink it if it shows something new."""
        case = case_of(family, row)
        if case is None or case.id in self._met:
            return
        self._met.add(case.id)
        record = self.ask(family, row, [Lane.EXACT])
        self.tried += 1
        self.silent += record["verdict"] in SAYS_NOTHING
        if not self._is_new(record):
            return
        self._seen.add(signature(record))
        found = smallest(family, row, record, self.ask, also=self.is_news)
        self.finds.append(Find(family, signature(record), found))

    def _is_new(self, record: Record) -> bool:
        news = record["verdict"] not in SAYS_NOTHING and self.is_news(record)
        return news and signature(record) not in self._seen


def _rows(spaces: Sequence[Space]) -> st.SearchStrategy[tuple[int, dict[str, Any]]]:
    """A family by its place, and a row: of each fixed number the family's own as often as any other."""

    def row(place: int) -> st.SearchStrategy[tuple[int, dict[str, Any]]]:
        space = spaces[place]
        swept = {name: st.sampled_from(values) for name, values in space.swept.items()}
        fixed = {name: st.one_of(st.just(values[0]), st.sampled_from(values)) for name, values in space.fixed.items()}
        drawn = st.fixed_dictionaries({**fixed, **swept})
        return drawn.map(lambda made: (place, changed(space.family, made)))

    return st.sampled_from(range(len(spaces))).flatmap(row)
