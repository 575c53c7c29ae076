"""The lines at the end of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.classes import classes
from harness.records import Record
from harness.summary import blocks, github_lines, layer_lines, leading, weak_block, write
from harness.tests.sample import KNOWN, checked, divergent, known, results, trial

BORDER = {"diagnosis": {"kind": "border", "says": "only the border differs"}}


class Screen:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write_sep(self, sep: str, title: str | None = None, **markup: bool) -> None:
        self.lines.append(f"{sep} {title}")

    def write_line(self, line: str, **markup: bool) -> None:
        self.lines.append(line)


def summary(folder: Path, trials: list[Record]) -> list[str]:
    """What a run with these trials ends with."""
    screen = Screen()
    found = results(folder, trials)
    write(screen, found, classes(found.trials), folder, folder.parent)
    return screen.lines


def test_a_line_counts_verdicts_and_statuses() -> None:
    [line] = layer_lines([trial(1), known(2), divergent(3)])
    assert line == "Conv2d           mindspore@cpu: 3 trials: 1 bitwise, 2 value; 1 known, 1 new"


def test_checks_of_anything_but_outputs_are_counted_apart() -> None:
    signatures = [checked("k", agrees=True), checked("s", agrees=False), checked("d", agrees=False, status="new")]
    [line] = layer_lines([trial(1), *signatures])
    assert line == "Conv2d           mindspore@cpu: 1 trials: 1 bitwise; 0 known, 0 new; 3 checks, 1 known, 1 new"
    [line] = layer_lines(signatures[:1])
    assert line == "Conv2d           mindspore@cpu: 0 trials; 0 known, 0 new; 1 checks, 0 known, 0 new"


def test_new_classes_come_first_each_once_with_its_smallest_trial_and_command(tmp_path: Path) -> None:
    trials = [trial(1), *(divergent(k) for k in (2, 4, 6)), *(known(k, s=2, **BORDER) for k in (3, 5))]
    lines = summary(tmp_path, trials)
    [heading] = [line for line in lines if line.startswith("new: ")]
    assert heading == f"new: {classes(trials)[0].id}: 3 of 6 trials of same"
    start = lines.index(heading)
    assert lines[start + 1 : -2] == [
        "  The actual values are the expected ones, shifted by one column.",
        "  when k % 2 == 0",
        "  smallest trial: conv2d/same/k=2,s=1,float32,mindspore@cpu",
        "  python -m harness compare 'torch.nn.Conv2d(4, 6, 2)' 'mindspore.nn.Conv2d(4, 6, 2)'",
        "in all: 1 new class (3 trials), 1 known class (2 trials)",
    ]
    assert lines[-2].startswith("all trials of each class: -v lists them")
    assert lines[-1].startswith("next: run a reproducer above, or: python -m harness repro TRIAL; then mend")


def test_known_classes_are_counted_and_not_listed(tmp_path: Path) -> None:
    lines = summary(tmp_path, [trial(1), known(2), known(3)])
    assert "in all: 0 new classes, 1 known class (2 trials)" in lines
    assert not [line for line in lines if "shifted" in line]
    assert lines[-1].startswith("next: open ")


def test_the_list_of_classes_ends_after_twenty() -> None:
    trials = [divergent(k, layer=f"Layer{number}") for number in range(23) for k in (1, 2)]
    shown = blocks(classes(trials))
    assert len(shown) == 21
    assert shown[-1] == ["... and 3 new classes (6 trials); all are in the report"]
    assert len(github_lines(classes(trials))) == 10


def test_all_trials_of_a_class_are_listed_for_who_wants_to_see_them(tmp_path: Path) -> None:
    weak = {"verdict": "weak", "status": "new", "as_expected": False, "note": "no weights", "undocumented": ""}
    trials = [divergent(2), divergent(4), divergent(6), trial(1, **weak), trial(3, **weak)]
    [[*_, second, third]] = blocks(classes(trials), verbose=True)
    assert [second, third] == [each["trial"] for each in trials[1:3]]
    assert weak_block(trials, verbose=True)[0][-1] == trials[4]["trial"]
    assert leading(classes(trials), results(tmp_path, trials)) == [trials[0]["trial"], trials[3]["trial"]]


def test_a_class_of_many_families_names_a_few() -> None:
    [[heading, *_]] = blocks(classes([divergent(family=name) for name in "abcdef"]))
    assert heading.endswith("6 of 6 trials of a, b, c, d and 2 more")


def test_a_class_that_departs_from_an_entry_names_it() -> None:
    [[heading, *lines]] = blocks(classes([known(2), divergent(4)]))
    assert heading.startswith("new: ")
    assert "looks as 'CONV-1' in known.yaml does, outside of its scope" in lines
    [[heading, says, *_]] = blocks(classes([known(4, status="changed", departure="its verdict is value")]))
    assert heading.startswith("changed: ") and says.startswith("its verdict is value")


def test_trials_that_prove_nothing_are_told_though_they_are_no_divergence(tmp_path: Path) -> None:
    weak = {"verdict": "weak", "status": "new", "as_expected": False, "note": "no weights", "undocumented": ""}
    trials = [trial(1), trial(2, **weak), trial(3, **weak)]
    [[heading, example, says, _]] = weak_block(trials)
    assert heading == "weak: 2 trials proved nothing, the first is"
    assert example == trials[1]["trial"] and "no weights" in says
    lines = summary(tmp_path, trials)
    assert heading in lines and "in all: 0 new classes" in lines
    assert lines[-1].startswith("next: run a reproducer above")
    assert weak_block([trial(1), divergent(2)]) == []


def test_github_is_told_of_each_new_class_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [trial(1), divergent(2), divergent(4), divergent(6, **BORDER), known(8, known=KNOWN)]
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert not [line for line in summary(tmp_path / "away", trials) if line.startswith("::")]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    told = [line for line in summary(tmp_path / "there", trials) if line.startswith("::")]
    assert len(told) == 2
    assert told[0].startswith("::error file=cases/conv2d.yaml,title=new divergence%3A conv2d-value-output-shifted-")
    assert "2 of 5 trials of same%0AThe actual values" in told[0]
    assert told == github_lines(classes(trials))


def test_what_github_would_take_for_syntax_is_escaped() -> None:
    says = {"diagnosis": {"kind": "other", "says": "100 %, a:b\r\nc"}}
    [line] = github_lines(classes([divergent(file="a,b:c", **says)]))
    assert line.startswith("::error file=a%2Cb%3Ac,title=")
    assert "100 %25, a:b%0D%0Ac" in line
