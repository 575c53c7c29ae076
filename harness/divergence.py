"""What a divergence is recognised by: trials with the same signature are one finding, not many. A pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.model import AGREEMENT, Verdict


@dataclass(frozen=True, order=True)
class Signature:
    """What trials of one class have in common, whatever their parameters.

    Attributes:
        layer: the case file's.
        verdict: the trial's; ``equal`` where a document says that the two differ, and they do not.
        tensor: the first tensor that differs, as in ``output`` or ``grad.weight``; empty where nothing was compared.
        looks: the diagnosis' kind, or side, phase and class of the error.
    """

    layer: str
    verdict: str
    tensor: str
    looks: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.layer, self.verdict, self.tensor, self.looks)))


def signature(record: Mapping[str, Any]) -> Signature:
    """The signature of a trial's record."""
    verdict, error, diagnosis = Verdict(record["verdict"]), record["error"], record["diagnosis"]
    tensor = next((_name(each) for each in record["comparisons"] if each["verdict"] == verdict), "")
    if verdict in AGREEMENT:
        return Signature(record["layer"], "equal", "", "undocumented" if record["undocumented"] else "")
    if error:
        return Signature(record["layer"], verdict, "", f"{error['side']} {error['phase']} {error['type']}")
    return Signature(record["layer"], verdict, tensor, diagnosis["kind"] if diagnosis else "")


def _name(comparison: Mapping[str, Any]) -> str:
    against = comparison.get("against")
    return f"{comparison['tensor']} against {against}" if against else str(comparison["tensor"])
