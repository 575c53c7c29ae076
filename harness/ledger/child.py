"""The process that seeks the conditions of one layer: ``python -m harness.ledger.child FOLDER``, see ``seek.py``."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import harness.backends
from harness import environment, plan
from harness.apart.bench import Bench
from harness.apart.process import TRACE
from harness.casefile import CaseFile, Family
from harness.casefile.expressions import plain
from harness.errors import HarnessError
from harness.ledger import probe, seek
from harness.model import Case, Tier, Trial, Verdict
from harness.records import OUTPUT, Record
from harness.trial_record import as_expected
from harness.watchdog import Watchdog

# A fresh case that ends so says nothing, unless trials of the run in the same family ended so too.
SAYS_NOTHING = frozenset(
    {
        Verdict.REJECTED_BY_REFERENCE,
        Verdict.REJECTED_BY_BOTH,
        Verdict.UNSUPPORTED,
        Verdict.CRASH,
        Verdict.TIMEOUT,
        Verdict.WEAK,
        Verdict.NOT_RUN,
    }
)


def main(folder: Path) -> None:
    """Do the job that lies in the folder, and leave a line there for each claim."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    harness.backends.__path__[:] = job["adapters"]
    environment.prepare(1, job["isa"])
    environment.pin(job["core"])
    warnings.simplefilter("ignore")
    file = plan.read_case_file(Path(job["file"]))
    bench = Bench(Watchdog(folder / TRACE), job["case_limit"], job["isa"])
    with (folder / "found.jsonl").open("a", encoding="utf-8") as found:
        for claim in job["claims"]:
            finding = inquiry(claim, file, bench).find()
            found.write(seek.line(claim["key"], finding))
            found.flush()


def inquiry(claim: Mapping[str, Any], file: CaseFile, bench: Bench) -> probe.Inquiry:
    """The search for one claim's condition."""
    families = {family.name: family for family in file.families}
    trials = [trial for trial in claim["trials"] if trial["family"] in families]
    ran: dict[str, dict[tuple[str, str], None]] = {}
    ends: dict[str, set[str]] = {}
    for trial in trials:
        ends.setdefault(trial["family"], set()).add(trial["verdict"])
        if trial["check"] == OUTPUT:
            ran.setdefault(trial["family"], {})[trial["subject"], trial["dtype"]] = None
    if not trials:
        raise HarnessError(f"{file.path}: none of the families that were run is there any more")
    reference = bench.target(trials[0]["reference"])

    def ask(fresh: probe.Fresh, case: Case) -> bool | None:
        trial = Trial.of(case, fresh.dtype, reference, bench.target(fresh.subject))
        outcome = bench.outcome(trial)
        telling = outcome.verdict not in SAYS_NOTHING or str(outcome.verdict) in ends[case.family]
        return as_expected(trial, outcome) if telling else None

    return probe.Inquiry(
        claim=claim["claim"],
        families={name: (families[name], sorted(on)) for name, on in ran.items() if _small(families[name])},
        known=[_known(trial, families[trial["family"]]) for trial in trials],
        taken=set(claim["taken"]),
        ask=ask,
    )


def _small(family: Family) -> bool:
    """Whether cases may be drawn from the family: it sweeps something, and its sizes are not the printed ones."""
    return bool(family.sweep) and family.tier is not Tier.FULL


def _known(trial: Record, family: Family) -> probe.Known:
    values = {name: plain(value) for name, value in trial["values"].items()}
    names = family.names({name: values[name] for name in family.sweep if name in values})
    row = probe.origins({**names, **values}, family.name, trial["subject"], trial["dtype"])
    return probe.Known(family.name, row, bool(trial["as_expected"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
