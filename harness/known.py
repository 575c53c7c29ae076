"""Accepted divergences, strict both ways: one that vanishes or changes is as red as a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from harness.backends import targets
from harness.casefile.expressions import Expression, ExpressionError, plain
from harness.casefile.source import Source, read
from harness.errors import HarnessError, did_you_mean
from harness.isa import ISAS
from harness.model import AGREEMENT, Target, Verdict

ANYTHING = Expression("True")


class Status(StrEnum):
    """How a trial stands to its case file and to ``known.yaml``; all but the first two and the last are red."""

    AS_EXPECTED = "as_expected"
    KNOWN = "known"
    NEW = "new"
    CHANGED = "changed"
    VANISHED = "unexpected_pass"
    NOT_RUN = "not_run"

    @property
    def red(self) -> bool:
        """Whether a run with such a trial fails."""
        return self in (Status.NEW, Status.CHANGED, Status.VANISHED)


@dataclass(frozen=True)
class Sides:
    """The two targets of a trial, and what took effect there.

    Attributes:
        versions: by framework.
        isas: by framework, the instruction set that its kernels took, a word of :data:`harness.isa.ISAS` as a rule.

    Of one framework that is held against itself, both are the subject's.
    """

    reference: Target
    subject: Target
    versions: Mapping[str, str | None]
    isas: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """One accepted divergence: its scope, its signature, and why it is accepted."""

    id: str
    layer: str
    families: tuple[str, ...]
    verdicts: frozenset[Verdict]
    reason: str
    when: Expression = ANYTHING
    subjects: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    versions: Mapping[str, SpecifierSet] = field(default_factory=dict)
    isas: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    diagnosis: tuple[str, ...] = ()
    error: str = ""
    link: str = ""

    def covers(self, record: Mapping[str, Any], sides: Sides) -> bool:
        """Whether the trial is in this divergence's scope; its result plays no part."""
        return (
            record["layer"] == self.layer
            and record["family"] in self.families
            and (not self.dtypes or record["dtype"] in self.dtypes)
            and self.applies(sides)
            and self._holds(record["values"])
        )

    def _holds(self, values: Mapping[str, Any]) -> bool:
        try:
            # Records hold lists where cases have tuples.
            return bool(self.when({name: plain(value) for name, value in values.items()}))
        except ExpressionError as error:
            raise HarnessError(f"the known divergence '{self.id}': {error.problem} ({error.hint})") from None

    def applies(self, sides: Sides) -> bool:
        """Whether a run of these two could have met this divergence.

        What is accepted between two frameworks says nothing of one that is held against itself.
        """
        itself = sides.reference.framework == sides.subject.framework
        against = _is_one_of(sides.reference, self.references) if self.references else not itself
        return (
            against
            and (not self.subjects or _is_one_of(sides.subject, self.subjects))
            and all(_within(ranges, sides.versions.get(name)) for name, ranges in self.versions.items())
            and all(sides.isas.get(name) in accepted for name, accepted in self.isas.items())
        )

    def departure(self, record: Mapping[str, Any]) -> str:
        """How the trial's result departs from the accepted signature; empty if it does not."""
        kind = (record["diagnosis"] or {}).get("kind")
        error = (record["error"] or {}).get("type")
        if record["verdict"] not in self.verdicts:
            return f"its verdict is {record['verdict']}, accepted is {' or '.join(sorted(self.verdicts))}"
        if self.diagnosis and kind not in self.diagnosis:
            return f"its diagnosis is {kind}, accepted is {' or '.join(self.diagnosis)}"
        if self.error and error != self.error:
            return f"it fails with {error}, accepted is {self.error}"
        return ""


def _is_one_of(target: Target, kinds: Sequence[str]) -> bool:
    """Whether one of these names the target; one that names no instruction set means all of them."""
    return target.kind in kinds or target.plain_kind in kinds


def _within(ranges: SpecifierSet, version: str | None) -> bool:
    return version is not None and ranges.contains(version.partition("+")[0], prereleases=True)


def judge(record: Mapping[str, Any], known: Iterable[Known], sides: Sides) -> tuple[Status, Known | None, str]:
    """The trial's status, the accepted divergence that covers it, and what is wrong in words if it is red."""
    if record["verdict"] == Verdict.NOT_RUN:
        return Status.NOT_RUN, None, ""
    entry = next((each for each in known if each.covers(record, sides)), None)
    if entry is None:
        return (Status.AS_EXPECTED, None, "") if record["as_expected"] else (Status.NEW, None, "")
    if record["as_expected"]:
        remedy = "narrow or remove its entry"
        return Status.VANISHED, entry, f"the known divergence '{entry.id}' has vanished here: {remedy}"
    departure = entry.departure(record)
    if departure:
        return Status.CHANGED, entry, f"the known divergence '{entry.id}' has changed: {departure}"
    return Status.KNOWN, entry, ""


def load(path: Path, families: Mapping[str, Mapping[str, Iterable[str]]], *, whole: bool = True) -> tuple[Known, ...]:
    """Read ``known.yaml``; a missing file accepts nothing.

    Args:
        path: the file.
        families: for each layer and family the names that its conditions may use.
        whole: whether these are all layers there are; if not, entries of others are left out, unchecked.

    Raises:
        CaseFileError: anything that the file says wrong, a layer or family that does not exist among it.
    """
    if not path.exists():
        return ()
    source = read(path, "known")
    written = source.data["known"]
    judged = [index for index, entry in enumerate(written) if whole or str(entry["layer"]) in families]
    entries = tuple(_entry(source, index, families) for index in judged)
    for index, entry in enumerate(entries):
        if entry.id in {each.id for each in entries[:index]}:
            raise source.error(["known", index, "id"], f"the id '{entry.id}' stands twice")
    return entries


def _entry(source: Source, index: int, families: Mapping[str, Mapping[str, Iterable[str]]]) -> Known:
    key: list[str | int] = ["known", index]
    entry = source.data["known"][index]
    layer = str(entry["layer"])
    if layer not in families:
        raise source.error([*key, "layer"], f"no case file for the layer '{layer}'", did_you_mean(layer, families))
    for place, family in enumerate(entry["families"]):
        if family not in families[layer]:
            hint = did_you_mean(family, families[layer])
            raise source.error([*key, "families", place], f"'{layer}' has no family '{family}'", hint)
    for name in ("subjects", "references"):
        for place, target in enumerate(entry.get(name, ())):
            try:
                targets.spelled(str(target))
            except HarnessError as error:
                raise source.error([*key, name, place], str(error)) from None
    return Known(
        id=str(entry["id"]),
        layer=layer,
        families=tuple(map(str, entry["families"])),
        # 'equal' where a document says that the two differ, and they do not.
        verdicts=AGREEMENT if entry["verdict"] == "equal" else frozenset({Verdict(entry["verdict"])}),
        reason=" ".join(str(entry["reason"]).split()),
        when=_condition(source, key, entry, families[layer]),
        subjects=tuple(map(str, entry.get("subjects", ()))),
        references=tuple(map(str, entry.get("references", ()))),
        dtypes=tuple(map(str, entry.get("dtypes", ()))),
        versions=_versions(source, key, entry.get("versions", {})),
        isas=_isas(source, key, entry.get("isa", {})),
        diagnosis=tuple(map(str, entry.get("diagnosis", ()))),
        error=str(entry.get("error", "")),
        link=str(entry.get("link", "")),
    )


def _condition(
    source: Source, key: Sequence[str | int], entry: Mapping[str, Any], families: Mapping[str, Iterable[str]]
) -> Expression:
    if "when" not in entry:
        return ANYTHING
    try:
        condition = Expression(str(entry["when"]).lstrip("= "))
        for family in entry["families"]:
            condition.check(families[family])
    except ExpressionError as error:
        raise source.error([*key, "when"], error.problem, error.hint) from None
    return condition


def _versions(source: Source, key: Sequence[str | int], entry: Mapping[str, Any]) -> dict[str, SpecifierSet]:
    ranges = {}
    for name, text in entry.items():
        try:
            ranges[str(name)] = SpecifierSet(str(text))
        except InvalidSpecifier:
            hint = "as in '>=2.10,<2.11'"
            raise source.error([*key, "versions", name], f"'{text}' is no version range", hint) from None
    return ranges


def _isas(source: Source, key: Sequence[str | int], entry: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    for name, words in entry.items():
        if name not in targets.frameworks():
            raise source.error([*key, "isa", name], "no such framework", did_you_mean(name, targets.frameworks()))
        for place, word in enumerate(words):
            if word not in ISAS:
                raise source.error([*key, "isa", name, place], "no such instruction set", did_you_mean(word, ISAS))
    return {str(name): tuple(map(str, words)) for name, words in entry.items()}
