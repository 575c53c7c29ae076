"""Parameters, order and defaults of a call, as documented, against the installed one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from harness.checks.ask import as_stated, sides
from harness.model import ORDER, OTHERS, PARAMETER, Signature, Trial, Verdict
from harness.outcome import Open, Outcome
from harness.protocol import Argument, Failure, Phase

# Where a tensor is put, in which precision and under what name is no part of what a layer computes: documents of both
# frameworks leave these out, and releases add them.
IGNORABLE = frozenset({"device", "dtype", "out", "name", "layout", "requires_grad", "pin_memory", "memory_format"})


def run(trial: Trial, open_backend: Open) -> Outcome:
    """Hold one stated parameter, the order, or the absence of others against the installed signature."""
    (asked,) = sides(trial)
    stated, side = trial.case.stated, trial.case.sides[asked.framework]
    assert isinstance(stated, Signature)
    try:
        installed = open_backend(asked.target).signature(side.steps[side.layer].call, stated.of)
    except LookupError as error:
        failure = Failure(Phase.CONSTRUCT, "LookupError", str(error.args[0]), unsupported=True)
        return Outcome(Verdict.UNSUPPORTED, failures={asked.role: failure})
    found = departure(stated, str(trial.case.values[PARAMETER]), installed)
    return as_stated(found, f"installed: ({', '.join(map(str, installed))})")


def departure(stated: Signature, name: str, installed: Sequence[Argument]) -> str:
    """How the call departs from the document in one respect; empty if it does not.

    Args:
        stated: the document's signature.
        name: the parameter in question, for whether it is there and its default; or ``order``, or ``others``.
        installed: the framework's, in order.
    """
    there = {each.name: each for each in installed}
    if name == ORDER:
        return _order(stated, installed)
    if name == OTHERS:
        more = [each for each in there if each not in {*(each.name for each in stated.parameters), *IGNORABLE}]
        return f"the installed call also takes {', '.join(more)}" if more else ""
    if name in stated.lacks:
        return f"the installed call has {there[name]}" if name in there else ""
    if name not in there:
        return f"the installed call has no {name}"
    written = next(each for each in stated.parameters if each.name == name)
    if written.default != there[name].default:
        return f"documented is {_default(written)}, installed is {_default(there[name])}"
    return ""


def _default(argument: Argument) -> str:
    return f"no default of {argument.name}" if argument.default is None else str(argument)


def _order(stated: Signature, installed: Sequence[Argument]) -> str:
    """The first place in which a call by position gives a value to another parameter than the document says."""
    named = [each.name for each in stated.parameters]
    seen = [each.name for each in installed if each.name in named or each.name not in IGNORABLE]
    for place, (documented, found) in enumerate(itertools.zip_longest(named, seen[: len(named)]), 1):
        if documented != found:
            return f"from place {place} on: documented is {documented}, installed is {found or 'none'}"
    return ""
