"""What a diagnosis is made from, and what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.model import Array

ORDINALS = {"": "", "2": "second ", "3": "third "}


@dataclass(frozen=True)
class Diagnosis:
    """A stable word for grouping, one sentence for a person, and the rows of a small picture of the difference."""

    kind: str
    says: str
    picture: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """Two arrays that differ, and what is known of them.

    Attributes:
        actual: the subject's array.
        expected: the reference's; of any shape.
        tensor: its name: ``output``, ``grad.x``, ``grad.weight``.
        subject: how a sentence calls the subject.
        reference: how a sentence calls the reference.
        truth: the adjudicator's array; ``None`` where there is none.
        unbiased: the adjudicator's array without the bias; ``None`` where there is none.
        bound: largest allowed distance of either side from the truth, per element; ``None`` or empty for zero.
    """

    actual: Array
    expected: Array
    tensor: str = "output"
    subject: str = "the subject"
    reference: str = "the reference"
    truth: Array | None = None
    unbiased: Array | None = None
    bound: Array | None = None

    @property
    def mine(self) -> str:
        """The subject's array in words: ``MindSpore's gradient of weight``."""
        return f"{self.subject}'s {called(self.tensor)}"

    @property
    def theirs(self) -> str:
        """The reference's, once the subject's has been named: ``torch's``."""
        return f"{self.reference}'s"

    @property
    def counterpart(self) -> str:
        """The reference's array in words, where the subject's has not been named: ``torch's output``."""
        return f"{self.reference}'s {called(self.tensor)}"


def called(tensor: str) -> str:
    """A tensor's name in words: ``gradient of weight`` for ``grad.weight``; any other name as it is."""
    found = re.fullmatch(r"grad(\d*)\.(.+)", tensor)
    if found is None or found[1] not in ORDINALS:
        return tensor
    return f"{ORDINALS[found[1]]}gradient of {found[2]}"
