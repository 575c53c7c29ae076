"""Calls as people write them: ``'torch.nn.ZeroPad1d(1) >> torch.nn.Conv1d(2, 3, 4)'``, parsed, never evaluated."""

from __future__ import annotations

import ast

from harness.errors import HarnessError
from harness.protocol import Step

CHAIN = "steps are chained by '>>', as in 'torch.nn.ZeroPad1d(1) >> torch.nn.Conv1d(2, 3, 4)'"


def parse(text: str) -> tuple[Step, ...]:
    """The steps of a chain of calls with literal arguments.

    Raises:
        HarnessError: anything else, with what was found and what was expected.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        where = f"{error.msg} at column {error.offset}"
        raise HarnessError(f"'{text}': not a Python expression ({where}); {CHAIN}") from None
    return tuple(_step(node, text) for node in _chain(tree))


def _chain(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift):
        return [*_chain(node.left), node.right]
    return [node]


def _step(node: ast.expr, text: str) -> Step:
    if not isinstance(node, ast.Call):
        raise HarnessError(f"'{text}': expected a call with its arguments, found '{ast.unparse(node)}'; {CHAIN}")
    if any(keyword.arg is None for keyword in node.keywords) or any(isinstance(arg, ast.Starred) for arg in node.args):
        raise HarnessError(f"'{text}': arguments have to be written out, without * and **")
    return Step(
        _dotted(node.func, text),
        {str(keyword.arg): _literal(keyword.value, text) for keyword in node.keywords},
        tuple(_literal(arg, text) for arg in node.args),
    )


def _dotted(node: ast.expr, text: str) -> str:
    name = ast.unparse(node)
    parts = name.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):  # noqa: PLR2004
        raise HarnessError(f"'{text}': expected a full dotted name such as torch.nn.Conv2d, found '{name}'")
    return name


def _literal(node: ast.expr, text: str) -> object:
    try:
        return _tuples(ast.literal_eval(node))
    except (ValueError, TypeError):
        hint = "write numbers, strings, tuples, and leave dtypes out"
        raise HarnessError(f"'{text}': '{ast.unparse(node)}' is no literal; {hint}") from None


def _tuples(value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(_tuples(item) for item in value)
    if value is None or isinstance(value, int | float | str):
        return value
    raise TypeError(f"{value!r} is none of these")
