"""The lines at the end of a run."""

from __future__ import annotations

from harness.summary import layer_lines
from harness.tests.sample import checked, divergent, known, trial


def test_a_line_counts_verdicts_and_statuses() -> None:
    [line] = layer_lines([trial(1), known(2), divergent(3)])
    assert line == "Conv2d           mindspore@cpu: 3 trials: 1 bitwise, 2 value; 1 known, 1 new"


def test_checks_of_anything_but_outputs_are_counted_apart() -> None:
    signatures = [checked("k", agrees=True), checked("s", agrees=False), checked("d", agrees=False, status="new")]
    [line] = layer_lines([trial(1), *signatures])
    assert line == "Conv2d           mindspore@cpu: 1 trials: 1 bitwise; 0 known, 0 new; 3 checks, 1 known, 1 new"
    [line] = layer_lines(signatures[:1])
    assert line == "Conv2d           mindspore@cpu: 0 trials; 0 known, 0 new; 1 checks, 0 known, 0 new"
