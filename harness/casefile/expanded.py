"""What is wrong with a case file only in some combination of its values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness import dtypes
from harness.casefile.checks import flaw
from harness.casefile.source import Source
from harness.errors import did_you_mean
from harness.model import SPECIAL_VALUES, Case, Initial


def check(source: Source, key: Sequence[str], case: Case, ways: Mapping[str, Sequence[str]]) -> None:
    """Raise CaseFileError for what is wrong with one case of the family at this key."""
    if isinstance(case.stated, Initial) and (problem := flaw(case.stated)):
        raise source.error([*key, "distribution"], f"{problem} in {case.id}")
    _check_layouts(source, key, case)
    _check_ways(source, key, case, ways)
    _check_fillings(source, key, case)
    _check_shapes(source, key, case)


def _check_shapes(source: Source, key: Sequence[str], case: Case) -> None:
    shapes: list[tuple[Sequence[str], Iterable[Any]]] = [
        *((["inputs", name], shape) for name, shape in case.inputs.items()),
        *((["state", parameter.name, "shape"], parameter.shape) for parameter in case.state),
        ([*key, "output_shape"], case.documented_shape or ()),
    ]
    for place, shape in shapes:
        for index, extent in enumerate(shape):
            if type(extent) is not int or extent < 0:
                problem = f"the extent is {extent!r} in {case.id}"
                raise source.error([*place, index], problem, "expected a whole number, zero or more")


def _check_fillings(source: Source, key: Sequence[str], case: Case) -> None:
    for name, filling in case.fillings.items():
        for part, value, words in (
            ("dtype", filling.dtype, dtypes.NAMES),
            ("holds", filling.holds, SPECIAL_VALUES),
        ):
            if value and value not in words:
                place = [*key, "tensors", name, part]
                raise source.error(place, f"'{value}' in {case.id}", did_you_mean(str(value), words))


def _check_ways(source: Source, key: Sequence[str], case: Case, ways: Mapping[str, Sequence[str]]) -> None:
    for side, pipeline in case.sides.items():
        known = ways.get(side, (pipeline.load,))
        if pipeline.load not in ("", *known):
            hint = did_you_mean(pipeline.load, known)
            raise source.error([*key, side, "load"], f"{side} has no way to load '{pipeline.load}'", hint)


def _check_layouts(source: Source, key: Sequence[str], case: Case) -> None:
    for parameter in case.state:
        own = parameter.name in source.data["families"].get(key[1], {}).get("state", {})
        place: list[str] = [*key, "state"] if own else ["state"]
        rank = len(parameter.shape)
        for side, axis in parameter.expand_dims.items():
            if not -rank - 1 <= axis <= rank:
                where = [*place, parameter.name, side, "expand_dims"]
                raise source.error(where, f"no axis {axis} for {rank} axes and one more, in {case.id}")
        for side, axes in parameter.swap.items():
            if len({axis % rank for axis in axes if rank and -rank <= axis < rank}) != len(axes):
                hint = f"expected two of the {rank} axes"
                raise source.error([*place, parameter.name, side, "swap"], f"swaps {axes}, in {case.id}", hint)
