"""A trial of a results file: little is kept of it, and all of it can be had."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness.divergence import elements, kind, largest_difference, signature
from harness.errors import HarnessError
from harness.records import RESULTS, Record, read
from harness.records.line import Line
from harness.tests.sample import checked, comparison, divergent, known, not_run, store, trial

SECOND = comparison(tensor="grad.x", size=9_000, max_abs=float("nan"), verdict="value")
KINDS = {
    "agreeing": trial(3),
    "divergent": divergent([2, 3]),
    "known": known(4, comparisons=[comparison(), SECOND]),
    "not run": not_run(5),
    "no output": checked("stride", agrees=False),
    "of two modes": divergent(6, comparisons=[comparison(verdict="value", against="mindspore@cpu", max_abs=9.0)]),
    "an error": divergent(7, comparisons=[], diagnosis=None, error={"side": "subject", "phase": "call", "type": "E"}),
}


def line(folder: Path, record: Record) -> Record:
    return read(store(folder, [dict(record)])).trials[0]


@pytest.mark.parametrize("record", KINDS.values(), ids=KINDS)
def test_it_is_the_line_and_the_releases(tmp_path: Path, record: Record) -> None:
    found = line(tmp_path, record)
    written = json.loads((tmp_path / RESULTS).read_text().splitlines()[1])
    assert {**found} == {**written, "subject_version": "2.10.0", "reference_version": "2.13.0"}
    assert len(found) == len(written) + 2


@pytest.mark.parametrize("record", KINDS.values(), ids=KINDS)
def test_what_is_worked_out_is_that_of_the_whole_record(tmp_path: Path, record: Record) -> None:
    found = line(tmp_path, record)
    whole = {name: value for name, value in found.items() if name in record}
    for about in (signature, kind, elements):
        assert about(found) == about(whole) == about(record)
    assert repr(largest_difference(found)) == repr(largest_difference(whole)) == repr(largest_difference(record))


def test_what_the_line_has_not_it_has_not_either(tmp_path: Path) -> None:
    found = line(tmp_path, trial())
    for name in ("steady", "check", "nonsense"):
        assert name not in found
        assert found.get(name, "none") == "none"
    assert "calls" in found


def test_counting_reads_no_line_again(tmp_path: Path) -> None:
    found = line(tmp_path, divergent())
    (tmp_path / RESULTS).unlink()
    assert (found["verdict"], found["values"]["k"], found.get("steady", {}), signature(found).looks) == (
        *("value", 3, {}),
        "shifted",
    )
    with pytest.raises(HarnessError, match="cannot be read"):
        found["calls"]


def test_a_file_that_changed_in_between_is_no_other_trials_record(tmp_path: Path) -> None:
    found = line(tmp_path, divergent(3))
    store(tmp_path, [divergent(5)])
    with pytest.raises(HarnessError, match="changed while it was read"):
        found["calls"]


def test_every_line_is_found_again(tmp_path: Path) -> None:
    path = store(tmp_path, [trial(k, note="\N{GREEK SMALL LETTER ALPHA}" * k) for k in range(1, 6)])
    lines = [json.dumps(json.loads(each), ensure_ascii=False) for each in path.read_text().splitlines()]
    path.write_bytes("\r\n\n".join([*lines, ""]).encode())
    found = read(path)
    assert found.problems == ()
    assert [each["note"] for each in found.trials] == ["\N{GREEK SMALL LETTER ALPHA}" * k for k in range(1, 6)]


def test_trials_that_are_alike_share_what_they_have_in_common(tmp_path: Path) -> None:
    runs = [read(store(tmp_path, [trial(1), trial(2), divergent(3)]))]
    first, second, other = runs[0].trials
    assert isinstance(first, Line) and isinstance(second, Line) and isinstance(other, Line)
    assert first._facts is second._facts
    assert first._names is second._names is other._names
    assert first._facts is not other._facts
    own = sum(map(sys.getsizeof, (first, first._values, first._trial)))
    assert own < 500
