"""Results files: nothing is lost, and nothing that is not whole is taken for whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.records import RESULTS, Writer, merge, read, write_atomic
from harness.tests.sample import NEWER, comparison, divergent, header, store, trial

TRIALS = [trial(k) for k in (3, 5, 7)]


def test_a_whole_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    run = read(store(tmp_path, TRIALS))
    assert run.problems == ()
    assert [each["trial"] for each in run.trials] == [each["trial"] for each in TRIALS]
    assert run.trials[0]["values"] == {"k": 3, "s": 1, "n": 2}
    assert run.header["planned"] == 3
    assert run.footer is not None
    assert run.footer["recorded"] == 3
    assert run.footer["verdicts"] == {"bitwise": 3}


def test_trials_carry_the_versions_of_their_run(tmp_path: Path) -> None:
    (first, *_) = read(store(tmp_path, TRIALS)).trials
    assert (first["subject_version"], first["reference_version"]) == ("2.10.0", "2.13.0")


def test_a_folder_stands_for_its_results_file(tmp_path: Path) -> None:
    store(tmp_path, TRIALS)
    assert read(tmp_path).path == str(tmp_path / RESULTS)


def test_every_line_is_on_disk_before_the_next_trial(tmp_path: Path) -> None:
    with Writer(tmp_path / "new" / RESULTS) as writer:
        writer.header(header(3))
        writer.trial(TRIALS[0])
        assert len(writer.path.read_text().splitlines()) == 2


def test_the_writer_ignores_and_counts_a_doubled_trial(tmp_path: Path) -> None:
    with Writer(tmp_path / RESULTS) as writer:
        writer.header(header(1))
        writer.trial(TRIALS[0])
        writer.trial({**TRIALS[0], "verdict": "value"})
        writer.footer()
    assert writer.doubled == 1
    run = read(tmp_path)
    assert run.problems == ()
    assert [each["verdict"] for each in run.trials] == ["bitwise"]


def test_numbers_that_json_lacks_stay_readable_for_other_programs(tmp_path: Path) -> None:
    store(tmp_path, [trial(comparisons=[comparison(max_abs=float("inf"), cosine=float("nan"))])])
    lines = (tmp_path / RESULTS).read_text().splitlines()
    [found] = json.loads(lines[1], parse_constant=pytest.fail)["comparisons"]
    assert (float(found["max_abs"]), found["cosine"]) == (float("inf"), "nan")


def test_an_error_in_the_run_leaves_no_footer(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Writer(tmp_path / RESULTS) as writer:
        writer.header(header(3))
        writer.trial(TRIALS[0])
        raise KeyboardInterrupt
    assert read(tmp_path).problems == (
        f"{tmp_path / RESULTS}: no footer: the run was interrupted, 1 of 3 trials recorded; run it again.",
    )


def test_a_half_written_last_line_is_reported_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = store(tmp_path, TRIALS)
    whole = path.read_text()
    path.write_text(whole[: whole.index('"type": "footer"') - 200])
    run = read(path)
    assert len(run.trials) == 2
    assert run.problems == (
        f"{path}: the last line is half-written and is left out; run it again.",
        f"{path}: no footer: the run was interrupted, 2 of 3 trials recorded; run it again.",
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{nonsense}", "line 2 is not a JSON object"),
        ('{"type": "trail"}', "line 2 is of an unknown type 'trail'"),
        ('{"type": "trial", "trial": "a"}', "line 2 is a trial without 'as_expected'"),
        (json.dumps({"type": "trial", **trial(9, verdict="fine")}), "line 2 has an unknown verdict 'fine'"),
    ],
)
def test_a_bad_line_is_left_out_and_reported(tmp_path: Path, line: str, says: str) -> None:
    path = store(tmp_path, TRIALS)
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, line, *rest]) + "\n")
    run = read(path)
    assert len(run.trials) == 3
    assert run.problems == (f"{path}: {says} and is left out; run it again.",)


def test_counts_that_differ_are_problems(tmp_path: Path) -> None:
    path = store(tmp_path, TRIALS)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2] + lines[3:]))
    assert read(path).problems == (
        f"{path}: 2 of 3 planned trials recorded; run it again.",
        f"{path}: the footer counts 3 trials and the file holds 2; run it again.",
    )


def test_a_missing_header_is_a_problem(tmp_path: Path) -> None:
    path = store(tmp_path, TRIALS)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    run = read(path)
    assert run.trials[0]["subject_version"] == ""
    [problem] = run.problems
    assert "no header" in problem


def test_an_empty_file_is_an_interrupted_run(tmp_path: Path) -> None:
    (tmp_path / RESULTS).touch()
    assert "no header" in read(tmp_path).problems[0]


def test_two_runs_in_one_file_are_a_problem(tmp_path: Path) -> None:
    path = store(tmp_path, TRIALS)
    path.write_text(path.read_text() * 2)
    problems = " ".join(read(path).problems)
    assert "more than one header" in problems
    assert f"3 trials are recorded twice, the first is {TRIALS[0]['trial']}" in problems


def test_of_a_trial_that_is_twice_in_a_file_the_first_is_kept(tmp_path: Path) -> None:
    path = store(tmp_path, [divergent(3), trial(5)])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], json.dumps({"type": "trial", **trial(3)}) + "\n", lines[3]]))
    run = read(path)
    assert [each["verdict"] for each in run.trials] == ["value", "bitwise"]
    assert len(run.problems) == 1


@pytest.mark.parametrize("content", ["PK\x03\x04\n\x00", '{\n"a": 1\n}\n', '{"a": 1}\n', "trial,verdict\na,b\n"])
def test_another_kind_of_file_is_one_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / RESULTS).write_text(content)
    with pytest.raises(HarnessError, match=r"results\.jsonl: not a results file of this harness: .+$") as raised:
        read(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no such results file"):
        merge([tmp_path])
    with pytest.raises(HarnessError, match="no results given"):
        merge([])


def test_two_shards_merge_into_a_whole(tmp_path: Path) -> None:
    second = store(tmp_path / "b", TRIALS[:1], shard="2/2")
    first = store(tmp_path / "a", TRIALS[:0:-1], shard="1/2")
    merged = merge([second, first, first])
    assert merged.complete
    assert [each["trial"] for each in merged.trials] == [each["trial"] for each in TRIALS]
    assert [run.path for run in merged.runs] == [str(first), str(second)]


def test_a_shard_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    paths = [store(tmp_path / "a", TRIALS[:1], shard="1/3"), store(tmp_path / "c", TRIALS[2:], shard="3/3")]
    merged = merge(paths)
    assert not merged.complete
    assert merged.problems == (f"{paths[0]}: 2 of 3 shards; missing: 2; run and name what is missing.",)


def test_a_trial_in_two_files_is_a_problem_and_kept_once(tmp_path: Path) -> None:
    paths = [store(tmp_path / "a", TRIALS[:2], shard="1/2"), store(tmp_path / "b", TRIALS[1:], shard="2/2")]
    merged = merge(paths)
    assert len(merged.trials) == 3
    assert merged.problems == (
        f"{paths[1]}: 1 trial is recorded in {paths[0]} as well, the first is "
        f"{TRIALS[1]['trial']}; leave one of the two out.",
    )


def test_the_same_trial_with_another_version_is_no_double(tmp_path: Path) -> None:
    merged = merge([store(tmp_path / "a", TRIALS), store(tmp_path / "b", TRIALS, targets=NEWER)])
    assert merged.complete
    assert len(merged.trials) == 6


def test_an_atomic_write_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_atomic(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "new \ud800")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("page.html", "old")]
