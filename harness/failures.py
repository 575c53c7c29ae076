"""Which failures a run prints in full: of each class of divergence one, its smallest trial."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

# With these styles pytest prints a line for each failure, or nothing.
SHORT = ("line", "no")
LINES_BY_DEFAULT = "fE"


class FailureBlocks:
    """Keeps the failures that are not printed out of pytest's sections, while these are printed."""

    def __init__(self, config: pytest.Config) -> None:
        """Print all of them, until it is told which."""
        self._config = config
        self._leading: Mapping[str, int] | None = None
        self._all: list[Any] = []

    def lead(self, trials: Sequence[str]) -> None:
        """Print the failures of these trials, in this order, and those that are of no trial."""
        self._leading = {trial: place for place, trial in enumerate(trials)}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, None, None]:
        """Leave pytest its count of failures, and take the others away while it prints."""
        leading = self._leading
        if self._config.option.tbstyle == "line":
            for report in terminalreporter.stats.get("failed", []):
                _in_a_line(report)
        if leading is None or self._config.option.tbstyle in SHORT:
            yield
            return
        self._all = terminalreporter.stats.get("failed", [])
        named = [(_trial(report), report) for report in self._all]
        others = [report for trial, report in named if not trial]
        found = sorted((leading[trial], place) for place, (trial, _) in enumerate(named) if trial in leading)
        kept = [self._all[place] for _, place in found]
        if kept:
            terminalreporter.stats["failed"] = [*others, *kept]
        try:
            yield
        finally:
            if kept:
                terminalreporter.stats["failed"] = self._all

    def before_lines(self, terminalreporter: Any) -> None:
        """Give pytest back all failures for its list of lines, if the user has asked for that list."""
        config = self._config
        given = [
            *config.invocation_params.args,
            *config.getini("addopts"),
            *os.environ.get("PYTEST_ADDOPTS", "").split(),
        ]
        asked = any(re.match(r"-[a-zA-Z]*r", argument) for argument in given)
        if self._all and (asked or config.option.reportchars != LINES_BY_DEFAULT):
            terminalreporter.stats["failed"] = self._all


def _in_a_line(report: Any) -> None:
    """Have pytest print a trial's failure in one line: the trial, and the reason that its story starts with."""
    if trial := _trial(report):
        report.longrepr = SimpleNamespace(reprcrash=f"{trial}: {str(report.longrepr).splitlines()[0]}")
        report.toterminal = lambda _: None


def _trial(report: Any) -> str:
    """The trial that a report is of; empty if it is of none."""
    return str(json.loads(report.harness)["record"]["trial"]) if hasattr(report, "harness") else ""
