"""The classes of divergences as the pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.classes import DivergenceClass
from harness.report.groups import Group, anchor, web_address
from harness.report.picture import Picture, picture


@dataclass(frozen=True)
class ClassRow:
    """A class of divergences, and what the page shows beside it.

    Attributes:
        anchor: its place on the page.
        group: where its smallest trial is shown in full.
        reason: of the entry of ``known.yaml`` that accepts it; ``link`` too.
    """

    found: DivergenceClass
    anchor: str
    group: str
    reason: str
    link: str
    picture: Picture | None


def class_rows(found: Sequence[DivergenceClass], groups: Sequence[Group]) -> tuple[ClassRow, ...]:
    """A row for each class, in their order."""
    shown = {trial: group.anchor for group in groups for trial in group.trials}
    taken = {group.anchor for group in groups}
    rows = []
    for each in found:
        known = each.example["known"] or {}
        reason, link = str(known.get("reason", "")), web_address(known.get("link", ""))
        place = anchor(("class", each.id), taken)
        rows.append(ClassRow(each, place, shown.get(each.trials[0], ""), reason, link, picture(each.example)))
    return tuple(rows)
