"""The process that runs trials on more threads: ``python -m harness.determinism.child FOLDER``, see ``threads.py``."""

from __future__ import annotations

import gc
import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import harness.backends
from harness import environment, plan, runner
from harness.backends import targets
from harness.casefile.expressions import plain
from harness.model import Lane, Target, Trial
from harness.protocol import Backend


def main(folder: Path) -> None:
    """Run the trials of the job, and leave a line there for each."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    harness.backends.__path__[:] = job["adapters"]
    threads, lanes = job["threads"], [Lane(lane) for lane in job["lanes"]]
    environment.prepare(threads, job["isa"])
    warnings.simplefilter("ignore")

    def open_backend(target: Target) -> Backend:
        return targets.backend(target, threads)

    for name in {asked[side] for asked in job["trials"] for side in ("reference", "subject")}:
        open_backend(targets.parse(name, job["isa"]))
    gc.collect()
    gc.freeze()  # what the imports left would be walked at each collection that a framework asks for
    with (folder / "found.jsonl").open("a", encoding="utf-8") as found:
        for asked in job["trials"]:
            outcome = runner.run(_trial(asked, Path(job["root"]), job["isa"]), open_backend, lanes)
            found.write(json.dumps({"trial": asked["trial"], "digests": outcome.digests}) + "\n")
            found.flush()


def _trial(asked: Mapping[str, Any], root: Path, isa: str) -> Trial:
    file = plan.read_case_file(root / asked["file"])
    family = next(each for each in file.families if each.name == asked["family"])
    case = family.case({name: plain(asked["values"][name]) for name in asked["swept"]})
    reference, subject = (targets.parse(asked[side], isa) for side in ("reference", "subject"))
    return Trial.of(case, asked["dtype"], reference, subject)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
