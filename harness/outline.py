"""What the controlling process knows of a run's plan: workers collect it, and tell only the names of the trials."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import plan
from harness.casefile import CaseFile, Family
from harness.errors import CaseFileError, HarnessError
from harness.model import Trial
from harness.session import Session
from harness.trial_record import Origin


class Outline:
    """The planned trials of a run, by pytest's node ids, and the case files that they come from."""

    def __init__(self, root: Path, session: Session, asked: Iterable[Path] = ()) -> None:
        """Nothing is planned yet; the user asked for the case files at these paths."""
        self.root, self.session, self._asked = root, session, tuple(asked)
        self.planned: tuple[str, ...] = ()
        self._trials: dict[str, tuple[Trial, Origin]] | None = None

    def plan(self, nodeids: Iterable[str]) -> None:
        """Take the plan from the first who has collected one; other tests of the same run are no trials."""
        self.planned = self.planned or tuple(nodeid for nodeid in nodeids if _file_of(nodeid))

    @property
    def files(self) -> list[CaseFile]:
        """The case files of the planned trials; in a run with workers this process has collected none of them.

        Of a shard all that were asked for: that none of a file's trials fell to it makes no other plan of it.
        """
        learned = {file.path: file for file in self.session.files}
        planned = {self.root / _file_of(nodeid) for nodeid in self.planned}
        paths = sorted(planned | self._asked_for) if self.session.selection.shard.count > 1 else sorted(planned)
        for path in paths:
            if path not in learned:
                try:
                    learned[path] = plan.load_case_file(path)
                except CaseFileError:
                    if path in planned:
                        raise
                    continue  # pytest has said so, and went on as it was told to
                self.session.learn(learned[path])
        return [learned[path] for path in paths if path in learned]

    @property
    def _asked_for(self) -> set[Path]:
        """The case files at the paths that were given, spelt as those of planned trials are."""
        found = {
            file
            for path in self._asked
            for folder in (path, path / plan.CASES_FOLDER)
            for file in plan.case_paths(folder)
        }
        found |= {path for path in self._asked if path.suffix == ".yaml" and path.name != plan.KNOWN_FILE}
        held = (file for file in found if file.parent.name == plan.CASES_FOLDER)
        return {self.root / os.path.relpath(file, self.root) for file in held}

    @property
    def whole(self) -> bool:
        """Whether nothing of the folders' case files was left out, but for tier and shard."""
        files = self.files
        read, folders = {file.path for file in files}, {file.path.parent for file in files}
        if not self.session.selection.every_lane or sum(map(self._count, files)) != len(self.planned):
            return False
        unread = (path for folder in folders for path in plan.case_paths(folder) if path not in read)
        try:
            # A file of which the tier or the shard takes nothing is not left out.
            return not any(self._count(plan.read_case_file(path)) for path in unread)
        except HarnessError:
            return False

    def _count(self, file: CaseFile) -> int:
        return sum(1 for family in file.families for _ in self._trials_of(family))

    def trial(self, nodeid: str) -> tuple[Trial, Origin] | None:
        """The trial with this node id; asked for one that took its worker along."""
        if self._trials is None:
            self._trials = {
                f"{path}::{family.name}::{plan.item_name(trial)}": (trial, Origin(path, family.tier))
                for file in self.files
                for path in [file.path.relative_to(self.root).as_posix()]
                for family in file.families
                for trial in self._trials_of(family)
            }
        return self._trials.get(nodeid)

    @property
    def expected(self) -> dict[str, list[str]]:
        """The accepted divergences that a run of the whole plan should meet: their ids, and on which subjects."""
        reference, subjects = self.session.selection.reference, self.session.selection.subjects
        run = {(file.layer, family.name) for file in self.files for family in self._taken(file)}
        met = {str(each): self.session.sides(str(reference), str(each)) for each in subjects}
        scopes = {
            entry.id: [name for name, sides in met.items() if entry.applies(sides)]
            for entry in self.session.known
            if any((entry.layer, family) in run for family in entry.families)
        }
        return {id_: on for id_, on in scopes.items() if on}

    def describe(self, narrowed: str) -> dict[str, Any]:
        """The plan's part of the header, with how the user narrowed it, if it is not whole."""
        selection, files = self.session.selection, self.files
        return {
            "plan": plan.plan_hash(_trial_id(nodeid) for nodeid in self.planned),
            "planned": len(self.planned),
            "case_files": self._contents(),
            "selected": "all" if self.whole else narrowed or "part",
            "known": self.expected,
            "shard": str(selection.shard),
            "tier": str(selection.tier),
            "reference": str(selection.reference),
            "subjects": [str(target) for target in selection.subjects],
            "coverage": [_coverage(family) for file in files for family in self._taken(file)],
            "claims": [
                {"id": each.id, "layer": each.layer, "document": each.document, "where": each.where, "says": each.says}
                for file in files
                for each in file.claims
            ],
            "unchecked": [{"layer": file.layer, **asdict(each)} for file in files for each in file.unchecked],
            "documents": plan.documents_of(files),
        }

    def _contents(self) -> dict[str, str]:
        """A hash of each file that the plan was made from, by its name; whatever ends its lines."""
        files = {file.path for file in self.files}
        known = {path.parent / plan.KNOWN_FILE for path in files}
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_text("utf-8").encode()).hexdigest()[:16]
            for path in sorted(files | {path for path in known if path.exists()})
        }

    def _taken(self, file: CaseFile) -> list[Family]:
        return [family for family in file.families if self.session.selection.tier.holds(family.tier)]

    def _trials_of(self, family: Family) -> Iterable[Trial]:
        return plan.trials(family, self.session.selection)


def _file_of(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    return path if path.endswith(".yaml") else ""


def _trial_id(nodeid: str) -> str:
    path, *names = nodeid.split("::")
    return "/".join([Path(path).stem, *names])


def _coverage(family: Family) -> dict[str, Any]:
    reached = family.coverage
    return {
        "layer": family.layer,
        "family": family.name,
        "combinations": reached.rows,
        "product": reached.product,
        "excluded": family.excluded,
        "strength": reached.strength,
        "coverage": reached.share,
    }
