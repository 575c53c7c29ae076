"""From a trial's id, as a run prints it, to the trial: by the case files alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from harness import plan
from harness.backends import targets
from harness.casefile import CaseFile, Family
from harness.errors import HarnessError, did_you_mean
from harness.model import Target, Tier, Trial

EXAMPLE = "conv2d/same-odd/k=2,d=1,g=1,bias=true,h=9,w=12,float32,mindspore@cpu"
USUAL = Target("torch", "cpu")
_PARTS = 2  # dtype and subject, at an id's end


@dataclass(frozen=True)
class Found:
    """A trial, where it stands, and the instruction set of the process that it is run in."""

    trial: Trial
    family: Family
    file: CaseFile
    isa: str


def find(given: str, folder: Path, reference: str | None) -> Found:
    """The trial of this id.

    Args:
        given: as in a record, or as pytest names its item.
        folder: where the case files are.
        reference: the name of the target that the trial is compared against; if none, torch on the CPU, in the process
            of the subject.

    Raises:
        HarnessError: there is no such trial; with what may have been meant.
    """
    id_ = plain_id(given)
    stem, _, rest = id_.partition("/")
    name, _, values = rest.partition("/")
    if not (stem and name and values.count(",") >= _PARTS):
        raise HarnessError(f"'{given}': expected a trial's id, as in {EXAMPLE}")
    paths = {path.stem: path for path in plan.case_paths(folder)}
    if stem not in paths:
        raise HarnessError(f"'{given}': no case file {folder / stem}.yaml ({did_you_mean(stem, paths)})")
    file = plan.read_case_file(paths[stem])
    families = {family.name: family for family in file.families}
    if name not in families:
        raise HarnessError(f"'{given}': '{stem}' has no family '{name}' ({did_you_mean(name, families)})")
    named = targets.parse(id_.rpartition(",")[2])
    usual = USUAL if named.framework == USUAL.framework else replace(USUAL, isa=named.isa)
    isa, (against, subject) = targets.together([reference or str(usual), str(named)])
    selection = plan.Selection(against, (subject,), Tier.FULL)
    return Found(_trial(given, id_, families[name], selection), families[name], file, isa)


def plain_id(given: str) -> str:
    """``conv2d/same/k=3`` for ``cases/conv2d.yaml::same::k=3``."""
    return re.sub(r"^(?:.*/)?([^/]+)\.yaml::([^:]+)::", r"\1/\2/", given.strip())


def _trial(given: str, id_: str, family: Family, selection: plan.Selection) -> Trial:
    known = list[str]()
    for trial in plan.trials(family, selection):
        if trial.id == id_:
            return trial
        known.append(trial.id)
    raise HarnessError(f"'{given}': no trial of '{family.name}' has these values ({did_you_mean(id_, known)})")
