"""What a reproducer is to show, and by which rule: read off the trial and its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.adjudicate import Setting
from harness.model import AGREEMENT, Case, Check, Claim, Expectation, Lane, Trial, Verdict

Record = Mapping[str, Any]
_ALIKE = AGREEMENT | {Verdict.REJECTED_BY_BOTH, Verdict.WEAK, Verdict.NOT_RUN}
_SIDE = {
    Verdict.REJECTED_BY_REFERENCE: "reference",
    Verdict.REJECTED_BY_SUBJECT: "subject",
    Verdict.REJECTED_BY_BOTH: "both",
}


class Shows(StrEnum):
    """What a reproducer shows; the name of the template that shows it."""

    VALUES = "values"
    SHAPES = "shapes"
    DTYPES = "dtypes"
    EQUAL = "equal"
    PRINTED = "printed"
    REFUSAL = "refusal"
    MISFIT = "misfit"
    SIGNATURE = "signature"
    STATE = "state"


@dataclass(frozen=True)
class Source:
    """The statement of a document that the trial puts to the test.

    Attributes:
        title: the document's.
        releases: those that it speaks of, by framework.
    """

    title: str
    releases: Mapping[str, str]
    claim: Claim

    def __str__(self) -> str:
        return f"'{self.title}', {self.claim.where}: {self.claim.says}"


@dataclass(frozen=True)
class Exhibit:
    """A divergence that can be shown.

    Attributes:
        trial: the smallest that shows it.
        record: its record.
        shows: what there is to see.
        setting: tensors and bounds; ``None`` where none are needed.
        sources: what the documents say of it.
        origin: the id of the trial that it was made from.
    """

    trial: Trial
    record: Record
    shows: Shows
    setting: Setting | None
    sources: tuple[Source, ...]
    origin: str

    @property
    def frameworks(self) -> tuple[str, str]:
        """Reference and subject."""
        return self.trial.reference.framework, self.trial.subject.framework

    @property
    def exact(self) -> bool:
        """Whether the tensors are integers, and any difference counts."""
        return self.setting is None or self.setting.lane is Lane.EXACT

    @property
    def tensor(self) -> str:
        """The output that is to be looked at."""
        compared = self.record["comparisons"]
        names = [each["tensor"] for each in compared if each["verdict"] == self.record["verdict"]]
        return str(names[0]).removesuffix(".shape") if names and self.shows is not Shows.REFUSAL else "output"

    @property
    def reference_is_right(self) -> bool:
        """Whether the two sides can be held against each other: the reference gives what the adjudicator does."""
        compared = [each for each in self.record["comparisons"] if each["tensor"] == self.tensor]
        return all(each["disagrees"] in (None, "subject") for each in compared)

    @property
    def differentiated(self) -> bool:
        """Whether it is a derivative that differs, or only the way back that is refused."""
        backward = self.record["error"] and self.record["error"]["phase"] == "backward"
        return self.tensor.startswith("grad.") or (self.shows is Shows.REFUSAL and bool(backward))

    @property
    def refusing(self) -> str:
        """Who refuses the call: ``reference``, ``subject`` or ``both``."""
        return _SIDE.get(Verdict(self.record["verdict"])) or str(self.record["error"]["side"])

    @property
    def elsewhere(self) -> bool:
        """Whether the document says that the call is refused, but in another way."""
        return self.shows is Shows.REFUSAL and bool(self.record["undocumented"]) and self._met

    @property
    def _met(self) -> bool:
        return Expectation(self.record["expected"]).met_by(Verdict(self.record["verdict"]))

    @property
    def sentence(self) -> str:
        """What is to be seen, in words."""
        record, (reference, subject) = self.record, self.frameworks
        if self.elsewhere or self.shows in (Shows.PRINTED, Shows.SIGNATURE, Shows.STATE):
            return _named(record["undocumented"], reference, subject)
        if self.shows is Shows.EQUAL:
            return f"both give the same, although the document says: {record['expected'].replace('_', ' ')}"
        if self.shows is Shows.MISFIT:
            return f"{reference}'s weights do not fit {subject}'s layer"
        if self.shows is Shows.REFUSAL:
            who = {"reference": reference, "subject": subject, "both": f"{reference} and {subject}"}[self.refusing]
            alone = "" if self.refusing == "both" else f", {subject if who == reference else reference} does not"
            return f"{who} {'refuse' if self.refusing == 'both' else 'refuses'} the call at {_how(record)}{alone}"
        if self.shows is Shows.DTYPES:
            return "the dtypes of the results differ"
        return _named((record["diagnosis"] or {}).get("says", f"the {self.shows} differ"), reference, subject)


def _how(record: Record) -> str:
    error = record["error"]
    return f"{error['phase']} with {error['type']}"


def _named(text: str, reference: str, subject: str) -> str:
    """A sentence about the subject and the reference, by their names."""
    return text.replace("the subject", subject).replace("the reference", reference)


def shows(case: Case, record: Record) -> Shows | None:
    """What a program can show of this; ``None`` where it can show nothing."""
    verdict = Verdict(record["verdict"])
    if case.check is not Check.OUTPUT:
        plain = {Check.SIGNATURE: Shows.SIGNATURE, Check.STATE: Shows.STATE}.get(case.check)
        return plain if record["undocumented"] else None
    if verdict in (Verdict.CRASH, Verdict.TIMEOUT, Verdict.WEAK, Verdict.NOT_RUN):
        return None
    if record["error"]:
        return Shows.MISFIT if record["error"]["type"] == "StateMismatch" else Shows.REFUSAL
    if record["undocumented"] and case.expect.met_by(verdict):
        return Shows.PRINTED
    if verdict in AGREEMENT:
        return Shows.EQUAL
    return {Verdict.VALUE: Shows.VALUES, Verdict.SHAPE: Shows.SHAPES, Verdict.DTYPE: Shows.DTYPES}[verdict]


def worth_showing(record: Record) -> bool:
    """Whether the two sides differ, or the document is wrong about them."""
    return not record["as_expected"] or Verdict(record["verdict"]) not in _ALIKE
