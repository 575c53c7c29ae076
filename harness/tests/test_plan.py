"""What a run takes: shards, tiers, targets, and the hash of the plan."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest

from harness import plan
from harness.backends import targets
from harness.casefile import CaseFile, Family
from harness.errors import CaseFileError, HarnessError
from harness.model import Case, Target, Tier, Trial
from harness.plan import Selection, Shard, parse_shard, plan_hash

TORCH, CPU, GRAPH = Target("torch", "cpu"), Target("mindspore", "cpu"), Target("mindspore", "ascend", "graph")
FILE = """\
layer: {layer}
torch: {{call: torch.nn.Conv2d, with: {{kernel_size: =k, padding: =p}}}}
mindspore: {{call: mindspore.nn.Conv2d, with: {{kernel_size: =k, padding: =p}}}}
inputs: {{x: [1, 2, 9, 9]}}
values: {{p: 0}}
families:
  quick: {{because: b, expect: equal, tier: smoke, dtypes: [float16, float32], sweep: {{k: [1, 2]}}}}
  usual: {{because: b, expect: equal, sweep: {{k: [{extents}], p: [0, 1, 2, 3]}}}}
  large: {{because: b, expect: equal, tier: full, sweep: {{k: [50]}}}}
"""
VARIED = """\
layer: Conv2d
documents: {page: {title: Differences}}
torch: {call: torch.nn.Conv2d, with: {kernel_size: =k, padding: =p, stride: =s}}
mindspore: {call: mindspore.nn.Conv2d, with: {kernel_size: =k, padding: =p, stride: =s}}
inputs: {x: [1, 2, 9, 9]}
dtypes: [float32, float16, bfloat16]
values: {k: 1, p: 0, s: 1}
claims: {names: {document: page, where: Signature, says: these are its parameters}}
families:
  swept: {because: b, expect: equal, sweep: {k: [1, 2, [1, 2], 3], p: [0, 1, 2], s: [1, 2, [1, 2]]}}
  single: {because: b, expect: equal}
  signature: {claims: [names], check: signature, side: torch, parameters: [in_channels, out_channels]}
"""
SUBJECTS = (CPU, Target("mindspore", "cpu", "graph"))


def written(folder: Path, extents: int = 60, name: str = "conv2d", layer: str = "Conv2d") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(FILE.format(layer=layer, extents=", ".join(map(str, range(1, extents + 1)))), encoding="utf-8")
    return path


def case_file(folder: Path, extents: int = 60) -> CaseFile:
    return plan.load_case_file(written(folder, extents))


def cases(file: CaseFile) -> list[Case]:
    return [case for family in file.families for case in family.cases()]


def family_of(file: CaseFile, name: str) -> Family:
    [found] = [family for family in file.families if family.name == name]
    return found


def trials(file: CaseFile, selection: Selection) -> list[str]:
    return [trial.id for family in file.families for trial in plan.trials(family, selection)]


# -- shards ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16])
def test_shards_are_disjoint_and_complete(tmp_path: Path, count: int) -> None:
    found = cases(case_file(tmp_path))
    taken = Counter(index for case in found for index in range(1, count + 1) if Shard(index, count).takes(case))
    assert taken.total() == len(found) == 243
    assert all(sum(Shard(index, count).takes(case) for index in range(1, count + 1)) == 1 for case in found)
    fair = len(found) / count
    # As even as a hash deals them out: within four standard deviations.
    assert all(abs(taken[index] - fair) <= 4 * sqrt(fair * (1 - 1 / count)) for index in range(1, count + 1))


@pytest.mark.parametrize("count", [2, 5, 16])
def test_no_case_moves_when_others_are_added(tmp_path: Path, count: int) -> None:
    few, many = cases(case_file(tmp_path / "few", 20)), cases(case_file(tmp_path / "many", 60))

    def places(found: list[Case]) -> dict[str, int]:
        return {case.id: index for case in found for index in range(1, count + 1) if Shard(index, count).takes(case)}

    before, after = places(few), places(many)
    assert len(before) == len(few) < len(after) == len(many)
    assert before.items() <= after.items()


def test_all_trials_of_a_case_are_in_one_shard(tmp_path: Path) -> None:
    family = family_of(case_file(tmp_path), "quick")
    shards = {
        index: {trial.case.id for trial in plan.trials(family, Selection(TORCH, (CPU, GRAPH), shard=Shard(index, 2)))}
        for index in (1, 2)
    }
    assert not shards[1] & shards[2]
    assert shards[1] | shards[2] == {case.id for case in family.cases()}


@pytest.mark.parametrize(("text", "index", "count"), [("1/1", 1, 1), ("2/8", 2, 8), ("8/8", 8, 8), ("03/10", 3, 10)])
def test_a_shard_is_parsed(text: str, index: int, count: int) -> None:
    assert parse_shard(text) == Shard(index, count)
    assert str(parse_shard(text)) == f"{index}/{count}"


@pytest.mark.parametrize(
    "text", ["", "/", "1", "1/", "/1", "0/3", "4/3", "-1/3", "1/-3", "1.0/2", "a/b", "1/2/3", "1 /2", "²/3", "1/0"]
)
def test_a_bad_shard_is_told(text: str) -> None:
    with pytest.raises(HarnessError) as caught:
        parse_shard(text)
    assert str(caught.value) == f"shard '{text}': expected I/N with 1 <= I <= N, as in 2/8"


# -- tiers and trials --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tier", "held"),
    [
        (Tier.SMOKE, {Tier.SMOKE}),
        (Tier.DEFAULT, {Tier.SMOKE, Tier.DEFAULT}),
        (Tier.FULL, {Tier.SMOKE, Tier.DEFAULT, Tier.FULL}),
    ],
)
def test_a_tier_holds_those_before_it(tmp_path: Path, tier: Tier, held: set[Tier]) -> None:
    assert {other for other in Tier if tier.holds(other)} == held
    file = case_file(tmp_path)
    taken = {family.tier for family in file.families if list(plan.trials(family, Selection(TORCH, (CPU,), tier)))}
    assert taken == held


def test_trials_go_by_case_then_dtype_then_subject(tmp_path: Path) -> None:
    family = family_of(case_file(tmp_path), "quick")
    assert [trial.id for trial in plan.trials(family, Selection(TORCH, (CPU, GRAPH), Tier.FULL))] == [
        f"conv2d/quick/k={k},{dtype},{subject}"
        for k in (1, 2)
        for dtype in ("float16", "float32")
        for subject in ("mindspore@cpu", "mindspore@ascend:graph")
    ]


def test_trials_carry_the_reference(tmp_path: Path) -> None:
    family = family_of(case_file(tmp_path), "quick")
    assert {trial.reference for trial in plan.trials(family, Selection(TORCH, (CPU,)))} == {TORCH}


def test_a_side_that_the_file_lacks_is_told(tmp_path: Path) -> None:
    file = case_file(tmp_path)
    plan.check_sides(file, Selection(TORCH, (CPU,)))
    with pytest.raises(HarnessError) as caught:
        plan.check_sides(file, Selection(TORCH, (CPU, Target("numpy", "cpu"))))
    assert str(caught.value) == f"{file.path}: no side 'numpy', which numpy@cpu needs"


# -- other dtypes and modes --------------------------------------------------------------------------------------------


@pytest.fixture
def varied(tmp_path: Path) -> CaseFile:
    (tmp_path / "varied.yaml").write_text(VARIED, encoding="utf-8")
    return plan.load_case_file(tmp_path / "varied.yaml")


def variants(file: CaseFile, name: str, tier: Tier) -> dict[tuple[str, str], list[Trial]]:
    """The trials of a family by dtype and mode."""
    found: dict[tuple[str, str], list[Trial]] = {}
    for trial in plan.trials(family_of(file, name), Selection(TORCH, SUBJECTS, tier)):
        found.setdefault((trial.dtype, trial.subject.mode), []).append(trial)
    return found


def swept_values(cases: Iterable[Case]) -> set[tuple[str, str]]:
    return {(name, str(case.values[name])) for case in cases for name in case.swept}


@pytest.mark.parametrize("variant", [("float16", ""), ("bfloat16", ""), ("float32", "graph")])
def test_another_dtype_or_mode_runs_a_part_that_has_every_swept_value(
    varied: CaseFile, variant: tuple[str, str]
) -> None:
    found = variants(varied, "swept", Tier.DEFAULT)
    plain, part = (found[key] for key in (("float32", ""), variant))
    assert len(plain) == 36
    assert 4 <= len(part) <= 10
    assert swept_values(trial.case for trial in part) == swept_values(trial.case for trial in plain)
    assert {trial.case.id for trial in part} <= {trial.case.id for trial in plain}


def test_both_together_run_in_the_full_tier_alone(varied: CaseFile) -> None:
    assert variants(varied, "swept", Tier.DEFAULT).keys() == {
        *(("float32", ""), ("float32", "graph"), ("float16", ""), ("bfloat16", "")),
    }
    full = variants(varied, "swept", Tier.FULL)
    assert full.keys() == {(dtype, mode) for dtype in ("float32", "float16", "bfloat16") for mode in ("", "graph")}
    assert {len(trials) for trials in full.values()} == {36}


def test_a_family_of_a_single_case_runs_it_in_each_dtype_and_mode(varied: CaseFile) -> None:
    found = variants(varied, "single", Tier.DEFAULT)
    assert {key: len(trials) for key, trials in found.items()} == {
        ("float32", ""): 1,
        ("float32", "graph"): 1,
        ("float16", ""): 1,
        ("bfloat16", ""): 1,
    }


@pytest.mark.parametrize("tier", [Tier.DEFAULT, Tier.FULL])
def test_a_check_of_anything_else_runs_once(varied: CaseFile, tier: Tier) -> None:
    found = variants(varied, "signature", tier)
    assert found.keys() == {("float32", "")}
    assert not any(trial.again for trial in found["float32", ""])


def test_what_is_repeated_is_of_the_part_that_every_variant_runs(varied: CaseFile) -> None:
    found = variants(varied, "swept", Tier.FULL)
    part = {trial.case.id for trial in variants(varied, "swept", Tier.DEFAULT)["float16", ""]}
    again = {variant: {trial.case.id for trial in trials if trial.again} for variant, trials in found.items()}
    plain, compiled = ({*again["float16", mode], *again["float32", mode]} for mode in ("", "graph"))
    # What has to be compiled anew is repeated more seldom.
    assert compiled < plain < part
    assert again["float16", ""] == again["float32", ""] == plain


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("tier", [Tier.DEFAULT, Tier.FULL])
def test_the_part_is_that_of_the_whole_family_in_whatever_shards(varied: CaseFile, tier: Tier, count: int) -> None:
    selection = Selection(TORCH, SUBJECTS, tier)
    for family in varied.families:
        whole = list(plan.trials(family, selection))
        shards = [replace(selection, shard=Shard(index, count)) for index in range(1, count + 1)]
        parts = [trial for shard in shards for trial in plan.trials(family, shard)]
        assert sorted((trial.id, trial.again) for trial in parts) == sorted((trial.id, trial.again) for trial in whole)


# -- the hash ----------------------------------------------------------------------------------------------------------


def test_the_hash_does_not_depend_on_the_order(tmp_path: Path) -> None:
    ids = trials(case_file(tmp_path), Selection(TORCH, (CPU,)))
    assert plan_hash(ids) == plan_hash(reversed(ids)) == plan_hash(iter(sorted(ids)))


@pytest.mark.parametrize("other", [["a"], ["a", "b", "b"], ["a", "c"], ["ab"], []])
def test_the_hash_tells_plans_apart(other: list[str]) -> None:
    assert plan_hash(other) != plan_hash(["a", "b"])


# -- files -------------------------------------------------------------------------------------------------------------


def test_known_yaml_is_no_case_file(tmp_path: Path) -> None:
    first, second = written(tmp_path, name="b"), written(tmp_path, name="a")
    (tmp_path / plan.KNOWN_FILE).write_text("known: []\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("", encoding="utf-8")
    assert plan.case_paths(tmp_path) == [second, first]


KNOWN = """\
known:
  - {{id: one, layer: Conv2d, families: [usual], when: {when}, verdict: value, reason: r}}
  - {{id: two, layer: Conv1d, families: [quick], when: k == 2, verdict: value, reason: r}}
"""


def test_accepted_divergences_may_name_a_layer_that_the_run_leaves_out(tmp_path: Path) -> None:
    file = plan.load_case_file(written(tmp_path))
    written(tmp_path, name="conv1d", layer="Conv1d")
    (tmp_path / plan.KNOWN_FILE).write_text(KNOWN.format(when="k > 2 and p == 0"), encoding="utf-8")
    assert [entry.id for entry in plan.load_known([file])] == ["one", "two"]


def test_an_accepted_divergence_of_no_layer_is_told(tmp_path: Path) -> None:
    file = plan.load_case_file(written(tmp_path))
    (tmp_path / plan.KNOWN_FILE).write_text(KNOWN.format(when="k > 2"), encoding="utf-8")
    with pytest.raises(CaseFileError, match="no case file for the layer 'Conv1d'"):
        plan.load_known([file])


def test_accepted_divergences_use_the_names_of_a_case(tmp_path: Path) -> None:
    file = plan.load_case_file(written(tmp_path))
    (tmp_path / plan.KNOWN_FILE).write_text(KNOWN.format(when="q > 2"), encoding="utf-8")
    with pytest.raises(CaseFileError, match="unknown name 'q' in 'q > 2'"):
        plan.load_known([file])


# -- targets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("torch@cpu", TORCH),
        ("mindspore@ascend:graph", replace(GRAPH, where=targets.OWN_PROCESS)),
        ("mindspore@gpu:", Target("mindspore", "gpu", where=targets.OWN_PROCESS)),
        ("numpy@cpu", Target("numpy", "cpu")),
        ("torch@cpu+native", replace(TORCH, isa="native", where=targets.OWN_PROCESS)),
        ("mindspore@cpu+sse41:graph", replace(GRAPH, device="cpu", isa="sse41", where=targets.OWN_PROCESS)),
    ],
)
def test_a_target_is_parsed(text: str, target: Target) -> None:
    assert targets.parse(text) == target
    assert str(target) == text.removesuffix(":")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected framework@device[+isa][:mode], as in mindspore@cpu, torch@cpu+native"),
        ("torch", "expected framework@device[+isa][:mode], as in mindspore@cpu, torch@cpu+native"),
        ("torch@", "expected framework@device[+isa][:mode], as in mindspore@cpu, torch@cpu+native"),
        ("torch@:graph", "expected framework@device[+isa][:mode], as in mindspore@cpu, torch@cpu+native"),
        ("mindspoer@cpu", "unknown framework (did you mean 'mindspore'?)"),
        ("jax@cpu", f"unknown framework (known: {', '.join(targets.frameworks())})"),
        ("@cpu", f"unknown framework (known: {', '.join(targets.frameworks())})"),
        ("torch@ascnd", "unknown device (did you mean 'ascend'?)"),
        ("torch@tpu:graph", "unknown device (did you mean 'gpu'?)"),
        ("torch@xla", "unknown device (known: ascend, cpu, gpu)"),
        ("torch@cpu@gpu", "unknown device (did you mean 'gpu'?)"),
        ("torch@cpu+axv2", "unknown instruction set (did you mean 'avx2'?)"),
        ("torch@cpu+", "unknown instruction set (known: "),
        ("mindspore@cpu:graph+avx2", "expected framework@device[+isa][:mode], as in mindspore@cpu, torch@cpu+native"),
        ("torch@gpu+avx2", "only a CPU has instruction sets to choose from; leave out '+avx2'"),
    ],
)
def test_a_bad_target_is_told(text: str, problem: str) -> None:
    with pytest.raises(HarnessError, match=re.escape(f"target '{text}': {problem}") + ("" if "@" in text else "; ")):
        targets.parse(text)


def test_frameworks_are_the_adapter_files() -> None:
    assert {"mindspore", "numpy", "torch"} <= set(targets.frameworks())
    assert list(targets.frameworks()) == sorted(targets.frameworks())
