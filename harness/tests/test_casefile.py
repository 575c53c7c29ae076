"""What a good case file becomes: merged sides, ids, states, and the cases of each family."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.casefile import CaseFile, Family, load
from harness.casefile.families import encode
from harness.model import Case, Claim, Expectation, Filling, Lane, Parameter, Side, Tier, Tolerance
from harness.protocol import Step

FRAMEWORKS = ("torch", "mindspore")
HEAD = """\
layer: Conv2d
documents:
  r2.0: {title: Differences, language: zh, mindspore: "2.0", torch: "1.8.1"}
torch: {call: torch.nn.Conv2d, with: {in_channels: =ci, kernel_size: =k, padding: =p}}
mindspore:
  call: mindspore.nn.Conv2d
  with: {in_channels: =ci, kernel_size: =k, pad_mode: pad, padding: =p}
inputs: {x: [=n, =ci, 7, 9]}
values: {n: 2, ci: 4, k: 3, p: 0}
"""
FAMILY = "families:\n  one:\n    because: a reason\n    expect: equal\n"


def read(folder: Path, text: str, name: str = "conv2d.yaml") -> CaseFile:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return load(path, FRAMEWORKS)


def family(folder: Path, *lines: str, head: str = HEAD) -> Family:
    [found] = read(folder, head + FAMILY + "".join(f"    {line}\n" for line in lines)).families
    return found


def cases(folder: Path, *lines: str, head: str = HEAD) -> list[Case]:
    return family(folder, *lines, head=head).cases()


def only_case(folder: Path, *lines: str, head: str = HEAD) -> Case:
    [case] = cases(folder, *lines, head=head)
    return case


def side(folder: Path, *lines: str, framework: str = "mindspore", head: str = HEAD) -> Side:
    return only_case(folder, *lines, head=head).sides[framework]


MINDSPORE = {"in_channels": 4, "kernel_size": 3, "pad_mode": "pad", "padding": 0}


# -- sides -------------------------------------------------------------------------------------------------------------


def test_without_a_change_a_family_has_the_layer_s_sides(tmp_path: Path) -> None:
    case = only_case(tmp_path)
    torch = {"in_channels": 4, "kernel_size": 3, "padding": 0}
    assert case.sides == {
        "torch": Side((Step("torch.nn.Conv2d", torch),), 0),
        "mindspore": Side((Step("mindspore.nn.Conv2d", MINDSPORE),), 0),
    }


def test_with_adds_and_replaces_by_name(tmp_path: Path) -> None:
    changed = side(tmp_path, "mindspore: {with: {pad_mode: same, dilation: 2}}")
    assert changed.steps == (Step("mindspore.nn.Conv2d", {**MINDSPORE, "pad_mode": "same", "dilation": 2}),)


def test_a_change_of_one_side_leaves_the_other(tmp_path: Path) -> None:
    other = side(tmp_path, "mindspore: {with: {padding: 7}}", framework="torch")
    assert other.steps[0].kwargs["padding"] == 0


def test_only_keeps_the_named_arguments(tmp_path: Path) -> None:
    changed = side(tmp_path, "mindspore: {only: [kernel_size, in_channels]}")
    assert changed.steps == (Step("mindspore.nn.Conv2d", {"kernel_size": 3, "in_channels": 4}),)


def test_with_comes_after_only(tmp_path: Path) -> None:
    changed = side(tmp_path, "mindspore: {only: [in_channels], with: {kernel_size: =k + 1}}")
    assert changed.steps == (Step("mindspore.nn.Conv2d", {"in_channels": 4, "kernel_size": 4}),)


def test_only_nothing_leaves_no_argument(tmp_path: Path) -> None:
    assert side(tmp_path, "mindspore: {only: []}").steps == (Step("mindspore.nn.Conv2d", {}),)


def test_another_call_inherits_no_argument(tmp_path: Path) -> None:
    changed = side(tmp_path, "mindspore: {call: mindspore.ops.conv2d, with: {weight: =k}}")
    assert changed.steps == (Step("mindspore.ops.conv2d", {"weight": 3}),)


def test_steps_stand_around_the_layer(tmp_path: Path) -> None:
    changed = side(
        tmp_path, "mindspore: {before: [{call: a.b, with: {p: =k}}, {call: a.c}], then: [{call: a.d, with: {q: =n}}]}"
    )
    layer = Step("mindspore.nn.Conv2d", MINDSPORE)
    assert changed == Side((Step("a.b", {"p": 3}), Step("a.c", {}), layer, Step("a.d", {"q": 2})), 2)


STEPS = HEAD.replace(
    "  call: mindspore.nn.Conv2d\n",
    "  call: mindspore.nn.Conv2d\n  before: [{call: a.b}]\n  then: [{call: a.c, with: {q: =k}}]\n",
)


def test_a_family_inherits_the_layer_s_steps(tmp_path: Path) -> None:
    inherited = side(tmp_path, head=STEPS)
    assert [step.call for step in inherited.steps] == ["a.b", "mindspore.nn.Conv2d", "a.c"]
    assert inherited.steps[2].kwargs == {"q": 3}


def test_steps_of_a_family_replace_the_layer_s(tmp_path: Path) -> None:
    changed = side(tmp_path, "mindspore: {before: [], then: [{call: a.d}]}", head=STEPS)
    assert changed == Side((Step("mindspore.nn.Conv2d", MINDSPORE), Step("a.d", {})), 0)


# -- values ------------------------------------------------------------------------------------------------------------


def test_lists_become_tuples_everywhere(tmp_path: Path) -> None:
    case = only_case(
        tmp_path,
        "values: {p: [1, [2, 3]]}",
        "sweep: {k: [[3, 5]]}",
        "derive: {twice: '=[k[0], [k[1]]]'}",
        "mindspore: {with: {pads: [[0, =k], =twice]}}",
    )
    assert case.values == {"n": 2, "ci": 4, "p": (1, (2, 3)), "k": (3, 5)}
    assert case.sides["mindspore"].steps[0].kwargs["pads"] == ((0, (3, 5)), (3, (5,)))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("&a true", True),
        ("1", 1),
        ("0x10", 16),
        ("1.0", 1.0),
        ("1e-3", 1e-3),
        ("same", "same"),
        ("~", None),
    ],
)
def test_values_are_bare_python_values(tmp_path: Path, written: str, value: Any) -> None:
    for found in (
        only_case(tmp_path, f"values: {{p: {written}}}").values["p"],
        only_case(tmp_path, f"sweep: {{p: [{written}]}}").values["p"],
        side(tmp_path, f"mindspore: {{with: {{a: {written}}}}}").steps[0].kwargs["a"],
    ):
        assert found == value
        assert type(found) is type(value)


def test_a_text_that_starts_with_an_equals_sign_is_an_expression(tmp_path: Path) -> None:
    changed = side(tmp_path, "mindspore: {with: {a: '= k * 2', b: k * 2, c: {deep: [=k]}}}").steps[0].kwargs
    assert (changed["a"], changed["b"], changed["c"]) == (6, "k * 2", {"deep": (3,)})


def test_a_family_s_values_replace_the_layer_s(tmp_path: Path) -> None:
    assert only_case(tmp_path, "values: {p: 5, new: 1}").values == {"n": 2, "ci": 4, "k": 3, "p": 5, "new": 1}


def test_what_is_swept_is_fixed_no_more(tmp_path: Path) -> None:
    found = family(tmp_path, "sweep: {k: [1, 2]}")
    assert found.fixed == {"n": 2, "ci": 4, "p": 0}
    assert [case.values["k"] for case in found.cases()] == [1, 2]
    assert [case.swept for case in found.cases()] == [("k",), ("k",)]


def test_derived_names_are_computed_in_order_and_stay_out_of_the_values(tmp_path: Path) -> None:
    head = HEAD + "derive: {double: =k * 2, more: =double + 1}\n"
    case = only_case(
        tmp_path, "derive: {most: =more * 10, own: =most + p}", "output_shape: [=double, =more, =own]", head=head
    )
    assert case.documented_shape == (6, 7, 70)
    assert case.values == {"n": 2, "ci": 4, "k": 3, "p": 0}


def test_a_family_s_derived_name_replaces_the_layer_s_in_its_place(tmp_path: Path) -> None:
    head = HEAD + "derive: {double: =k * 2, more: =double + 1}\n"
    case = only_case(tmp_path, "derive: {double: =k * 100}", "output_shape: [=more]", head=head)
    assert case.documented_shape == (301,)


def test_derived_names_follow_the_sweep(tmp_path: Path) -> None:
    found = cases(tmp_path, "sweep: {k: [1, [2, 5]]}", "derive: {last: '=axis(k, 1)'}", "output_shape: [=last]")
    assert [case.documented_shape for case in found] == [(1,), (5,)]


def test_no_output_shape_is_none_and_an_empty_one_is_a_scalar(tmp_path: Path) -> None:
    assert only_case(tmp_path).documented_shape is None
    assert only_case(tmp_path, "output_shape: []").documented_shape == ()


def test_inputs_keep_their_order(tmp_path: Path) -> None:
    head = HEAD.replace("{x: [=n, =ci, 7, 9]}", "{z: [=n], a: [1, =k], m: []}")
    case = only_case(tmp_path, head=head)
    assert list(case.inputs.items()) == [("z", (2,)), ("a", (1, 3)), ("m", ())]


# -- state -------------------------------------------------------------------------------------------------------------

STATE = """\
state:
  weight: {shape: [6, =ci, =k], mindspore: {name: kernel, expand_dims: 2}}
  bias: {shape: [6], when: =bias, torch: {name: b}}
  gamma: {shape: [6], when: false}
"""
STATEFUL = HEAD.replace("ci: 4", "ci: 4, bias: true") + STATE


def test_state_has_shapes_names_and_axes(tmp_path: Path) -> None:
    assert only_case(tmp_path, head=STATEFUL).state == (
        Parameter("weight", (6, 4, 3), {"mindspore": "kernel"}, {"mindspore": 2}),
        Parameter("bias", (6,), {"torch": "b"}, {}),
    )


def test_a_state_stands_where_its_condition_holds(tmp_path: Path) -> None:
    found = cases(tmp_path, "sweep: {bias: [false, true]}", head=STATEFUL)
    assert [[parameter.name for parameter in case.state] for case in found] == [["weight"], ["weight", "bias"]]


def test_a_side_lacks_what_its_family_says(tmp_path: Path) -> None:
    state = only_case(tmp_path, "mindspore: {lacks: [bias]}", head=STATEFUL).state
    assert [parameter.lacking for parameter in state] == [frozenset(), frozenset({"mindspore"})]


def test_both_sides_may_lack_a_state(tmp_path: Path) -> None:
    state = only_case(tmp_path, "mindspore: {lacks: [bias]}", "torch: {lacks: [weight, bias]}", head=STATEFUL).state
    assert [parameter.lacking for parameter in state] == [frozenset({"torch"}), frozenset(FRAMEWORKS)]


# -- what else a family says -------------------------------------------------------------------------------------------


def test_a_tensors_values_are_said_by_name_and_may_be_swept(tmp_path: Path) -> None:
    lines = (
        "tensors: {x: {dtype: =d, holds: =v}, bias: {dtype: float64}}",
        "sweep: {d: [float16, float32], v: [nan, subnormal]}",
    )
    found = cases(tmp_path, *lines, head=STATEFUL)
    assert [case.fillings for case in found] == [
        {"x": Filling(d, v), "bias": Filling("float64")} for d in ("float16", "float32") for v in ("nan", "subnormal")
    ]
    assert {case.special for case in found} == {True}


def test_special_values_have_the_exact_lane_and_other_dtypes_have_both(tmp_path: Path) -> None:
    special = only_case(tmp_path, "tensors: {x: {holds: nan}}")
    assert special.lanes == (Lane.EXACT,)
    assert only_case(tmp_path, "tensors: {x: {holds: nan}}", "lanes: [exact]") == special
    other = only_case(tmp_path, "tensors: {x: {dtype: float64}}")
    assert (other.lanes, other.special) == ((Lane.EXACT, Lane.ROUNDING), False)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_family_says_how_often_its_output_is_differentiated(tmp_path: Path, times: int) -> None:
    assert only_case(tmp_path, f"derivatives: {times}").derivatives == times
    assert (only_case(tmp_path).derivatives, only_case(tmp_path).fillings) == (1, {})


def test_defaults_of_a_family(tmp_path: Path) -> None:
    found = family(tmp_path)
    assert (found.tier, found.lanes, found.dtypes) == (Tier.DEFAULT, (Lane.EXACT, Lane.ROUNDING), ("float32",))
    assert (found.align, found.strength, found.claims, found.tolerances) == (True, None, (), {})


def test_a_family_says_otherwise(tmp_path: Path) -> None:
    found = family(tmp_path, "tier: full", "lanes: [rounding]", "dtypes: [float16, float32]", "align: false")
    assert (found.tier, found.lanes, found.dtypes) == (Tier.FULL, (Lane.ROUNDING,), ("float16", "float32"))
    [case] = found.cases()
    assert (case.align, case.lanes, case.expect) == (False, (Lane.ROUNDING,), Expectation.EQUAL)


def test_dtypes_come_from_the_family_then_the_layer(tmp_path: Path) -> None:
    head = HEAD + "dtypes: [float64]\n"
    assert family(tmp_path, head=head).dtypes == ("float64",)
    assert family(tmp_path, "dtypes: [float16]", head=head).dtypes == ("float16",)


def test_a_tolerance_table_leaves_the_rounding_lane_alone(tmp_path: Path) -> None:
    head = HEAD + "tolerance: {float32: {rtol: 1.0e-4, atol: 0, because: transcendental}}\n"
    [case] = family(tmp_path, head=head).cases()
    assert case.lanes == (Lane.ROUNDING,)
    assert case.tolerances == {"float32": Tolerance(1e-4, 0, "transcendental")}
    assert family(tmp_path, "lanes: [exact]", head=head).lanes == (Lane.EXACT,)


def test_documents_and_claims_are_kept(tmp_path: Path) -> None:
    claims = "claims:\n  same: {document: r2.0, where: Table, says: alike}\n"
    file = read(tmp_path, HEAD + claims + FAMILY.replace("because: a reason", "claims: [same]"))
    assert file.layer == "Conv2d"
    assert file.claims == (Claim("same", "Conv2d", "r2.0", "Table", "alike"),)
    document = file.documents["r2.0"]
    assert (document.id, document.title, document.language) == ("r2.0", "Differences", "zh")
    assert (document.mindspore, document.torch) == ("2.0", "1.8.1")
    assert file.families[0].cases()[0].claims == ("same",)


def test_families_keep_their_order(tmp_path: Path) -> None:
    more = "".join(f"  {name}: {{because: b, expect: equal}}\n" for name in ("zebra", "ant", "mole"))
    assert [each.name for each in read(tmp_path, HEAD + FAMILY + more).families] == ["one", "zebra", "ant", "mole"]


# -- expansion and ids -------------------------------------------------------------------------------------------------

SWEEP = "sweep: {k: [1, 2, [3, 2]], p: [0, 1, 2], ci: [4, 8]}"
EXCLUDE = "exclude: [{when: 'p >= axis(k, 0)', because: b}, {when: ci == 8 and p == 1, because: b}]"


def test_the_cases_are_the_product_without_the_exclusions(tmp_path: Path) -> None:
    found = [(case.values["k"], case.values["p"], case.values["ci"]) for case in cases(tmp_path, SWEEP, EXCLUDE)]
    product = itertools.product([1, 2, (3, 2)], [0, 1, 2], [4, 8])
    wanted = [(k, p, ci) for k, p, ci in product if p < {1: 1, 2: 2, (3, 2): 3}[k] and not (ci == 8 and p == 1)]
    assert found == wanted
    assert len(found) == 10


def test_an_exclusion_may_use_fixed_and_derived_names(tmp_path: Path) -> None:
    found = family(
        tmp_path,
        "sweep: {k: [1, 2, 3], p: [0, 1]}",
        "derive: {reach: =k + p, room: =reach + n}",
        "exclude: [{when: room > 5, because: b}]",
    )
    assert [(case.values["k"], case.values["p"]) for case in found.cases()] == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0)]
    assert found.excluded == 1


def test_an_exclusion_tells_true_from_one(tmp_path: Path) -> None:
    found = cases(tmp_path, "sweep: {p: [0, 1, 1.0, true]}", "exclude: [{when: p is true, because: b}]")
    assert [case.id.rpartition("/")[2] for case in found] == ["p=0", "p=1", "p=1.0"]


def test_a_covering_array_takes_fewer_cases_and_reports_what_it_covers(tmp_path: Path) -> None:
    found = family(tmp_path, SWEEP.replace("ci: [4, 8]", "ci: [4, 8], n: [1, 2, 3]"), "cover: 2")
    assert (found.strength, found.coverage.product, found.coverage.share) == (2, 54, 1.0)
    assert 9 <= len(found.cases()) == found.coverage.rows < 27


def test_ids_are_readable_stable_and_plain(tmp_path: Path) -> None:
    found = cases(tmp_path, "sweep: {k: [1, [3, 2], [[1, 2], 3], []], p: [0.5, -1, true, ~, 'a b[1]']}")
    suffixes = [case.id.removeprefix("conv2d/one/") for case in found]
    assert suffixes[:5] == ["k=1,p=0.5", "k=1,p=-1", "k=1,p=true", "k=1,p=none", "k=1,p=a_b_1_"]
    assert suffixes[5::5] == ["k=3x2,p=0.5", "k=1x2x3,p=0.5", "k=empty,p=0.5"]
    assert len(set(suffixes)) == 20
    assert not set(" []()\t'\"\\") & set("".join(case.id for case in found))


def test_a_family_without_a_sweep_has_one_case(tmp_path: Path) -> None:
    assert only_case(tmp_path).id == "conv2d/one/as-given"


def test_the_stem_of_the_file_starts_the_id(tmp_path: Path) -> None:
    [found] = read(tmp_path, HEAD + FAMILY, "pooling.yaml").families
    assert found.cases()[0].id == "pooling/one/as-given"


def test_fixed_values_play_no_part_in_an_id(tmp_path: Path) -> None:
    before = [case.id for case in cases(tmp_path, "sweep: {k: [1, 2]}")]
    assert [case.id for case in cases(tmp_path, "sweep: {k: [1, 2]}", "values: {n: 99}")] == before
    assert encode({}) == "as-given"


MANY_FAMILY = """\
  {name}:
    because: a reason
    expect: equal
    cover: 2
    sweep: {{k: [1, 2, [3, 2]], p: [0, 1, valid, true], n: [1, 2, 3]}}
    exclude: [{{when: n == {n} and k == 2, because: b}}]
"""
MANY = HEAD + "families:\n" + "".join(MANY_FAMILY.format(name=f"family-{n}", n=n) for n in (1, 2, 3))
PRINT_IDS = (
    "import sys, pathlib; from harness.casefile import load;"
    "file = load(pathlib.Path(sys.argv[1]), sys.argv[2:]);"
    "print('\\n'.join(case.id for family in file.families for case in family.cases()))"
)


def ids(file: CaseFile) -> list[str]:
    return [case.id for family in file.families for case in family.cases()]


def test_the_same_file_gives_the_same_ids_again(tmp_path: Path) -> None:
    first = ids(read(tmp_path, MANY))
    assert first == ids(read(tmp_path, MANY))
    assert len(first) == len(set(first)) > 30


@pytest.mark.parametrize("seed", ["1", "20241"])
def test_the_same_file_gives_the_same_ids_in_another_process(tmp_path: Path, seed: str) -> None:
    here = ids(read(tmp_path, MANY))
    ran = subprocess.run(
        [sys.executable, "-c", PRINT_IDS, str(tmp_path / "conv2d.yaml"), *reversed(FRAMEWORKS)],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.split() == here
