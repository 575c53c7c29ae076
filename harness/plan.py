"""The plan of a run: which trials, of which case files, against which targets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness import casefile, known
from harness.backends import targets
from harness.casefile import CaseFile, Family, word
from harness.errors import CaseFileError, HarnessError
from harness.model import Case, Check, Lane, Target, Tier, Trial

CASES_FOLDER = "cases"
KNOWN_FILE = "known.yaml"
# Of the covering cases one in so many is repeated, fewer of those in another mode, which have to be compiled anew.
OFTEN, SELDOM = 3, 8


@dataclass(frozen=True)
class Shard:
    """The slice of the plan that one runner takes: ``index`` of ``count``, counted from one."""

    index: int = 1
    count: int = 1

    def takes(self, case: Case) -> bool:
        """By a hash of the case's id, so that a case stays where it is when others are added."""
        digest = hashlib.sha256(case.id.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str) -> Shard:
    """``I/N`` with 1 <= I <= N. Raises HarnessError for anything else."""
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise HarnessError(f"shard '{text}': expected I/N with 1 <= I <= N, as in 2/8")
    return Shard(int(index), int(count))


@dataclass(frozen=True)
class Selection:
    """What narrows a plan besides the choice of files."""

    reference: Target
    subjects: tuple[Target, ...]
    tier: Tier = Tier.DEFAULT
    shard: Shard = Shard()
    lanes: tuple[Lane, ...] = tuple(Lane)

    @property
    def every_lane(self) -> bool:
        """Whether no lane is left out."""
        return set(self.lanes) == set(Lane)


def load_case_file(path: Path) -> CaseFile:
    """One case file, expanded, with every framework that has an adapter allowed as a side; read once a process."""
    return _load_once(path, path.stat().st_mtime_ns if path.exists() else 0, expand=True)


def read_case_file(path: Path) -> CaseFile:
    """One case file whose families are not expanded, for who needs a few of its cases; read once a process."""
    return _load_once(path, path.stat().st_mtime_ns, expand=False)


@lru_cache
def _load_once(path: Path, _changed: int, *, expand: bool) -> CaseFile:
    sides = {name: targets.ways(name) for name in targets.frameworks() if name != "numpy"}
    return casefile.load(path, sides, expand=expand)


def load_known(files: Sequence[CaseFile]) -> tuple[known.Known, ...]:
    """The accepted divergences beside the case files."""
    directories = sorted({file.path.parent for file in files})
    return tuple(entry for directory in directories for entry in known_in(directory, files))


def known_in(directory: Path, files: Sequence[CaseFile]) -> tuple[known.Known, ...]:
    """The accepted divergences of one folder; its case files that are not among these are read too."""
    families: dict[str, dict[str, list[str]]] = {}
    unread, broken = _unread(directory, files)
    for file in [*files, *unread]:
        if file.path.parent == directory:
            names = {family.name: [*family.fixed, *family.sweep] for family in file.families}
            families.setdefault(file.layer, {}).update(names)
    return known.load(directory / KNOWN_FILE, families, whole=not broken)


def _unread(directory: Path, files: Sequence[CaseFile]) -> tuple[list[CaseFile], bool]:
    """The case files of the folder that are not among these, and whether some could not be read."""
    # known.yaml may name layers of files that this run leaves out; their names suffice, and expansion takes longest.
    read = {file.path for file in files}
    found, broken = [], False
    for path in case_paths(directory):
        try:
            found += [] if path in read else [read_case_file(path)]
        except CaseFileError:
            broken = True  # an error of its own where it is run, and no fault of the files that are
    return found, broken


def case_paths(directory: Path) -> list[Path]:
    """The case files of a folder, sorted."""
    return sorted(path for path in directory.glob("*.yaml") if path.name != KNOWN_FILE)


def trials(family: Family, selection: Selection) -> Iterator[Trial]:
    """The trials of one family, in a stable order; none if its tier or none of its lanes is selected."""
    if not selection.tier.holds(family.tier) or not set(selection.lanes) & set(family.lanes):
        return
    covering = {case.id for case in _covering(family.cases())}
    for case in family.cases():
        if selection.shard.takes(case):
            for dtype in family.dtypes:
                for subject in selection.subjects:
                    covers = case.id in covering
                    if _taken(family, dtype, subject, selection.tier, covers) and _asked(family, selection, subject):
                        again = covers and _repeated(family, case, subject)
                        yield Trial.of(case, dtype, selection.reference, subject, again)


def _asked(family: Family, selection: Selection, subject: Target) -> bool:
    """Whether these two have anything to show: a framework against itself has no document, but for what it computes."""
    return family.stated.check is Check.OUTPUT or selection.reference.framework != subject.framework


def _taken(family: Family, dtype: str, subject: Target, tier: Tier, covering: bool) -> bool:
    """Whether a variant of a case is run: all of the first dtype in the plain mode, a part of the others."""
    variations = (dtype != family.dtypes[0]) + bool(subject.mode)
    if not variations:
        return True
    # A check asks for no output, and what only the fullest tier has is about sizes: neither depends on dtype or mode.
    if family.stated.check is not Check.OUTPUT or family.tier is Tier.FULL:
        return False
    return tier is Tier.FULL or (covering and variations == 1)


def _repeated(family: Family, case: Case, subject: Target) -> bool:
    """Whether a covering case is run twice: not the large sizes, and only some of the others."""
    worth_it = case.check is Check.OUTPUT and family.tier is not Tier.FULL
    return worth_it and _one_in(case, SELDOM if subject.mode else OFTEN)


def _one_in(case: Case, count: int) -> bool:
    """Whether the case is one of so many, by a hash of its id."""
    return hashlib.sha256(f"{case.id}|one".encode()).digest()[0] % count == 0


def _covering(cases: Iterable[Case]) -> Iterator[Case]:
    """Cases that have every swept value of their family among them, in an order by hash, which mixes the values."""
    seen: set[tuple[str, str]] = set()
    for case in sorted(cases, key=lambda case: hashlib.sha256(case.id.encode()).digest()):
        values = {(name, word(case.values[name])) for name in case.swept}
        if not seen or values - seen:
            yield case
        seen |= values


def item_name(trial: Trial) -> str:
    """The trial's id without file and family."""
    return trial.id.split("/", 2)[2]


def check_sides(file: CaseFile, selection: Selection) -> None:
    """Raise HarnessError if the file says nothing of a selected target's framework."""
    for target in (selection.reference, *selection.subjects):
        for family in file.families[:1]:
            if target.framework not in family.sides:
                raise HarnessError(f"{file.path}: no side '{target.framework}', which {target} needs")


def plan_hash(trial_ids: Iterable[str]) -> str:
    """A hash of what was planned, independent of the order."""
    return hashlib.sha256("\n".join(sorted(trial_ids)).encode()).hexdigest()


def documents_of(files: Sequence[CaseFile]) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Title and releases of each document, by layer and id."""
    return {
        file.layer: {
            id: {"title": each.title, "language": each.language, "mindspore": each.mindspore, "torch": each.torch}
            for id, each in file.documents.items()
        }
        for file in files
    }
