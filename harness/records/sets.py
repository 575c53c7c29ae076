"""What keeps several results files from being one whole: shards that are missing, here twice, or of another run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.records.line import Record
from harness.records.reader import Run, number_of_trials

_ONE_OUT = "leave one of the two out"
_ALIKE = "run the one again as the other was"
_MOST_NAMES = 10


@dataclass
class Overlap:
    """Trials that two files have in common, and those of them that went another way."""

    path: str
    first: str
    trials: list[str] = field(default_factory=list)
    otherwise: list[str] = field(default_factory=list)

    def add(self, here: Record, there: Record) -> None:
        """Note one trial, by its records in both files."""
        self.trials.append(here["trial"])
        if here["verdict"] != there["verdict"]:
            self.otherwise.append(f"{here['trial']}: {here['verdict']} here, {there['verdict']} there")

    @property
    def says(self) -> str:
        """The trials in words."""
        count = number_of_trials(len(self.trials))
        return f"{count} recorded in {self.first} as well, the first is {self.trials[0]}{self.also}"

    @property
    def also(self) -> str:
        """How many went another way; empty if none did."""
        count = len(self.otherwise)
        words = "1 trial has" if count == 1 else f"{count:,} trials have"
        return f"; {words} another verdict, the first is {self.otherwise[0]}" if count else ""


@dataclass(frozen=True, eq=False)
class _Shard:
    """A run as a part of a plan."""

    number: str
    total: str
    run: Run

    @property
    def path(self) -> str:
        return self.run.path

    @property
    def targets(self) -> Mapping[str, Any]:
        """Reference and subjects; the header tells of the adjudicator too, if it was asked early enough."""
        header = self.run.header
        told: Mapping[str, Any] = header.get("targets", {})
        return (
            {name: told.get(name, {}) for name in (header["reference"], *header["subjects"])}
            if "subjects" in header
            else told
        )

    @property
    def ways(self) -> dict[str, str]:
        """What all shards of one plan are run with, as far as it is known: a target that no trial came to is not."""
        versions = {name: str(target["version"]) for name, target in self.targets.items() if target.get("version")}
        isas = {f"{name}'s isa": str(target["isa"]) for name, target in self.targets.items() if target.get("isa")}
        ways = {name: str(self.run.header.get(name)) for name in ("tier", "selected")}
        return {**ways, **versions, **isas} if self.run.trials else ways

    def fits(self, other: _Shard) -> bool:
        """Whether nothing speaks against that both are of one plan."""
        here, there = self.ways, other.ways
        alike = self.total == other.total and self.targets.keys() == other.targets.keys()
        return alike and all(there.get(name, way) == way for name, way in here.items())

    @property
    def words(self) -> str:
        return "the same run" if self.total == "1" else f"shard {self.number} of {self.total}"


_Group = list[_Shard]


def problems(runs: Sequence[Run], overlaps: Iterable[Overlap]) -> list[str]:
    """All that is wrong with these runs as a set, each in a line: the file, what it is, what to do."""
    groups = _groups(runs)
    both = {(each.path, each.first): each for each in overlaps}
    twice = {(shard.path, first.path): shard for group in groups for shard, first in _twice(group)}
    found = [
        f"{path}: {shard.words} is in {first} too{both[path, first].also if (path, first) in both else ''}; {_ONE_OUT}."
        for (path, first), shard in twice.items()
    ]
    found += [f"{each.path}: {each.says}; {_ONE_OUT}." for pair, each in both.items() if pair not in twice]
    found += [*_gaps(groups), *_other_files(runs), *_lacking_files(groups), *_other_harness(runs)]
    if not found and not any(run.trials or run.problems for run in runs):
        found.append(f"{runs[0].path}: no trial was selected, here or in another file; look at what was selected.")
    return found


def _groups(runs: Sequence[Run]) -> list[_Group]:
    """The shards that were run alike, in the order of the files."""
    shards = [_Shard(*str(run.header.get("shard", "1/1")).partition("/")[::2], run) for run in runs]
    groups: list[_Group] = []
    # First those of which the most is known, so that the others find them.
    for shard in sorted(shards, key=lambda shard: -len(shard.ways)):
        group = next((group for group in groups if group[0].fits(shard)), [])
        groups += [] if group else [group]
        group.append(shard)
    return sorted((sorted(group, key=shards.index) for group in groups), key=lambda group: shards.index(group[0]))


def _twice(group: _Group) -> Iterator[tuple[_Shard, _Shard]]:
    """Shards that were met before, and where."""
    first: dict[str, _Shard] = {}
    for shard in group:
        before = first.setdefault(shard.number, shard)
        # Two runs that are no shards may be two parts of the case files.
        same_plan = shard.run.header.get("plan") == before.run.header.get("plan")
        if before is not shard and (same_plan or shard.total != "1"):
            yield shard, before


# -- shards that are not here ----------------------------------------------------------------------------------------


def _gaps(groups: Iterable[_Group]) -> Iterator[str]:
    """Missing shards, and shards of another run that stand where one is missing."""
    rivals: dict[tuple[str, frozenset[str]], list[_Group]] = defaultdict(list)
    for group in groups:
        rivals[group[0].total, frozenset(group[0].targets)].append(group)
    for left in rivals.values():
        left.sort(key=lambda group: (-len(group), group[0].path))
        while left:
            group = left.pop(0)
            missing = _missing(group)
            for stray in [each for each in left if missing.issuperset(int(shard.number) for shard in each)]:
                like = max(group, key=lambda shard: len(shard.ways))
                yield from (_stray(shard, like) for shard in stray)
                missing -= {int(shard.number) for shard in stray}
                left.remove(stray)
            if missing:
                here = f"{len({shard.number for shard in group})} of {group[0].total} shards"
                yield f"{group[0].path}: {here}; missing: {_named(missing)}; run and name what is missing."


def _missing(group: _Group) -> set[int]:
    total = group[0].total
    if not (total.isdecimal() and all(shard.number.isdecimal() for shard in group)):
        return set()
    return set(range(1, int(total) + 1)) - {int(shard.number) for shard in group}


def _stray(shard: _Shard, like: _Shard) -> str:
    here, there = shard.ways, like.ways
    differing = [
        f"{name} is {here[name]}, there {there[name]}" for name in here if there.get(name, here[name]) != here[name]
    ]
    return f"{shard.path}: {shard.words} is of another run than {like.path}: {'; '.join(differing)}; {_ALIKE}."


def _named(names: Iterable[Any]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(map(str, listed[:_MOST_NAMES])) + more


# -- what runs have to have in common, whatever their targets --------------------------------------------------------


def _other_files(runs: Sequence[Run]) -> Iterator[str]:
    """Case files that are not the same in all runs."""
    files = [(run.path, run.header.get("case_files", {})) for run in runs]
    usual = {
        name: _usual((path, contents[name]) for path, contents in files if name in contents)
        for name in sorted({name for _, contents in files for name in contents})
    }
    for path, contents in files:
        differing: dict[str, list[str]] = defaultdict(list)
        for name, content in contents.items():
            if content != usual[name][1]:
                differing[usual[name][0]].append(name)
        for other, names in differing.items():
            yield f"{path}: made from another content of {_named(names)} than {other}; {_ALIKE}."


def _usual(found: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """What most have, and the path of the first that has it: of fifty shards, one is named and not the others."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for path, content in found:
        first.setdefault(content, path)
        counts[content] += 1
    [(content, _)] = counts.most_common(1)
    return first[content], content


def _lacking_files(groups: Iterable[_Group]) -> Iterator[str]:
    """Case files that some shards of a plan were made from, and others were not."""
    for group in groups:
        files = [set(shard.run.header.get("case_files", {})) for shard in group]
        everything = set().union(*files)
        for shard, here in zip(group, files, strict=True):
            # Runs that are no shards may well be of different files, and older headers name none.
            if here and here != everything and shard.total != "1":
                yield f"{shard.path}: made without {_named(everything - here)}, which other shards have; {_ALIKE}."


def _other_harness(runs: Sequence[Run]) -> Iterator[str]:
    """Runs that another version of the harness has judged."""
    versions = [(run.path, str(run.header["harness"])) for run in runs if "harness" in run.header]
    if versions:
        other, usual = _usual(versions)
        for path, version in versions:
            if version != usual:
                yield f"{path}: judged by harness {version}, and {other} by {usual}; {_ALIKE}."
