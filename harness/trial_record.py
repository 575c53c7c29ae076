"""From a trial and its outcome to the line that others rely on. Plain JSON values only."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

from harness.model import Case, Check, Expectation, Tier, Trial, Verdict
from harness.outcome import Outcome
from harness.watchdog import Death

REFUSED = (Verdict.REJECTED_BY_BOTH, Verdict.UNSUPPORTED)


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a trial stands in the plan."""

    file: str
    tier: Tier


def to_record(trial: Trial, origin: Origin, outcome: Outcome) -> dict[str, Any]:
    """The trial line, without its status against ``known.yaml``."""
    case = trial.case
    side, failure = next(iter(outcome.failures.items()), ("", None))
    return {
        "type": "trial",
        "trial": trial.id,
        "case": case.id,
        "layer": case.layer,
        "family": case.family,
        "file": origin.file,
        "tier": str(origin.tier),
        "check": str(case.check),
        "claims": list(case.claims),
        "values": jsonable(case.values),
        "swept": list(case.swept),
        "reference": str(trial.reference),
        "subject": str(trial.subject),
        "dtype": trial.dtype,
        "verdict": str(outcome.verdict),
        "expected": str(case.expect),
        "as_expected": as_expected(trial, outcome),
        "known": None,
        "comparisons": [jsonable(dataclasses.asdict(each)) for each in outcome.comparisons],
        "diagnosis": jsonable(dataclasses.asdict(outcome.diagnosis)) if outcome.diagnosis else None,
        "disagrees": outcome.disagrees,
        "adjudicator": outcome.adjudicator,
        "documented_shape": jsonable(case.documented_shape),
        "undocumented": outcome.undocumented,
        "note": outcome.note,
        "steady": outcome.steady,
        "digests": outcome.digests,
        "calls": {
            "reference": str(case.sides[trial.reference.framework]),
            "subject": str(case.sides[trial.subject.framework]),
        },
        "inputs": outcome.fingerprints,
        "seconds": {name: round(value, 6) for name, value in outcome.seconds.items()},
        "error": failure
        and {"side": side, "phase": str(failure.phase.value), "type": failure.type, "message": failure.message},
        "reproducer": _again(trial, origin) if _needs_file(case) or _elsewhere(trial) else reproducer(trial),
    }


def as_expected(trial: Trial, outcome: Outcome) -> bool:
    """Whether the trial went as its document says."""
    # That the harness found the weights not to fit is no rejection that a document could speak of.
    misfit = any(failure.misfit for failure in outcome.failures.values())
    if trial.against_itself and outcome.fails_alike and outcome.verdict in REFUSED:
        return True
    return trial.case.expect.met_by(outcome.verdict) and not outcome.undocumented and not misfit


def dead_record(trial: Trial, origin: Origin, death: Death, target: str = "") -> dict[str, Any]:
    """The trial line of a trial that took its process along; ``target`` ran there, if only one did."""
    record = to_record(trial, origin, Outcome(death.verdict))
    side = next((side for side in ("subject", "reference") if target and record[side] == target), None)
    record["error"] = {"side": side, "phase": None, "type": str(death.verdict), "message": death.reason}
    record["trace"] = death.trace
    return record


def not_run_record(trial: Trial, origin: Origin, reason: str) -> dict[str, Any]:
    """The trial line of a trial whose target is not here."""
    record = to_record(trial, origin, Outcome(Verdict.NOT_RUN))
    record["error"] = {"side": None, "phase": None, "type": str(Verdict.NOT_RUN), "message": reason}
    return record


def _needs_file(case: Case) -> bool:
    """Whether two calls with weights that fit do not say it all."""
    loads = any(side.load for side in case.sides.values())
    return case.check is not Check.OUTPUT or loads or bool(case.fillings)


def _elsewhere(trial: Trial) -> bool:
    """Whether a side is on another device, or in another process, than two calls alone are compared on."""
    both = (trial.reference, trial.subject)
    return trial.against_itself or any(target.where or target.device != "cpu" for target in both)


def _again(trial: Trial, origin: Origin) -> str:
    """The command that runs this one trial of its case file again."""
    name = trial.id.split("/", 2)[2]
    words = ["python", "-m", "pytest", f"{origin.file}::{trial.case.family}::{name}"]
    # The default tier has a part of the variants only.
    variant = bool(trial.subject.mode) or trial.dtype != "float32"
    words += ["--tier", "full"] if variant or origin.tier is Tier.FULL else []
    if _elsewhere(trial) or trial.reference.isa or trial.subject.isa:
        words += ["--reference", str(trial.reference), "--subject", str(trial.subject)]
    return shlex.join(words)


def reproducer(trial: Trial) -> str:
    """The command that runs this trial's calls again, with the same inputs and weights."""
    case = trial.case
    words = ["python", "-m", "harness", "compare"]
    words += [str(case.sides[target.framework]) for target in (trial.reference, trial.subject)]
    for shape in case.inputs.values():
        words += ["--input", ",".join(map(str, shape))]
    words += ["--key", case.id]
    if trial.dtype != "float32":
        words += ["--dtype", trial.dtype]
    if trial.subject.mode:
        words += ["--mode", trial.subject.mode]
    if trial.subject.isa:
        words += ["--isa", trial.subject.isa]
    if case.derivatives != 1:
        words += ["--derivatives", str(case.derivatives)]
    if not case.align:
        words += ["--shapes-only"]
    if case.expect is not (Expectation.EQUAL if case.align else Expectation.SAME_SHAPE):
        words += ["--expect", str(case.expect)]
    if case.documented_shape is not None:
        words += ["--output-shape", ",".join(map(str, case.documented_shape))]
    if trial.dtype in case.tolerances:
        row = case.tolerances[trial.dtype]
        words += ["--rtol", str(row.rtol), "--atol", str(row.atol)]
    return shlex.join(words)


def reason(record: Mapping[str, Any]) -> str:
    """Why a trial is not as expected, in one line."""
    return "; ".join([f"{record['layer']}: expected {record['expected']}, got {record['verdict']}", *evidence(record)])


def evidence(record: Mapping[str, Any]) -> list[str]:
    """What speaks for the verdict, in words."""
    parts = []
    if record["diagnosis"]:
        parts.append(record["diagnosis"]["says"])
    if record["undocumented"]:
        parts.append(record["undocumented"])
    if record["error"]:
        error = record["error"]
        at = f" at {error['phase']}" if error["phase"] else ""
        where = f"{error['side']}{at}: {error['type']}: " if error["side"] else ""
        parts.append(where + " ".join(error["message"].split())[:300])
    missed = sorted({name for each in record["comparisons"] for name in each["missed"]})
    if record["note"]:
        parts.append(record["note"])
    if record["verdict"] == Verdict.WEAK and record["comparisons"]:
        parts.append(f"the comparison would not have caught: {', '.join(missed)}")
    return parts


def story(record: Mapping[str, Any]) -> str:
    """A failure in full: the reason first, the reproducer last."""
    kind = "trial that proves nothing" if record["verdict"] == Verdict.WEAK else "divergence"
    first = record["departure"] or f"{record['status']} {kind}: {reason(record)}"
    also = [reason(record)] if record["departure"] else []
    return "\n".join([first, "", *also, *details(record), "", record["reproducer"]])


def details(record: Mapping[str, Any]) -> list[str]:
    """Both calls and what each comparison measured, in lines."""
    lines = [f"{side:<10} {record[side]:<14} {record['calls'][side]}" for side in ("reference", "subject")]
    lines += [_comparison(each) for each in record["comparisons"] if record["check"] == Check.OUTPUT]
    if record["disagrees"]:
        lines += [f"off        {record['disagrees']}, by the adjudicator ({record['adjudicator']})"]
    return lines


def _comparison(each: Mapping[str, Any]) -> str:
    numbers = f"expected {tuple(each['expected_shape'])}"
    if each["max_abs"] is not None:
        numbers = f"{each['mismatched']} of {each['size']} elements off, max |actual - expected| {each['max_abs']:.6g}"
    against = f", against {each['against']}" if each["against"] else ""
    shape = tuple(each["actual_shape"])
    return f"{each['lane']:<10} {each['tensor']:<14} {each['verdict']}: {shape}, {numbers}{against}"


def jsonable(value: Any) -> Any:
    """The value with tuples as lists and enums as their words."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return str(value) if isinstance(value, str) else value
