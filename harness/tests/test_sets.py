"""Files that make no whole: each in one line that says which file, what it is, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.records import Record, merge
from harness.tests.sample import NEWER, TARGETS, divergent, store, trial

TRIALS = [trial(k) for k in range(1, 7)]
FILES = {"cases/conv2d.yaml": "0123", "cases/known.yaml": "4567"}


class Shards:
    """Results files of shards, two trials each."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.paths = folder, list[Path]()

    def add(self, number: int, total: int = 3, trials: Sequence[Record] | None = None, **changes: Any) -> Shards:
        place = 2 * number
        taken = TRIALS[place - 2 : place] if trials is None else trials
        own = {"shard": f"{number}/{total}", "plan": f"{number} of {total}", "case_files": FILES, **changes}
        folder = self.folder / f"{len(self.paths)}"
        self.paths.append(store(folder, [dict(each) for each in taken], **own))
        return self

    @property
    def problems(self) -> list[str]:
        """What is wrong, with short names of the files."""
        found = merge(self.paths).problems
        return [problem.replace(f"{self.folder}/", "").replace("/results.jsonl", "") for problem in found]


def on(word: str) -> dict[str, Any]:
    """The targets, torch on this instruction set."""
    return {**TARGETS, "torch@cpu": {**TARGETS["torch@cpu"], "isa": word}}


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    return Shards(tmp_path)


def test_all_shards_are_a_whole(shards: Shards) -> None:
    assert shards.add(1).add(2).add(3).problems == []


def test_runners_of_other_targets_have_shards_of_their_own(shards: Shards) -> None:
    gpu = {name.replace("mindspore@cpu", "mindspore@gpu"): target for name, target in TARGETS.items()}
    elsewhere = [trial(k, subject="mindspore@gpu") for k in range(1, 7)]
    for number in (1, 2, 3):
        shards.add(number).add(number, 3, elsewhere[2 * number - 2 : 2 * number], targets=gpu)
    assert shards.problems == []
    assert len(merge(shards.paths).trials) == 12


def test_two_releases_have_shards_of_their_own(shards: Shards) -> None:
    for number in (1, 2, 3):
        shards.add(number).add(number, targets=NEWER)
    assert shards.problems == []


def test_missing_shards_are_named(shards: Shards) -> None:
    assert shards.add(1).problems == ["0: 1 of 3 shards; missing: 2, 3; run and name what is missing."]


def test_not_too_many_are_named(shards: Shards) -> None:
    [problem] = shards.add(1, 200).problems
    assert "missing: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 189 more;" in problem


def test_a_shard_that_is_here_twice_is_one_line(shards: Shards) -> None:
    shards.add(1).add(2).add(3).add(2)
    assert shards.problems == ["3: shard 2 of 3 is in 1 too; leave one of the two out."]
    assert len(merge(shards.paths).trials) == 6


def test_a_shard_that_went_another_way_the_second_time_says_where(shards: Shards) -> None:
    shards.add(1).add(2).add(3).add(2, trials=[trial(3), divergent(4)])
    [problem] = shards.problems
    changed = f"{trial(4)['trial']}: value here, bitwise there"
    assert problem == (
        f"3: shard 2 of 3 is in 1 too; 1 trial has another verdict, the first is {changed}; leave one of the two out."
    )


def test_an_empty_shard_is_here_twice_too(shards: Shards) -> None:
    shards.add(1).add(2).add(3, trials=[]).add(3, trials=[])
    assert shards.problems == ["3: shard 3 of 3 is in 2 too; leave one of the two out."]


def test_one_file_by_two_names_is_one_file(shards: Shards, tmp_path: Path) -> None:
    shards.add(1).add(2).add(3)
    (tmp_path / "again").symlink_to(tmp_path / "0")
    assert merge([*shards.paths, tmp_path / "again"]).complete


def test_trials_of_two_runs_with_other_verdicts_are_told(shards: Shards) -> None:
    shards.add(1, 1, TRIALS, selected="cases").add(1, 1, [divergent(2), trial(3)], selected="-k some")
    [problem] = shards.problems
    first, changed = trial(2)["trial"], f"{trial(2)['trial']}: value here, bitwise there"
    assert problem == (
        f"1: 2 trials are recorded in 0 as well, the first is {first}; 1 trial has another verdict, "
        f"the first is {changed}; leave one of the two out."
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tier": "full"}, "tier is full, there default"),
        ({"selected": "-k same"}, "selected is -k same, there all"),
        ({"targets": NEWER}, "mindspore@cpu is 2.11.0, there 2.10.0"),
        ({"targets": on("amx")}, "torch@cpu's isa is amx, there avx2"),
    ],
)
def test_a_shard_of_another_run_is_one_line(shards: Shards, changes: dict[str, Any], says: str) -> None:
    shards.add(1, targets=on("avx2")).add(2, **changes).add(3, targets=on("avx2"))
    assert shards.problems == [
        f"1: shard 2 of 3 is of another run than 0: {says}; run the one again as the other was.",
    ]


def test_shards_of_other_case_files_are_told(shards: Shards) -> None:
    shards.add(1).add(2, case_files={**FILES, "cases/conv2d.yaml": "8888"}).add(3)
    assert shards.problems == [
        "1: made from another content of cases/conv2d.yaml than 0; run the one again as the other was.",
    ]


def test_the_odd_one_is_named_and_not_the_others(shards: Shards) -> None:
    shards.add(1, case_files={**FILES, "cases/conv2d.yaml": "8888"}, harness="0.2.0").add(2).add(3)
    assert [problem[:40] for problem in shards.problems] == [
        "0: made from another content of cases/co",
        "0: judged by harness 0.2.0, and 1 by 0.1",
    ]


def test_shards_with_a_case_file_more_are_told(shards: Shards) -> None:
    shards.add(1).add(2, case_files={**FILES, "cases/dense.yaml": "8888"}).add(3)
    assert [problem.split(",")[0] for problem in shards.problems] == [
        "0: made without cases/dense.yaml",
        "2: made without cases/dense.yaml",
    ]


def test_runs_that_another_harness_judged_are_told(shards: Shards) -> None:
    shards.add(1).add(2).add(3, harness="0.2.0")
    assert shards.problems == [
        "2: judged by harness 0.2.0, and 0 by 0.1.0; run the one again as the other was.",
    ]


@pytest.mark.parametrize("selected", [("cases/a.yaml", "cases/b.yaml"), ("part", "part")])
def test_two_parts_of_the_case_files_are_no_doubles(shards: Shards, selected: tuple[str, str]) -> None:
    for name, trials, part in zip("ab", (TRIALS[:2], TRIALS[2:]), selected, strict=True):
        shards.add(1, 1, trials, selected=part, plan=name, case_files={f"cases/{name}.yaml": name})
    assert shards.problems == []


@pytest.mark.parametrize("version", [None, "2.10"])
def test_what_an_empty_shard_could_not_know_speaks_against_nothing(shards: Shards, version: str | None) -> None:
    told = {name: {**target, "version": version} for name, target in TARGETS.items()}
    assert shards.add(1, trials=[], targets=told).add(2).add(3).problems == []


def test_a_target_that_was_not_met_speaks_against_nothing(shards: Shards) -> None:
    graph = {"mindspore@cpu:graph": {"framework": "mindspore", "version": None}}
    met = {"mindspore@cpu:graph": {"framework": "mindspore", "version": "2.10.0"}}
    shards.add(1, targets={**TARGETS, **graph}).add(2, targets={**TARGETS, **met}).add(3, targets={**TARGETS, **met})
    assert shards.problems == []


def test_whether_the_adjudicator_was_met_first_makes_no_other_run(shards: Shards) -> None:
    asked: dict[str, Any] = {"reference": "torch@cpu", "subjects": ["mindspore@cpu"]}
    numpy = {"numpy@cpu": {"framework": "numpy", "version": "1.26.4"}}
    assert shards.add(1, **asked).add(2, targets={**TARGETS, **numpy}, **asked).add(3, **asked).problems == []


def test_no_trial_at_all_is_no_whole(shards: Shards) -> None:
    for number in (1, 2, 3):
        shards.add(number, trials=[])
    [problem] = shards.problems
    assert problem == "0: no trial was selected, here or in another file; look at what was selected."
