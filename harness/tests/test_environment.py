"""Where a trial runs: a core of its own, and back to all of them afterwards."""

from __future__ import annotations

import pytest

from harness import environment

needs_cores = pytest.mark.skipif(len(environment.cores()) < 2, reason="needs two cores")


@needs_cores
def test_pinned_is_on_one_core_within_and_on_all_of_them_after() -> None:
    before = environment.cores()
    with pytest.raises(ZeroDivisionError), environment.pinned(before[1]):
        within = environment.cores()
        raise ZeroDivisionError
    assert (within, environment.cores()) == ([before[1]], before)


@needs_cores
def test_without_a_core_nothing_changes() -> None:
    before = environment.cores()
    with environment.pinned(None):
        assert environment.cores() == before
