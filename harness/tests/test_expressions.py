"""Expressions compute from the names of a case, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from harness.casefile.expressions import (
    RESERVED,
    Expression,
    ExpressionError,
    axis,
    compile_tree,
    evaluate_tree,
    expressions_in,
    identity,
    plain,
)

NAMES = {"k": 3, "s": 2, "pair": (4, 5), "mode": "same", "bias": True, "nothing": None}


def value(text: str, **names: Any) -> Any:
    return Expression(text)({**NAMES, **names})


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("k", 3),
        ("(k - 1) // 2 + s * 2", 5),
        ("-k % s", 1),
        ("k ** s", 9),
        ("k / s", 1.5),
        ("max(k, s) - min(k, s, 1)", 2),
        ("sum(pair) + len(pair) + abs(-1)", 12),
        ("pair[1]", 5),
        ("mode == 'same' and bias", True),
        ("mode in ('pad', 'valid') or not bias", False),
        ("1 < s < k", True),
        ("k if bias else s", 3),
        ("nothing is none and bias == true and not false", True),
        ("None is none and True == true and not False", True),
        ("axis(pair, 1) * axis(k, 1)", 15),
    ],
)
def test_what_an_expression_can_say(text: str, result: Any) -> None:
    found = value(text)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("text", "result"), [("[k, s]", (3, 2)), ("[[k], (s, [])]", ((3,), (2, ()))), ("(k,)", (3,)), ("pair[:1]", (4,))]
)
def test_lists_become_tuples(text: str, result: Any) -> None:
    assert repr(value(text)) == repr(result)


@pytest.mark.parametrize(
    "text", ["open('f')", "eval('1')", "__import__('os')", "print(k)", "int(k)", "range(k)", "rand()"]
)
def test_there_are_no_builtins(text: str) -> None:
    expression = Expression(text)
    with pytest.raises(ExpressionError, match="unknown name"):
        expression.check(NAMES)
    with pytest.raises(ExpressionError, match="fails for"):
        expression(dict.fromkeys(expression.names, "text"))


@pytest.mark.parametrize(
    "text",
    [
        "k.real",
        "mode.upper()",
        "mode.zfill(10)",
        "mode.__class__",
        "().__class__.__base__.__subclasses__()",
        "'{0.__class__}'.format(k)",
        "max.__self__",
        "lambda: 1",
        "(k := 4)",
        "axis(*pair)",
        "9 ** 9 ** 9",
        "2 ** 5000000",
        "1 << 100000000",
        "'a' * 10 ** 9",
        "{1: 2}",
        "{1, 2}",
        "max",
        "1j",
        "...",
        "[max]",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        value(text)
    assert caught.value.problem.startswith(f"'{text}' fails for ")
    assert caught.value.culprit is not None
    assert caught.value.culprit.text == text


@pytest.mark.parametrize(
    "text",
    ["", "k +", "k k", "(k", "import os", "k = 3", "k += 1", "k; s", "k\ns", "def f(): 1", "1 2", "if", "0777", "k?"],
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression(text)
    assert caught.value.problem == f"'{text}' is no expression"
    assert caught.value.hint
    assert "<unknown>" not in caught.value.hint


def test_a_failure_tells_the_values_that_it_needed() -> None:
    with pytest.raises(ExpressionError) as caught:
        value("mode + pair[k]")
    assert caught.value.problem == "'mode + pair[k]' fails for k=3, mode='same', pair=(4, 5)"
    assert caught.value.hint == "IndexError: tuple index out of range"


def test_names_are_those_of_the_case_only() -> None:
    assert Expression("max(k, axis(pair, 0)) if true else none + k").names == ("k", "pair")
    assert {"axis", "max", "true", "None"} <= RESERVED


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression("max(pear, 1)").check(NAMES)
    assert (caught.value.problem, caught.value.hint) == (
        "unknown name 'pear' in 'max(pear, 1)'",
        "did you mean 'pair'?",
    )
    Expression("max(pair)").check(NAMES)


@pytest.mark.parametrize(
    ("given", "index", "result"),
    [(3, 0, 3), (3, 1, 3), ((4, 5), 0, 4), ((4, 5), 1, 5), ("same", 0, "same"), (None, 1, None)],
)
def test_axis(given: Any, index: int, result: Any) -> None:
    assert axis(given, index) == result


def test_axis_has_no_value_past_the_last() -> None:
    with pytest.raises(ExpressionError, match=r"fails for pair=\(4, 5\)"):
        value("axis(pair, 2)")


ALIKE = [1, True, 1.0, (1,), (True,), (1.0,), ((1,),), ((True,),)]


@pytest.mark.parametrize("order", [1, -1])
def test_remembered_results_tell_equal_values_of_other_types_apart(order: int) -> None:
    expression = Expression("v")
    for each in ALIKE[::order]:
        assert repr(expression({"v": each})) == repr(each)


def test_identities_are_as_many_as_the_values() -> None:
    assert len({identity(each) for each in ALIKE}) == len(ALIKE)
    assert identity((1, (2, "a"))) == identity((1, (2, "a")))


def test_a_result_is_computed_once_for_the_names_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    expression, computed = Expression("k * 2"), list[int]()
    compute = Expression._compute

    def counted(self: Expression, names: dict[str, int]) -> Any:
        computed.append(names["k"])
        return compute(self, names)

    monkeypatch.setattr(Expression, "_compute", counted)
    assert [expression({"k": k, "s": s}) for k in (3, 4) for s in range(5)] == [6] * 5 + [8] * 5
    assert computed == [3, 4]


def test_trees_are_compiled_and_evaluated() -> None:
    tree = compile_tree({"a": ["=k", 1, ["= s + 1"]], "b": {"c": "k"}, 3: None})
    assert evaluate_tree(tree, NAMES) == {"a": (3, 1, (3,)), "b": {"c": "k"}, "3": None}
    assert [(key, found.text) for key, found in expressions_in(tree)] == [(("a", 0), "k"), (("a", 2, 0), "s + 1")]


def test_a_tree_that_does_not_compile_tells_where() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_tree({"a": ["=k", {"b": "=k +"}]})
    assert caught.value.key == ("a", 1, "b")


def test_plain_values_are_of_python_s_own_types() -> None:
    class Number(int):
        pass

    class Text(str):
        pass

    found = plain([Number(3), Text("a"), True, None, [1.5]])
    assert found == (3, "a", True, None, (1.5,))
    assert [type(each) for each in found[:3]] == [int, str, bool]
