"""What a divergence is recognised by: trials with the same signature are one finding, not many. Pure functions.

Results that were read carry what these functions work out, under the functions' own names; a record that was just made
does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.model import AGREEMENT, Check, Verdict

# The statuses of trials that make a run fail, what a person has to act on first in front; see harness.known.Status.
RED = ("new", "changed", "unexpected_pass")
KNOWN = "known"


@dataclass(frozen=True, order=True)
class Signature:
    """What trials of one class have in common, whatever their parameters.

    Attributes:
        layer: the case file's.
        verdict: the trial's; ``equal`` where a document says that the two differ, and they do not.
        tensor: the first tensor that differs, as in ``output`` or ``grad.weight``; empty where nothing was compared.
        looks: the diagnosis' kind, or side, phase and class of the error; what was checked, where that is no output.
    """

    layer: str
    verdict: str
    tensor: str
    looks: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.layer, self.verdict, self.tensor, self.looks)))


def signature(record: Mapping[str, Any]) -> Signature:
    """The signature of a trial's record."""
    found: Signature | None = record.get("signature")
    return found or _signature(record)


def kind(record: Mapping[str, Any]) -> str | None:
    """The kind of the trial's diagnosis; ``None`` where it has none."""
    found: str | None = record["kind"] if "kind" in record else (record.get("diagnosis") or {}).get("kind")
    return found


def elements(record: Mapping[str, Any]) -> int:
    """How many elements the largest of the trial's tensors has."""
    if "elements" in record:
        return int(record["elements"])
    return max((int(each.get("size") or 0) for each in record["comparisons"]), default=0)


def largest_difference(record: Mapping[str, Any]) -> float | None:
    """The largest difference over the trial's comparisons of both sides; NaN outweighs any number."""
    if "largest_difference" in record:
        found: float | None = record["largest_difference"]
        return found
    return largest(each.get("max_abs") for each in record["comparisons"] if not each.get("against"))


def largest(numbers: Iterable[Any]) -> float | None:
    """The largest of the numbers that are there, some of them spelt out; NaN outweighs any other."""
    found = [float(number) for number in numbers if number is not None]
    return max(found, key=lambda number: (math.isnan(number), number), default=None)


def _signature(record: Mapping[str, Any]) -> Signature:
    verdict, error, diagnosis = Verdict(record["verdict"]), record.get("error"), record.get("diagnosis")
    checked = record.get("check", Check.OUTPUT)
    other = "" if checked == Check.OUTPUT else str(checked)
    if verdict in AGREEMENT:
        return Signature(record["layer"], "equal", "", other or ("undocumented" if record.get("undocumented") else ""))
    tensor = next((_name(each) for each in record["comparisons"] if each["verdict"] == verdict), "")
    if error and not tensor:
        # A crash has neither side nor phase.
        looks = " ".join(filter(None, (other, *(error.get(part) for part in ("side", "phase", "type")))))
        return Signature(record["layer"], verdict, "", looks)
    return Signature(record["layer"], verdict, tensor, diagnosis["kind"] if diagnosis else other)


def _name(comparison: Mapping[str, Any]) -> str:
    against = comparison.get("against")
    return f"{comparison['tensor']} against {against}" if against else str(comparison["tensor"])


def departs(record: Mapping[str, Any]) -> bool:
    """Whether the trial does not go as its document says, or not as ``known.yaml`` says; known or not.

    A trial that proved nothing, or that was not run, says nothing of either.
    """
    return record["status"] in (*RED, KNOWN) and Verdict(record["verdict"]).rated
