"""The search beyond the sweeps, for faults that miniature layers have only there."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import plan
from harness.__main__ import main
from harness.apart.judge import Judge, Setup
from harness.backends import targets
from harness.explore import space
from harness.explore.search import Search
from harness.tests import mini
from harness.tests.test_frameworks import ROOT

if importlib.util.find_spec("hypothesis") is None:
    pytest.skip("needs Hypothesis", allow_module_level=True)

FILE = """\
layer: Affine
documents: {d: {title: Differences}}
honest: {call: honest.Linear, with: {ci: =ci, co: =ci}}
mini: {call: mini.Bounded, with: {ci: =ci, co: =ci, a: =a, b: 6, beyond: =does}}
state: {weight: {shape: [=ci, =ci]}, bias: {shape: [=ci]}}
inputs: {x: [=n, 3, 5, =ci]}
values: {n: 2, ci: 4, a: 1, does: right}
claims: {same: {document: d, where: here, says: both do the same}}
families:
  sizes: {because: a test, sweep: {ci: [1, 3, 4]}, expect: equal}
  bounded: &bounded
    claims: [same]
    sweep: {a: [1, 2, 3, 4]}
    exclude: [{when: "a == 3", because: a test}]
    expect: equal
  refused: {because: a test, mini: {with: {co: =ci + a}}, sweep: {a: [1, 2]}, expect: rejected_by_subject}
"""
SIDES = ("--reference", str(mini.HONEST), "--subject", str(mini.MINI))
BRIEFLY = ("--minutes", "0.05")


@pytest.fixture(autouse=True)
def miniature_frameworks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(targets, "frameworks", lambda: ("honest", "mini", "numpy"))
    monkeypatch.chdir(tmp_path)
    write(FILE)


def write(text: str, known: str = "") -> Path:
    folder = Path("cases")
    folder.mkdir(exist_ok=True)
    (folder / "affine.yaml").write_text(text)
    if known:
        (folder / "known.yaml").write_text(known)
    return folder / "affine.yaml"


def explore(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> dict[str, Any]:
    assert main(["explore", "Affine", *SIDES, *BRIEFLY, "--json", *arguments]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def shifted(found: dict[str, Any]) -> dict[str, Any]:
    """The planted fault; of two elements the shifted ones are the flipped ones, which is a class of its own."""
    [find] = [each for each in found["finds"] if each["signature"].endswith("shifted")]
    return dict(find)


def test_a_fault_beyond_the_sweep_is_found_made_small_and_ready_to_paste(capsys: pytest.CaptureFixture[str]) -> None:
    find = shifted(explore(capsys))
    assert find["signature"] == "Affine value output shifted"
    assert (find["record"]["values"]["a"], find["record"]["values"]["n"]) == (7, 1)
    assert "shifted by" in find["says"]
    assert find["compare"].startswith("python -m harness compare 'honest.Linear(")
    path = write(FILE + find["family"])
    file = plan.load_case_file(path)
    family = file.families[-1]
    assert (family.name, family.claims) == ("bounded-explored-value", ("same",))
    [case] = family.cases()
    with Judge(Setup(path, mini.HONEST, mini.MINI)) as judge:
        record = judge.record(family, {name: case.values[name] for name in case.swept})
    assert (record["verdict"], record["diagnosis"]["kind"]) == ("value", "shifted")
    assert "explore (seed 0) found here, beyond the sweep of 'bounded'" in " ".join(find["family"].split())


def test_the_same_seed_finds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    first, again = (explore(capsys, "--seed", "5")["finds"] for _ in range(2))
    for find in (*first, *again):
        del find["record"]["seconds"]
    # In the same time a busy machine gets less far, and finds the first of them only.
    both = min(len(first), len(again))
    assert both >= 1
    assert first[:both] == again[:both]


def test_another_seed_draws_other_rows() -> None:
    def drawn(seed: int) -> list[str]:
        rows: list[str] = []
        ticks = iter(range(10**6))

        def ask(family: Any, row: Any, lanes: Any) -> dict[str, Any]:
            rows.append(f"{family.name} {row}")
            return {"verdict": "bitwise"}

        spaces = space.spaces(plan.read_case_file(Path("cases/affine.yaml")))
        Search(spaces, ask, lambda record: False, clock=lambda: float(next(ticks))).run(100.0, seed)
        return rows

    assert len(drawn(1)) > 40
    assert drawn(1) == drawn(1) != drawn(2)


def test_what_is_known_is_no_find(capsys: pytest.CaptureFixture[str]) -> None:
    known = "known:\n  - {id: k, layer: Affine, families: [bounded], when: a > 6, verdict: value, reason: a test}\n"
    write(FILE, known)
    found = explore(capsys, code=0)
    assert (found["finds"], found["families"]) == ([], 2)
    assert found["tried"] > 20
    write(FILE, known.replace("verdict: value", "verdict: value, diagnosis: [flipped]"))
    assert shifted(explore(capsys))


def test_a_find_is_not_shrunk_into_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    write(
        FILE, "known:\n  - {id: k, layer: Affine, families: [bounded], when: n < 3, verdict: value, reason: a test}\n"
    )
    find = shifted(explore(capsys))
    assert (find["record"]["values"]["n"], find["record"]["values"]["a"]) == (3, 7)


def test_an_exclusion_sees_the_fixed_values_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    write(FILE.replace("a == 3", "a == 3 or (a > 6 and n < 3)"))
    find = shifted(explore(capsys))
    assert find["record"]["values"]["n"] == 3


def test_what_an_exclusion_leaves_out_is_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    write(FILE.replace("a == 3", "a == 3 or a > 6"))
    assert explore(capsys, code=0)["finds"] == []


@pytest.mark.parametrize("does", ["abort", "hang"])
def test_a_crash_is_a_find_and_the_search_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    write(FILE.replace("does: right", f"does: {does}"))
    monkeypatch.setattr("harness.commands.explore.Judge", lambda setup: Judge(setup, 0.5))
    found = explore(capsys, "--minutes", "0.2")
    kinds = {"abort": "crash", "hang": "timeout"}
    assert [find["signature"].split()[1] for find in found["finds"]] == [kinds[does]]
    assert found["finds"][0]["record"]["values"]["a"] == 5
    assert found["tried"] > 4


def test_only_what_a_document_says_of_any_value_is_searched() -> None:
    searched = space.spaces(plan.read_case_file(Path("cases/affine.yaml")))
    assert [each.family.name for each in searched] == ["sizes", "bounded"]
    sizes, bounded = searched
    assert sizes.swept == {"ci": list(range(1, 10))}
    assert sizes.fixed == {"n": [2, 1, 3, 4, 5, 6, 7]}, "a is the subject's alone"
    assert bounded.fixed.keys() == {"n", "ci"}


def test_a_printed_shape_is_for_the_parameters_that_it_is_printed_with() -> None:
    text = FILE.replace("co: =ci, a: =a", "co: =ci + q - 1, a: =a").replace(
        "{ci: =ci, co: =ci}}\nmini", "{ci: =ci, co: =ci + q - 1}}\nmini"
    )
    path = write(
        text.replace("a: 1, does", "a: 1, q: 1, does").replace(
            "{ci: [1, 3, 4]}", "{ci: [1, 3, 4]}, output_shape: [=n, 3, 5, =ci]"
        )
    )
    sizes, bounded = space.spaces(plan.read_case_file(path))
    assert (set(sizes.fixed), set(bounded.fixed)) == ({"n"}, {"n", "ci", "q"})


def test_the_story_tells_how_it_went(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.commands.explore.SAY_EVERY", 0.5)
    assert main(["explore", "Affine", *SIDES, *BRIEFLY]) == 1
    captured = capsys.readouterr()
    said = captured.err.splitlines()
    assert len(said) >= 3 and all(re.fullmatch(r"\d+ cases tried, \d+ finds, \d+ s left", line) for line in said)
    assert "Affine value output shifted, beyond the sweep of 'bounded'" in captured.out
    last = captured.out.splitlines()[-2:]
    assert re.match(r"\d+ cases of 2 families tried, \d+ of them refused or without a say; [12] new class", last[0])
    assert last[1].startswith("next: paste the families into cases/affine.yaml")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Affin"], "no case file for the layer 'Affin' (did you mean 'Affine'?)"),
        (["Affine", "--minutes", "0"], "--minutes 0: expected more than 0"),
        (["Affine", "--minutes", "nan"], "--minutes nan: expected more than 0"),
        (["Affine", "--cases", "nowhere"], "no case file for the layer 'Affine' (known: none)"),
        (["Affine", "--subject", "mini@gpu"], "mini@gpu cannot run here: no adapter"),
    ],
)
def test_usage_errors_are_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert main(["explore", *SIDES, *arguments]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert words in captured.err


def test_without_hypothesis_one_line_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "hypothesis" else spec(name))
    assert main(["explore", "Affine", *SIDES]) == 2
    assert "python -m pip install 'layer-conformance[explore]'" in capsys.readouterr().err


def test_a_run_does_not_import_it() -> None:
    code = "import sys, harness.plugin, harness.__main__, harness.recorder; print('hypothesis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
