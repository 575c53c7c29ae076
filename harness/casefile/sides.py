"""One side of a family: the layer's call merged with what the family says differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.casefile.expressions import ExpressionError, compile_tree, evaluate_tree
from harness.casefile.source import Key, Source
from harness.errors import did_you_mean
from harness.model import Side
from harness.protocol import Step

Part = tuple[tuple[str | int, ...], Any]


@dataclass(frozen=True)
class SideSpec:
    """A pipeline whose arguments are still expressions.

    Attributes:
        calls: dotted name of each step.
        arguments: for each step its arguments, compiled.
        parts: the same arguments by their place in the file.
        layer: index of the step that owns the state.
        lacks: state names that this side does not have in this family.
        load: the framework's own way that takes the state, or an expression for it; empty for the harness's.
    """

    calls: tuple[str, ...]
    arguments: tuple[dict[str, Any], ...]
    parts: tuple[Part, ...]
    layer: int
    lacks: frozenset[str]
    load: Any = ""

    def side(self, names: Mapping[str, Any]) -> Side:
        """The pipeline under these names."""
        steps = (
            Step(call, {name: _built(value) for name, value in evaluate_tree(arguments, names).items()})
            for call, arguments in zip(self.calls, self.arguments, strict=True)
        )
        return Side(tuple(steps), self.layer, evaluate_tree(self.load, names))


def _built(value: Any) -> Any:
    """An argument; a mapping with a call in it is a step to be taken where it stands."""
    if isinstance(value, dict) and "call" in value:
        return Step(value["call"], {name: _built(each) for name, each in value.get("with", {}).items()})
    return tuple(map(_built, value)) if isinstance(value, tuple) else value


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
    changed = _compile(source, (*key, "with"), change.get("with", {}))
    kept = _compile(source, (framework, "with"), own)
    before = _steps(source, *_chosen(framework, layer, change, key, "before"))
    then = _steps(source, *_chosen(framework, layer, change, key, "then"))
    parts: list[Part] = [
        *(part for _, part in before),
        ((framework, "with"), {name: tree for name, tree in kept.items() if name not in changed}),
        ((*key, "with"), changed),
        *(part for _, part in then),
        ((*key, "load"), load := _compile(source, (*key, "load"), change.get("load", ""))),
    ]
    return SideSpec(
        calls=(*(call for call, _ in before), str(change.get("call", layer["call"])), *(call for call, _ in then)),
        arguments=(*(tree for _, (_, tree) in before), {**kept, **changed}, *(tree for _, (_, tree) in then)),
        parts=tuple(parts),
        layer=len(before),
        lacks=frozenset(map(str, change.get("lacks", ()))),
        load=load,
    )


def _chosen(
    framework: str, layer: Mapping[str, Any], change: Mapping[str, Any], key: Sequence[str | int], which: str
) -> tuple[Sequence[Mapping[str, Any]], tuple[str | int, ...]]:
    if which in change:
        return change[which], (*key, which)
    return layer.get(which, ()), (framework, which)


def _steps(source: Source, steps: Sequence[Mapping[str, Any]], key: tuple[str | int, ...]) -> list[tuple[str, Part]]:
    places = [(*key, index, "with") for index in range(len(steps))]
    return [
        (str(step["call"]), (place, _compile(source, place, step.get("with", {}))))
        for step, place in zip(steps, places, strict=True)
    ]


def _compile(source: Source, key: Key, tree: Any) -> Any:
    try:
        return compile_tree(tree)
    except ExpressionError as error:
        raise source.error([*key, *error.key], error.problem, error.hint) from None
