"""The reproducer of every class of divergence that a run of the default tier produces, in a bare process.

These are the classes of what ``cases/known.yaml`` covers: a divergence that it does not cover is red elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import known, plan, trial_record
from harness.apart import child
from harness.apart.bench import Bench
from harness.backends import targets
from harness.casefile import CaseFile, Family
from harness.divergence import signature
from harness.model import Lane, Tier, Trial
from harness.reproduce import bare
from harness.reproduce.exhibit import Exhibit, Shows, shows
from harness.reproduce.find import find
from harness.reproduce.make import make
from harness.reproduce.script import LINES, script
from harness.session import DEFAULT_SUBJECTS
from harness.tests.test_frameworks import MINDSPORE, ROOT, TORCH, pytestmark
from harness.watchdog import Watchdog

__all__ = ["pytestmark"]

# Every class, whatever its layer (a signature, and whether what the document prints is departed from besides), and
# every way to write one: each way to load weights, one axis and two, steps before and after the layer.
FEW = 8
needs_avx2 = pytest.mark.needs_isa("avx2")
CPU, GRAPH = "float32,mindspore@cpu", "float32,mindspore@cpu:graph"


def on_avx2(name: str) -> Any:
    """A trial whose class is that of AVX2's kernels."""
    return pytest.param(name, marks=needs_avx2)


TRIALS = (
    # both agree, and the document says that they do not
    f"conv1d/same-odd/k=2,d=1,g=1,bias=false,l=11,{CPU}",
    f"conv1d_transpose/load-without-axis/way=constructor,k=1,{CPU}",
    f"conv2d/same-odd/k=2,d=1,g=1,bias=true,h=9,w=12,{CPU}",
    # torch alone refuses the call
    f"conv1d/padding-mode-zero/p=0,k=2,{CPU}",
    f"conv2d/padding-four-in-torch/p=0x1x2x3,k=2,{CPU}",
    # MindSpore alone refuses it, when the layer is built
    f"conv1d/load-fitting/way=constructor,k=1,bias=false,{CPU}",
    f"conv2d/bias-as-number/flag=1,{CPU}",
    f"conv2d/nn-pad-modes/how=circularxCIRCULAR,p=1,{CPU}",
    f"conv2d_transpose/bias-init/init=HeUniform,{CPU}",
    # when it is called
    f"conv1d/unbatched/k=1,{CPU}",
    f"conv2d_transpose/unbatched/k=1,{CPU}",
    f"conv2d_transpose/unbatched/k=1,{GRAPH}",
    "conv1d/other-dtypes/k=1,bias=false,bfloat16,mindspore@cpu",
    # only when it is called, and the document says earlier
    f"conv1d_transpose/load-swapped/way=set_data,k=1,{CPU}",
    f"conv2d/load-extra-axis/way=load_param_into_net,k=1,{CPU}",
    # torch's weights do not fit
    f"conv1d/example-3/l=10,{CPU}",
    f"conv2d/example-3/h=10,w=11,{CPU}",
    # shapes
    f"conv1d_transpose/valid-formula/k=1,s=2,d=1,{CPU}",
    f"conv1d_transpose/output-over-input-with-even-kernel/k=4,s=3,{CPU}",
    f"conv2d_transpose/valid/k=1,s=2,d=1,g=4,bias=false,h=6,w=9,{CPU}",
    f"conv2d_transpose/output-over-input-with-even-kernel/k=2,s=1,{CPU}",
    # values
    f"conv1d_transpose/zero-pad-for-output-padding/k=2,s=2,p=0,op=1,d=1,bias=true,{CPU}",
    f"conv1d_transpose/example-2/l=10,{CPU}",
    f"conv2d_transpose/example-4/h=6,w=10,{CPU}",
    f"conv2d_transpose/example-2/h=6,w=10,{CPU}",
    on_avx2(f"conv1d/non-finite-weight/special=nan,k=3,s=1,p=1,g=1,{CPU}"),
    f"conv1d/subnormal-input/k=1,g=1,{GRAPH}",
    # derivatives
    on_avx2(f"conv1d/non-finite-weight/special=nan,k=3,s=2,p=0,g=1,{CPU}"),
    on_avx2(f"conv1d_transpose/non-finite-input/special=nan,k=3,s=1,p=1,g=1,{CPU}"),
    on_avx2(f"conv2d_transpose/non-finite-weight/special=nan,k=3,s=1,p=1,g=1,{CPU}"),
    # the shape is not the printed one on either side
    f"conv2d_transpose/input-over-output/k=3,s=2,{CPU}",
    # MindSpore has no such operator on the CPU
    f"mint_conv2d/arguments/k=1,s=1,p=1,d=1,g=4,bias=true,{CPU}",
    # signatures
    f"conv1d_transpose/input-torch/parameter=others,{CPU}",
    f"conv2d/signature-mindspore/parameter=bias_init,{CPU}",
    f"conv2d_transpose/signature-mindspore/parameter=order,{CPU}",
)
NAMES = [each if isinstance(each, str) else str(each.values[0]) for each in TRIALS]


class Here:
    """Judges in this process, which the tests of a worker share."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(Watchdog(folder / "trace.log"), 60.0)

    def asking(self, file: CaseFile, trial: Trial) -> Any:
        def ask(family: Family, row: Mapping[str, Any], lanes: Sequence[Lane] = (Lane.EXACT,)) -> dict[str, Any]:
            sides = {"reference": str(TORCH), "subject": str(trial.subject), "dtype": trial.dtype}
            return child.record(
                {**sides, "file": file.path, "family": family.name, "row": row, "lanes": lanes}, self.bench
            )

        return ask


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


@pytest.mark.parametrize("name", TRIALS)
@pytest.mark.filterwarnings("ignore")
def test_it_shows_in_a_bare_process_what_the_record_says(name: str, here: Here) -> None:
    found = find(name, ROOT / "cases", str(TORCH))
    made = make(found, here.asking(found.file, found.trial), lambda target: targets.backend(target, 1))
    exhibit, text = made.exhibit, script(made.exhibit, targets.dialect)
    assert signature(exhibit.record) == signature(made.record)
    assert len(text.splitlines()) <= LINES
    assert not re.findall(r"^(?:from|import) (?!os|sys|traceback|inspect|numpy|torch|mindspore)", text, re.MULTILINE)
    ran = bare.run(text, limit=120.0)
    assert ran.code == 1, ran.output
    for words in said(exhibit):
        assert words in ran.output, (words, ran.output)


def said(exhibit: Exhibit) -> list[str]:
    """What the program has to print, by the record of the trial that it was made from."""
    record = exhibit.record
    if exhibit.shows is Shows.REFUSAL:
        error = record["error"]
        side = {"reference": "expected", "subject": "actual"}[error["side"]]
        other = "actual" if side == "expected" else "expected"
        return [f"{side}: {error['phase']} {error['type']}", f"{other}:   an output of the shape"]
    if exhibit.shows in (Shows.SIGNATURE, Shows.STATE):
        named = re.split(r"documented is |also takes ", record["undocumented"])[1].split(", ")[0]
        return [named.rpartition("=")[2].strip('"')]
    if exhibit.shows is Shows.MISFIT:
        built, needed = (dict(re.findall(r"(\w+) (\([^)]*\))", part)) for part in record["error"]["message"].split(";"))
        return [f"actual {{'weight': {built['weight']}", f"expected {{'weight': {needed['weight']}"]
    measured = next(each for each in record["comparisons"] if each["tensor"].startswith(exhibit.tensor))
    expected, actual = (str(tuple(measured[f"{side}_shape"])) for side in ("expected", "actual"))
    counted = f"{measured['mismatched']} of {measured['size']} elements "
    return {
        Shows.VALUES: [f"expected {expected}", f"actual {actual}", counted],
        Shows.EQUAL: [f"expected {expected}", f"actual {actual}", "equal, although the document says"],
        Shows.SHAPES: [f"expected shape {expected}", f"actual shape {actual}"],
        Shows.PRINTED: [f"of torch {expected}", f"of mindspore {actual}", "the document prints"],
    }[exhibit.shows]


@needs_avx2  # another instruction set has classes of its own
@pytest.mark.filterwarnings("ignore")
def test_every_class_has_its_trial(here: Here) -> None:
    wanted, met = dict[object, str](), set[object]()
    files = [plan.read_case_file(path) for path in plan.case_paths(ROOT / "cases")]
    entries, selection = plan.load_known(files), plan.Selection(TORCH, tuple(map(targets.parse, DEFAULT_SUBJECTS)))
    versions = {target.framework: targets.version(target.framework) for target in (TORCH, MINDSPORE)}
    isas = {target.framework: here.bench.open(target).provenance()["isa"] for target in (TORCH, MINDSPORE)}
    for file in files:
        named = {name for entry in entries if entry.layer == file.layer for name in entry.families}
        # What is lost of subnormal numbers depends on the thread that comes to compute.
        named -= {"subnormal-input"}
        for family in (each for each in file.families if each.name in named and str(each.stated.check) != "init"):
            covered = [trial for trial in plan.trials(family, selection) if _covered(trial, entries, versions, isas)]
            # A few of each family: more of the same is what the conditions of known.yaml are for.
            for trial in covered[:: max(1, len(covered) // FEW)]:
                class_ = _class(trial, here)
                wanted.setdefault(class_, trial.id)
        met |= {_class(find(name, ROOT / "cases", str(TORCH)).trial, here) for name in NAMES if _is_of(name, file)}
    assert not [f"{class_}: {name}" for class_, name in wanted.items() if class_ not in met], "add these to TRIALS"


def _is_of(name: str, file: CaseFile) -> bool:
    return name.startswith(f"{file.path.stem}/")


def _covered(
    trial: Trial, entries: Sequence[known.Known], versions: Mapping[str, str | None], isas: Mapping[str, str]
) -> bool:
    record = trial_record.jsonable({**_scope(trial), "values": trial.case.values})
    sides = known.Sides(trial.reference, trial.subject, versions, isas)
    return any(entry.covers(record, sides) for entry in entries)


def _scope(trial: Trial) -> dict[str, Any]:
    case = trial.case
    return {"layer": case.layer, "family": case.family, "dtype": trial.dtype, "subject": str(trial.subject)}


def _class(trial: Trial, here: Here) -> object:
    outcome = here.bench.outcome(trial)
    record = trial_record.to_record(trial, trial_record.Origin("", Tier.DEFAULT), outcome)
    output = str(trial.case.check) == "output"
    found = replace(signature(record), layer="")
    return str(found), output and bool(record["undocumented"]), shows(trial.case, record)
