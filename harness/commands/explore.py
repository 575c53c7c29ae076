"""``explore``: search beyond the declared sweeps for divergences that nobody knows yet."""

from __future__ import annotations

import argparse
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import environment, known, plan, trial_record
from harness.apart.judge import Judge, Setup
from harness.backends import targets
from harness.casefile import CaseFile
from harness.casefile.source import read
from harness.commands import Subparsers, declare, on_stderr
from harness.errors import HarnessError, did_you_mean
from harness.records import dump

if TYPE_CHECKING:
    from harness.explore.search import Find, Search

Entries = tuple[known.Known, ...]
SAY_EVERY = 5.0
LONGEST = 24 * 60
EXAMPLE = """\
python -m harness explore Conv2d --minutes 5 --seed 3

  What is found is printed as a family for the layer's case file. The same seed draws the same cases in the same order;
  more time draws more of them. Exit code: 0 nothing new, 1 finds, 2 a usage error.
"""


def register(commands: Subparsers) -> None:
    """Declare the arguments."""
    summary = "search beyond the sweeps of a layer's case file for divergences that are not known"
    parser = declare(commands, "explore", summary, EXAMPLE, run)
    parser.add_argument("layer", metavar="LAYER", help="as a case file names it: Conv2d")
    parser.add_argument("--minutes", type=float, default=1.0, metavar="M", help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument(
        "--cases", default="cases", metavar="DIR", help="where the case files are (default: %(default)s)"
    )
    parser.add_argument("--reference", default="torch@cpu", metavar="TARGET", help="default: %(default)s")
    parser.add_argument("--subject", default="mindspore@cpu", metavar="TARGET", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """0 if nothing new was found, 1 if something was."""
    if not 0 < arguments.minutes <= LONGEST:
        raise HarnessError(f"--minutes {arguments.minutes:g}: expected more than 0, and {LONGEST} at the most")
    if importlib.util.find_spec("hypothesis") is None:
        raise HarnessError(
            "explore needs Hypothesis; install it with: python -m pip install 'layer-conformance[explore]'"
        )
    files = [plan.read_case_file(path) for path in plan.case_paths(Path(arguments.cases))]
    layers = {file.layer: file for file in files}
    if arguments.layer not in layers:
        raise HarnessError(f"no case file for the layer '{arguments.layer}' ({did_you_mean(arguments.layer, layers)})")
    setup = _setup(arguments, layers[arguments.layer])
    search = _search(arguments, layers[arguments.layer], setup, plan.load_known(files))
    finds = [_told(find, layers[arguments.layer], arguments.seed) for find in search.finds]
    document = {
        "layer": arguments.layer,
        "seed": arguments.seed,
        "families": len(search.spaces),
        "tried": search.tried,
        "silent": search.silent,
        "finds": finds,
    }
    print(dump(document) if arguments.json else _story(document, layers[arguments.layer]))
    return 1 if finds else 0


def _setup(arguments: argparse.Namespace, file: CaseFile) -> Setup:
    isa, (reference, subject) = targets.together([arguments.reference, arguments.subject])
    environment.prepare(1, isa)
    plan.check_sides(file, plan.Selection(reference, (subject,)))
    for target in (reference, subject):
        reason = targets.obstacle(target) or targets.unasked(target)
        if reason:
            raise HarnessError(f"{target} cannot run here: {reason}")
    return Setup(file.path, reference, subject, isa=isa)


def _is_news(entries: Entries, setup: Setup, told: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:
    both = (setup.reference, setup.subject)
    versions = {target.framework: targets.version(target.framework) for target in both}
    sides = known.Sides(*both, versions, {each.framework: told.get(str(each), {}).get("isa") for each in both})
    return lambda record: known.judge(record, entries, sides)[0] in (known.Status.NEW, known.Status.CHANGED)


def _search(arguments: argparse.Namespace, file: CaseFile, setup: Setup, entries: Entries) -> Search:
    # Hypothesis comes along with these, which takes as long as all the rest.
    from harness.explore import space  # noqa: PLC0415
    from harness.explore.search import Search  # noqa: PLC0415

    found = space.spaces(file)
    if not found:
        raise HarnessError(f"{file.path}: no family whose document says something of any values")
    with Judge(setup) as judge:
        told = judge.start()  # to import the frameworks is not the search's time
        search = Search(found, judge.record, _is_news(entries, setup, told))
        with _saying(search, arguments.minutes * 60), suppress(KeyboardInterrupt):  # what it found until then counts
            search.run(arguments.minutes * 60, arguments.seed)
    return search


@contextmanager
def _saying(search: Search, seconds: float) -> Iterator[None]:
    """Say how it goes every few seconds, whatever a single case takes."""
    over, start = threading.Event(), time.monotonic()

    def say() -> None:
        while not over.wait(SAY_EVERY):
            left = max(seconds - (time.monotonic() - start), 0)
            on_stderr(f"{search.tried} cases tried, {len(search.finds)} finds, {left:.0f} s left")

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _told(find: Find, file: CaseFile, seed: int) -> dict[str, Any]:
    from harness.explore import paste  # noqa: PLC0415

    record = find.smallest.record
    source = read(file.path, "cases", [name for name in targets.frameworks() if name != "numpy"])
    return {
        "signature": str(find.signature),
        "found_in": find.family.name,
        "family": paste.family(find, source, seed),
        "says": "; ".join(trial_record.evidence(record)) or str(find.signature),
        "compare": record["reproducer"],
        "record": record,
    }


def _story(document: Mapping[str, Any], file: CaseFile) -> str:
    lines = []
    for number, find in enumerate(document["finds"], 1):
        lines += [f"# {number}: {find['signature']}, beyond the sweep of '{find['found_in']}'", f"# {find['says']}"]
        lines += [f"# {find['compare']}", find["family"]]
    count = len(document["finds"])
    lines += [
        f"{document['tried']} cases of {document['families']} families tried, {document['silent']} of them refused or "
        f"without a say; {count or 'no'} new {'class' if count == 1 else 'classes'} of divergence"
    ]
    following = "paste the families into" if count else "nothing; another --seed or more --minutes draws other cases of"
    lines += [
        f"next: {following} {file.path}" + ", run them, and write down in known.yaml what you understood" * bool(count)
    ]
    return "\n".join(lines)
