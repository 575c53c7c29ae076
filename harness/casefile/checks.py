"""What a family states besides an output: a signature, initial values, or how a call is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.casefile.expressions import ExpressionError, compile_tree, evaluate_tree, plain
from harness.casefile.source import Source
from harness.model import DISTRIBUTIONS, ORDER, OTHERS, PARAMETER, Check, Initial, Refusal, Signature
from harness.protocol import Argument, Phase, literal

Key = Sequence[str | int]
_NEEDED = {Check.SIGNATURE: "side", Check.INIT: "tensor"}
# Keys that mean something for some checks only.
_OWN = {
    Check.OUTPUT: {"phase", "error"},
    Check.SIGNATURE: {"side", "of", "parameters", "has", "lacks"},
    Check.STATE: {"side"},
    Check.ROUND_TRIP: set[str](),
    Check.INIT: {"side", "tensor", "distribution"},
}


@dataclass(frozen=True)
class Stated:
    """What a family states, with expressions where they may stand.

    Attributes:
        check: what is held against the document.
        side: the framework that is spoken of; empty for both.
        signature: for a check of the signature.
        tensor: for a check of initial values, the parameter.
        distribution: its kind and arguments, compiled; ``None`` to hold both sides against each other.
        refusal: how the call is refused.
    """

    check: Check
    side: str
    signature: Signature | None
    tensor: str
    distribution: Any
    refusal: Refusal

    def evaluate(self, names: Mapping[str, Any]) -> Signature | Initial | None:
        """What is stated under these names."""
        if self.check is not Check.INIT:
            return self.signature
        if self.distribution is None:
            return Initial(self.tensor)
        kind, *arguments = evaluate_tree(self.distribution, names)
        if kind not in DISTRIBUTIONS:
            raise ExpressionError(f"unknown distribution '{kind}'", f"expected one of {', '.join(DISTRIBUTIONS)}")
        if len(arguments) < DISTRIBUTIONS[kind] or not all(type(each) in (int, float) for each in arguments):
            raise ExpressionError(f"{kind} takes {DISTRIBUTIONS[kind]} numbers", f"found {arguments}")
        return Initial(self.tensor, str(kind), tuple(map(float, arguments)))


def stated(source: Source, key: Key, entry: Mapping[str, Any], sides: Sequence[str], tensors: Sequence[str]) -> Stated:
    """Read what the family states. Raises CaseFileError where it does not fit the check."""
    check = Check(entry.get("check", "output"))
    _check_keys(source, key, entry, check)
    if check in _NEEDED and _NEEDED[check] not in entry:
        raise source.error(key, f"the key '{_NEEDED[check]}' is missing", f"a check of {check} needs it")
    for name, allowed in (("side", sides), ("tensor", tensors)):
        if name in entry and entry[name] not in allowed:
            raise source.error([*key, name], f"no {name} '{entry[name]}'", f"expected one of {', '.join(allowed)}")
    if check is Check.INIT and "side" in entry and "distribution" not in entry:
        raise source.error(key, "one side is held against nothing", "add 'distribution', or leave out 'side'")
    _check_distribution(source, [*key, "distribution"], entry)
    return Stated(
        check=check,
        side=str(entry.get("side", "")),
        signature=_signature(source, key, entry) if check is Check.SIGNATURE else None,
        tensor=str(entry.get("tensor", "")),
        distribution=compile_tree(entry.get("distribution")),
        refusal=Refusal(tuple(map(Phase, entry.get("phase", ()))), tuple(map(str, entry.get("error", ())))),
    )


def _check_keys(source: Source, key: Key, entry: Mapping[str, Any], check: Check) -> None:
    for name in sorted(set[str]().union(*_OWN.values()) - _OWN[check]):
        if name in entry:
            hint = f"known there: {', '.join(sorted(_OWN[check])) or 'none of this kind'}"
            raise source.error([*key, name], f"'{name}' means nothing for a check of {check}", hint)
    expect = entry.get("expect", "equal")
    if check is Check.OUTPUT and {"phase", "error"} & entry.keys() and not expect.startswith("rejected"):
        raise source.error(key, f"nothing is refused where '{expect}' is expected", "leave out 'phase' and 'error'")
    if check is not Check.OUTPUT and "recipe" in entry:
        raise source.error([*key, "recipe"], "a recipe is verified by its output", "leave out 'check'")
    held = check not in (Check.OUTPUT, Check.INIT) or "distribution" in entry
    if held and expect != "equal":
        raise source.error([*key, "expect"], f"a check of {check} is as stated or not", "leave out 'expect'")


def swept_parameters(stated: Stated) -> dict[str, tuple[str, ...]]:
    """The sweep of a check of a signature: every stated name; if these are all, their order and that none is left."""
    if stated.signature is None:
        return {}
    named = [*(each.name for each in stated.signature.parameters), *stated.signature.lacks]
    return {PARAMETER: (*named, ORDER, OTHERS) if stated.signature.complete else tuple(named)}


def flaw(stated: Initial) -> str:
    """What is wrong with a distribution's numbers; empty if nothing is."""
    given = stated.arguments
    if any(not math.isfinite(number) for number in given):
        return "its numbers are not finite"
    if stated.kind == "uniform" and not given[0] < given[1]:
        return f"its low end {given[0]:g} is not below its high end {given[1]:g}"
    if stated.kind in ("normal", "truncated_normal") and not given[1] > 0:
        return f"its deviation {given[1]:g} is not above 0"
    if stated.kind == "truncated_normal" and not given[2] < given[3]:
        return f"its low end {given[2]:g} is not below its high end {given[3]:g}"
    return ""


def _signature(source: Source, key: Key, entry: Mapping[str, Any]) -> Signature:
    written = entry.get("parameters", entry.get("has", ()))
    if not written and "lacks" not in entry:
        raise source.error(key, "a check of a signature states nothing", "add 'parameters', 'has' or 'lacks'")
    if "parameters" in entry and "has" in entry:
        raise source.error([*key, "has"], "'parameters' names them all", "leave out 'has'")
    parameters = tuple(_argument(each) for each in written)
    named = [each.name for each in parameters] + [str(name) for name in entry.get("lacks", ())]
    twice = next((name for index, name in enumerate(named) if name in named[:index]), None)
    if twice is not None:
        place = next(part for part in ("parameters", "has", "lacks") if part in entry)
        raise source.error([*key, place], f"'{twice}' stands twice in the signature")
    return Signature(
        of=str(entry.get("of", "constructor")),
        parameters=parameters,
        complete="parameters" in entry,
        lacks=tuple(map(str, entry.get("lacks", ()))),
    )


def _argument(written: Any) -> Argument:
    if isinstance(written, Mapping):
        ((name, default),) = written.items()
        return Argument(str(name), literal(plain(default)))
    return Argument(str(written))


def _check_distribution(source: Source, key: Key, entry: Mapping[str, Any]) -> None:
    if "distribution" not in entry:
        return
    kind, *arguments = entry["distribution"]
    if str(kind).startswith("="):
        return  # known once it is computed
    if kind not in DISTRIBUTIONS:
        raise source.error([*key, 0], f"unknown distribution '{kind}'", f"expected one of {', '.join(DISTRIBUTIONS)}")
    if len(arguments) != DISTRIBUTIONS[kind]:
        raise source.error(key, f"{kind} takes {DISTRIBUTIONS[kind]} numbers", f"found {len(arguments)}")
    for index, each in enumerate(arguments, 1):
        if isinstance(each, str) and not each.startswith("="):
            raise source.error([*key, index], f"'{each}' is no number", "an expression starts with '='")
