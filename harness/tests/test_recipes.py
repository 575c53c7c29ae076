"""Recipes in case files: what they become, the families that verify them, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.casefile import CaseFile, Recipe, load
from harness.casefile.expressions import Expression
from harness.model import Expectation
from harness.protocol import Step
from harness.tests.test_casefile_errors import FRAMEWORKS, error_of, written

RECIPES = """\
layer: Conv2d
documents:
  r2.0: {title: Differences}
torch:
  call: torch.nn.Conv2d
  with: {kernel_size: =k, padding: =p}
mindspore:
  call: mindspore.nn.Conv2d
  with: {kernel_size: =k, padding: =p}
state:
  weight: {shape: [=k]}
inputs:
  x: [=n, 7]
values: {n: 2, k: 3, p: 0}
claims:
  by-hand: {document: r2.0, where: Table, says: padding by hand does it}
recipes:
  plain:
    says: the same words
    documented: by-hand
    when: p < k
    derive: {half: =k // 2}
    torch: {with: {mode: zeros}}
    mindspore: {before: [{call: mindspore.ops.pad, with: {by: =half}}], with: {padding: 0}}
  back:
    says: the other way round
    from: mindspore
    torch: {with: {padding: =p + 0}}
families:
  plainly:
    recipe: plain
    claims: [by-hand]
    sweep: {k: [1, 2, 3], p: [0, 1]}
  oddly:
    recipe: plain
    because: another sweep
    expect: different
    sweep: {p: [0, 1, 2, 3, 4]}
    exclude:
      - {when: p == 0, because: nothing to pad}
  backwards:
    recipe: back
    because: it is a recipe
    sweep: {p: [0, 1]}
"""


@pytest.fixture
def file(tmp_path: Path) -> CaseFile:
    path = tmp_path / "conv2d.yaml"
    path.write_text(RECIPES, encoding="utf-8")
    return load(path, FRAMEWORKS)


@pytest.fixture
def plain(file: CaseFile) -> Recipe:
    return file.recipes[0]


def test_a_recipe_is_read(file: CaseFile) -> None:
    plain, back = file.recipes
    assert (plain.name, plain.says, plain.given, plain.documented) == ("plain", "the same words", "torch", "by-hand")
    assert plain.when is not None
    assert (plain.when({"p": 2, "k": 3}), plain.when({"p": 3, "k": 3})) == (True, False)
    assert plain.verified_by == ("plainly", "oddly")
    assert (back.given, back.documented, back.when, back.verified_by) == ("mindspore", "", None, ("backwards",))


def test_the_pattern_is_the_given_sides_call(file: CaseFile) -> None:
    plain, back = file.recipes
    texts = {name: tree.text if isinstance(tree, Expression) else tree for name, tree in plain.pattern.items()}
    assert texts == {"kernel_size": "k", "padding": "p", "mode": "zeros"}
    assert {name: tree.text for name, tree in back.pattern.items()} == {"kernel_size": "k", "padding": "p"}


def test_a_recipe_makes_the_case_of_any_row(plain: Recipe) -> None:
    case = plain.family.case({"k": 50, "p": 4, "n": 1})
    assert case.id == "conv2d/plain/k=50,p=4,n=1"
    assert case.inputs == {"x": (1, 7)}
    assert case.expect is Expectation.EQUAL
    assert case.sides["mindspore"].steps == (
        Step("mindspore.ops.pad", {"by": 25}),
        Step("mindspore.nn.Conv2d", {"kernel_size": 50, "padding": 0}),
    )


def test_families_verify_it_over_its_domain_only(file: CaseFile) -> None:
    plainly, oddly, _ = file.families
    assert [(case.values["k"], case.values["p"]) for case in plainly.cases()] == [
        *((1, 0), (2, 0), (2, 1), (3, 0), (3, 1)),
    ]
    assert plainly.excluded == 1
    assert [case.values["p"] for case in oddly.cases()] == [1, 2]


def test_a_family_runs_what_the_recipe_says(file: CaseFile) -> None:
    plainly, _, backwards = file.families
    case = plainly.cases()[-1]
    assert case.sides["torch"].steps == (Step("torch.nn.Conv2d", {"kernel_size": 3, "padding": 1, "mode": "zeros"}),)
    assert [str(step) for step in case.sides["mindspore"].steps] == [
        "mindspore.ops.pad(by=1)",
        "mindspore.nn.Conv2d(kernel_size=3, padding=0)",
    ]
    assert [family.expect for family in file.families] == ["equal", "different", "equal"]
    assert backwards.cases()[1].sides["torch"].steps[0].kwargs == {"kernel_size": 3, "padding": 1}
    assert "mode" not in backwards.cases()[1].sides["torch"].steps[0].kwargs


def test_a_recipes_family_is_unexpanded_and_sweeps_nothing(plain: Recipe) -> None:
    assert dict(plain.family.sweep) == {}
    assert plain.family.name == "plain"


def test_names_of_the_pattern_need_no_value(tmp_path: Path) -> None:
    path = tmp_path / "conv2d.yaml"
    text = RECIPES.replace("with: {mode: zeros}", "with: {mode: =mode}")
    path.write_text(text.replace("    sweep:", "    values: {mode: zeros}\n    sweep:"), encoding="utf-8")
    family = load(path, FRAMEWORKS).recipes[0].family
    assert family.case({"mode": "reflect"}).sides["torch"].steps[0].kwargs["mode"] == "reflect"


def changed(name: str, key: str, problem: str, hint: str, *edits: tuple[str, str]) -> object:
    text = RECIPES
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return pytest.param(text, key, problem, hint, id=name.replace(" ", "-"))


BARE_CLAIMS = RECIPES[RECIPES.index("claims:\n") : RECIPES.index("recipes:\n")]
ERRORS = [
    changed(
        "an unknown recipe",
        "families.plainly.recipe",
        "unknown recipe 'plian'",
        "did you mean 'plain'?",
        ("  plainly:\n    recipe: plain\n", "  plainly:\n    §recipe: plian\n"),
    ),
    changed(
        "a recipe without a family",
        "recipes.back",
        "no family verifies this recipe",
        "add a family with 'recipe: back'",
        ("  back:\n", "  §back:\n"),
        ("    recipe: back\n", "    expect: equal\n"),
    ),
    *(
        changed(
            f"a pattern with {which}",
            "recipes.back.mindspore",
            "a pattern is a single call",
            "without 'before' and 'then'",
            ("    torch: {with: {padding: =p + 0}}\n", f"    §mindspore: {{{which}: [{{call: a.b}}]}}\n"),
        )
        for which in ("before", "then")
    ),
    changed(
        "an unknown direction",
        "recipes.back.from",
        "no side 'mindspoer'",
        "did you mean 'mindspore'?",
        ("    from: mindspore\n", "    §from: mindspoer\n"),
    ),
    changed(
        "a direction that is no side of this file",
        "recipes.back.from",
        "no side 'jax'",
        "known: mindspore, torch",
        ("    from: mindspore\n", "    §from: jax\n"),
    ),
    changed(
        "an unknown documented claim",
        "recipes.plain.documented",
        "unknown claim 'by-hadn'",
        "did you mean 'by-hand'?",
        ("    documented: by-hand\n", "    §documented: by-hadn\n"),
    ),
    changed(
        "a documented claim in a file without claims",
        "recipes.plain.documented",
        "unknown claim 'by-hand'",
        "known: none",
        ("    documented: by-hand\n", "    §documented: by-hand\n"),
        (BARE_CLAIMS, ""),
        ("    claims: [by-hand]\n", "    because: b\n"),
    ),
    changed(
        "an unknown name in a domain",
        "recipes.plain.when",
        "unknown name 'q' in 'q < k'",
        "known: half, k, n, p",
        ("    when: p < k\n", "    §when: q < k\n"),
    ),
    changed(
        "a domain that is no expression",
        "recipes.plain.when",
        "'p <' is no expression",
        "invalid syntax",
        ("    when: p < k\n", "    §when: p <\n"),
    ),
    changed(
        "a domain that leaves nothing of a sweep",
        "families.backwards",
        "no combination is left",
        "its exclusions leave out everything",
        ("    from: mindspore\n", "    from: mindspore\n    when: p > 1\n"),
        ("  backwards:\n", "  §backwards:\n"),
    ),
    changed(
        "an unknown name on the other side",
        "recipes.back.torch.with.padding",
        "unknown name 'q' in 'q + 0'",
        "known: k, n, p",
        ("    torch: {with: {padding: =p + 0}}\n", "    torch: {with: {§padding: =q + 0}}\n"),
        ("    recipe: back\n", "    recipe: back\n    torch: {}\n"),
    ),
    changed(
        "a recipe that says nothing",
        "recipes.back",
        "the key 'says' is missing",
        "expected a recipe with 'says': what it does, in a line",
        ("  back:\n    says: the other way round\n", "  §back:\n"),
    ),
]


@pytest.mark.parametrize(("marked", "key", "problem", "hint"), ERRORS)
def test_one_error_with_place_key_problem_and_hint(
    tmp_path: Path, marked: str, key: str, problem: str, hint: str
) -> None:
    path, place = written(tmp_path, marked)
    error = error_of(path)
    assert (error.place, error.key, error.problem, error.hint) == (place, key, problem, hint)
