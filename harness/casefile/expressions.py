"""Expressions over a case's names: ``=max(s, d) - 1``. Evaluated by simpleeval, never by ``eval``."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeGuard

from ruamel.yaml.scalarbool import ScalarBoolean
from simpleeval import EvalWithCompoundTypes

from harness.errors import did_you_mean


def axis(value: Any, index: int) -> Any:
    """The value for one axis of an argument that may be one number for all: ``axis(3, 1) == axis((3,), 1) == 3``."""
    if not isinstance(value, tuple):
        return value
    return value[0] if len(value) == 1 else value[index]


def one(value: Any) -> Any:
    """The one number of a tuple that says the same for each axis; any other value as it is."""
    return value[0] if isinstance(value, list | tuple) and len(set(map(identity, value))) == 1 else value


def is_tuple(value: Any) -> bool:
    """Whether the value has one entry for each axis and is not one number for all."""
    return isinstance(value, tuple)


def is_text(value: Any) -> bool:
    """Whether the value is a word, as 'same' is."""
    return isinstance(value, str)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{"axis": axis, "abs": abs, "len": len, "max": max, "min": min, "sum": sum},
    **{"is_tuple": is_tuple, "one": one, "is_text": is_text, "sqrt": math.sqrt},
}
CONSTANTS = {"true": True, "false": False, "none": None, "True": True, "False": False, "None": None}
RESERVED = FUNCTIONS.keys() | CONSTANTS.keys()


class ExpressionError(Exception):
    """What is wrong with an expression, and a hint. The caller knows the place of the tree around it.

    Attributes:
        key: where in its tree the expression stands, if it could not be parsed.
        culprit: the expression, if it could be parsed but not computed.
    """

    key: tuple[str | int, ...] = ()
    culprit: Expression | None = None

    def __init__(self, problem: str, hint: str = "") -> None:
        """Keep the two parts apart."""
        self.problem, self.hint = problem, hint
        super().__init__(problem)


class Expression:
    """A parsed expression that remembers its results: sweeps ask for the same few values again and again."""

    def __init__(self, text: str) -> None:
        """Parse. Raises ExpressionError if the text is no expression."""
        self.text = text
        try:
            # Not simpleeval's own parser, which takes the first of several statements, and the value of an assignment.
            self._node = ast.parse(text, mode="eval").body
        except SyntaxError as error:
            raise ExpressionError(f"'{text}' is no expression", error.msg) from None
        found = {node.id for node in ast.walk(self._node) if isinstance(node, ast.Name)}
        self.names = tuple(sorted(found - RESERVED))
        self._results: dict[tuple[Any, ...], Any] = {}

    def check(self, known: Iterable[str]) -> None:
        """Raise ExpressionError for a name that is not known."""
        known = set(known)
        for name in self.names:
            if name not in known:
                raise ExpressionError(f"unknown name '{name}' in '{self.text}'", did_you_mean(name, known))

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The value under these names. Raises ExpressionError if it cannot be computed."""
        key = tuple(identity(values[name]) for name in self.names)
        if key not in self._results:
            self._results[key] = self._compute(values)
        return self._results[key]

    def _compute(self, values: Mapping[str, Any]) -> Any:
        names = {name: values[name] for name in self.names} | CONSTANTS
        try:
            evaluator = EvalWithCompoundTypes(functions=FUNCTIONS, names=names)
            del evaluator.nodes[ast.Attribute]
            return _settled(evaluator.eval(self.text, previously_parsed=self._node))
        except Exception as error:  # whatever the arithmetic of the given values raises
            given = ", ".join(f"{name}={values[name]!r}" for name in self.names)
            failure = ExpressionError(f"'{self.text}' fails for {given}", f"{type(error).__name__}: {error}")
            failure.culprit = self
            raise failure from None


def _settled(value: Any) -> Any:
    """A result as a value of a case: lists become tuples, and what YAML could not say is refused."""
    if isinstance(value, list | tuple):
        return tuple(map(_settled, value))
    if value is None or isinstance(value, int | float | str):
        return value
    raise TypeError(f"the result is neither number, text, true, false, none nor a list, but {type(value).__name__}")


def identity(value: Any) -> Any:
    """A key that tells 1, 1.0 and True apart, within tuples too."""
    return tuple(map(identity, value)) if isinstance(value, tuple) else (type(value), value)


def compile_tree(node: Any, key: tuple[str | int, ...] = ()) -> Any:
    """A tree of YAML values with each ``=`` string replaced by its Expression, and lists by tuples."""
    if isinstance(node, str):
        return _parsed(node[1:].strip(), key) if node.startswith("=") else str(node)
    if isinstance(node, Mapping):
        return {str(part): compile_tree(value, (*key, part)) for part, value in node.items()}
    if isinstance(node, list | tuple):
        return tuple(compile_tree(item, (*key, index)) for index, item in enumerate(node))
    return plain(node)


def _parsed(text: str, key: tuple[str | int, ...]) -> Expression:
    try:
        return Expression(text)
    except ExpressionError as error:
        error.key = key
        raise


def plain(value: Any) -> Any:
    """The bare Python value of a YAML scalar or list; the parser's own number types would show in records."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, ScalarBoolean):  # what the parser makes of a boolean with an anchor; an int by its class
        return bool(value)
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return tuple(plain(item) for item in value)


def evaluate_tree(node: Any, values: Mapping[str, Any]) -> Any:
    """The compiled tree under these values."""
    if isinstance(node, Expression):
        return node(values)
    if isinstance(node, dict):
        return {key: evaluate_tree(value, values) for key, value in node.items()}
    if isinstance(node, tuple):
        return tuple(evaluate_tree(item, values) for item in node)
    return node


def expressions_in(node: Any, key: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Expression]]:
    """Every expression of a compiled tree, with its key."""
    if isinstance(node, Expression):
        return [(key, node)]
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, tuple) else ()
    return [found for part, child in children for found in expressions_in(child, (*key, part))]


def is_name(tree: Any) -> TypeGuard[Expression]:
    """Whether a compiled tree is one bare name, as ``=k`` is."""
    return isinstance(tree, Expression) and tree.names == (tree.text,)


def reached_by(names: Iterable[str], derive: Mapping[str, Any]) -> set[str]:
    """These names and those that they are derived from, however far back."""
    reached, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [inner for _, found in expressions_in(derive.get(name)) for inner in found.names]
    return reached
