"""What a divergence is recognised by: trials with the same signature are one finding, not many. A pure function."""

from __future__ import annotations

from collections.abc import Mapping
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
