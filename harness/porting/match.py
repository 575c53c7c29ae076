"""Does a recipe's pattern fit a call, and which values do its names then have?"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness.casefile import Recipe
from harness.casefile.expressions import (
    Expression,
    ExpressionError,
    evaluate_tree,
    expressions_in,
    identity,
    is_name,
    reached_by,
)
from harness.checks.signature import IGNORABLE
from harness.errors import HarnessError, did_you_mean
from harness.protocol import Argument, Step, literal

Names = dict[str, Any]


def arguments(call: Step, signature: Sequence[Argument]) -> Names:
    """Every argument of the call by name, defaults included where they are literals.

    Raises:
        HarnessError: an argument too many, twice, missing or unknown.
    """
    names = [each.name for each in signature]
    if len(call.args) > len(names):
        raise HarnessError(f"{call}: {len(call.args)} arguments by position, it takes {len(names)}")
    given = dict(zip(names, call.args, strict=False))
    for name, value in call.kwargs.items():
        if name not in names:
            raise HarnessError(f"{call}: no argument '{name}' ({did_you_mean(name, names)})")
        if name in given:
            raise HarnessError(f"{call}: the argument '{name}' is given twice")
        given[name] = value
    for each in signature:
        if each.name not in given and each.default is None:
            raise HarnessError(f"{call}: the argument '{each.name}' is missing")
    return {each.name: given.get(each.name, _default(each)) for each in signature}


def bare(call: Step) -> Step:
    """The call without what plays no part in the numbers, such as ``device``: it is run where the target is."""
    return Step(call.call, {name: value for name, value in call.kwargs.items() if name not in IGNORABLE}, call.args)


def _default(argument: Argument) -> Any:
    try:
        return ast.literal_eval(str(argument.default))
    except (ValueError, SyntaxError):
        return argument.default  # a name of the framework's own, such as a dtype


def spelled(recipe: Recipe) -> Names:
    """What the call calls the names of the recipe's domain: ``{"p": "padding"}``."""
    names = recipe.when.names if recipe.when else ()
    return {tree.text: name for name, tree in recipe.pattern.items() if is_name(tree) and tree.text in names}


def bind(recipe: Recipe, given: Mapping[str, Any]) -> Names:
    """The values that the call gives the pattern's names, whether or not the rest of the pattern is met."""
    plain = {name: tree.text for name, tree in recipe.pattern.items() if is_name(tree)}
    return {name: given[argument] for argument, name in plain.items() if argument in given}


def fits(recipe: Recipe, given: Mapping[str, Any], names: Names, defaults: Mapping[str, Any]) -> bool:
    """Whether the pattern is met and the call within the recipe's domain.

    Args:
        recipe: whose pattern.
        given: every argument of the call.
        names: values of all names that expressions may use, those of the pattern among them.
        defaults: the value of each argument that is not given.
    """
    state = [f"{parameter}_init" for parameter in recipe.family.state]
    for argument, value in given.items():
        if argument in IGNORABLE or argument in state:
            continue  # neither says what the layer computes once its weights are carried over
        wanted = recipe.pattern.get(argument, defaults.get(argument))
        if not _met(wanted, value, names):
            return False
    return not set(recipe.pattern) - set(given) and _true(recipe.when, names)


def _met(wanted: Any, value: Any, names: Names) -> bool:
    try:
        return bool(identity(evaluate_tree(wanted, names)) == identity(value))
    except ExpressionError:
        return False


def _true(when: Expression | None, names: Names) -> bool:
    try:
        return when is None or bool(when(names))
    except (ExpressionError, KeyError):
        return False


def input_names(recipe: Recipe, shape: Sequence[int]) -> Names:
    """The values that an input's shape gives the names of the case file's first input.

    Raises:
        HarnessError: not as many extents as that has.
    """
    name, extents = next(iter(recipe.family.inputs.items()))
    if len(shape) != len(extents):
        texts = ", ".join(each.text if isinstance(each, Expression) else str(each) for each in extents)
        raise HarnessError(f"--input has {len(shape)} extents; '{name}' of {recipe.family.layer} has ({texts})")
    return {each.text: extent for each, extent in zip(extents, shape, strict=True) if is_name(each)}


def free_names(recipe: Recipe, bound: Collection[str]) -> list[str]:
    """The names of the first input that the call leaves open, the batch first."""
    extents = next(iter(recipe.family.inputs.values()))
    return [each.text for each in extents if is_name(each) and each.text not in bound]


def shapes(recipe: Recipe, row: Names) -> list[tuple[int, ...]]:
    """The shape of each input under these names."""
    evaluated = evaluate_tree(recipe.family.inputs, recipe.family.names(row))
    return list(evaluated.values())


def bind_names(recipe: Recipe) -> set[str]:
    """The names that the pattern binds."""
    return {tree.text for tree in recipe.pattern.values() if is_name(tree)}


def reached(recipe: Recipe) -> set[str]:
    """The names that the other side's pipeline depends on, through derived ones too."""
    other = next(spec for name, spec in recipe.family.sides.items() if name != recipe.given)
    names = (name for tree in other.arguments for _, found in expressions_in(tree) for name in found.names)
    return reached_by(names, recipe.family.derive)


def tidy(step: Step, signature: Sequence[Argument]) -> Step:
    """The same call with what has to be given by position, and then no number that is the default.

    Words stay, as in ``pad_mode="same"``: they are what a reader looks for, and defaults change between releases.
    """
    required = [each.name for each in signature if each.default is None]
    if step.args or any(name not in step.kwargs for name in required):
        return step
    defaults = {each.name: each.default for each in signature}
    kept = {
        name: value
        for name, value in step.kwargs.items()
        if name not in required and (isinstance(value, str) or literal(value) != defaults.get(name))
    }
    return Step(step.call, kept, tuple(step.kwargs[name] for name in required))


def state_names(recipe: Recipe, framework: str) -> dict[str, str]:
    """What the framework calls each parameter that the layer can have, by the case file's name."""
    return {
        name: str(tree.get(framework, {}).get("name", name)) if isinstance(tree, Mapping) else name
        for name, tree in recipe.family.state.items()
    }
