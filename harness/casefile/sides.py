"""One side of a family: the layer's call merged with what the family says differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.backends.protocol import Step
from harness.casefile.expressions import ExpressionError, compile_tree, evaluate_tree
from harness.casefile.source import Key, Source
from harness.errors import did_you_mean

Part = tuple[tuple[str | int, ...], Any]


@dataclass(frozen=True)
class SideSpec:
    """A pipeline whose arguments are still expressions.

    Attributes:
        calls: dotted name of each step.
        parts: for each step the place of its arguments in the file, and the arguments, compiled.
        layer: index of the step that owns the state.
        lacks: state names that this side does not have in this family.
    """

    calls: tuple[str, ...]
    parts: tuple[Part, ...]
    layer: int
    lacks: frozenset[str]

    def steps(self, names: Mapping[str, Any]) -> tuple[Step, ...]:
        """The steps under these names."""
        return tuple(
            Step(call, evaluate_tree(arguments, names))
            for call, (_, arguments) in zip(self.calls, self.parts, strict=True)
        )


def side_spec(
    source: Source, framework: str, layer: Mapping[str, Any], change: Mapping[str, Any], key: Sequence[str | int]
) -> SideSpec:
    """Merge the layer's side with the family's change.

    ``with`` adds to the layer's arguments or replaces them by name; ``only`` first keeps the named ones; another
    ``call`` inherits no arguments; ``before`` and ``then`` replace the layer's.
    """
    own: dict[str, Any] = {} if "call" in change else dict(layer.get("with", {}))
    for index, name in enumerate(change.get("only", ())):
        if name not in own:
            raise source.error([*key, "only", index], f"unknown argument '{name}'", did_you_mean(name, own))
    if "only" in change:
        own = {name: own[name] for name in change["only"]}
    arguments = {**own, **change.get("with", {})}
    place = (*key, "with") if "with" in change else (framework, "with")
    before, before_key = _steps(framework, layer, change, key, "before")
    then, then_key = _steps(framework, layer, change, key, "then")
    calls = [step["call"] for step in before] + [change.get("call", layer["call"])] + [step["call"] for step in then]
    trees: list[tuple[tuple[str | int, ...], Any]] = [
        *(((*before_key, index, "with"), step.get("with", {})) for index, step in enumerate(before)),
        (place, arguments),
        *(((*then_key, index, "with"), step.get("with", {})) for index, step in enumerate(then)),
    ]
    parts = tuple((at, _compile(source, at, tree)) for at, tree in trees)
    return SideSpec(tuple(map(str, calls)), parts, len(before), frozenset(map(str, change.get("lacks", ()))))


def _steps(
    framework: str, layer: Mapping[str, Any], change: Mapping[str, Any], key: Sequence[str | int], which: str
) -> tuple[Sequence[Mapping[str, Any]], tuple[str | int, ...]]:
    if which in change:
        return change[which], (*key, which)
    return layer.get(which, ()), (framework, which)


def _compile(source: Source, key: Key, tree: Any) -> Any:
    try:
        return compile_tree(tree)
    except ExpressionError as error:
        raise source.error(key, error.problem, error.hint) from None
