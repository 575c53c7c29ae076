"""Hand-made records, small enough to check by eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.records import RESULTS, Record, Results, Writer, merge

TARGETS = {
    "torch@cpu": {"framework": "torch", "version": "2.13.0", "device": "cpu", "threads": 1},
    "mindspore@cpu": {"framework": "mindspore", "version": "2.10.0", "device": "cpu", "threads": 1},
}
NEWER = {**TARGETS, "mindspore@cpu": {**TARGETS["mindspore@cpu"], "version": "2.11.0"}}
CLAIMS = [
    {"id": "same-even", "layer": "Conv2d", "document": "r2.1", "where": "Differences", "says": "same pads alike"},
    {"id": "same-odd", "layer": "Conv2d", "document": "r2.1", "where": "Table, row 3", "says": "odd kernels agree"},
]
DOCUMENT = {"title": "Differences with torch.nn.Conv2d", "language": "en", "mindspore": "2.1", "torch": "1.8.1"}
UNCHECKED = [
    {
        "layer": "Conv2d",
        "document": "r2.1",
        "where": "Note 2",
        "says": "it is faster there",
        "because": "time is not compared",
    }
]
COVERAGE = [
    {
        "layer": "Conv2d",
        "family": "same",
        "combinations": 4,
        "product": 8,
        "excluded": 4,
        "strength": 2,
        "coverage": 1.0,
    }
]
KNOWN = {"id": "CONV-1", "reason": "pads on the other side", "link": "https://example.org/issues/1"}


def trial(k: Any = 3, s: Any = 1, **changes: Any) -> Record:
    """One trial record of Conv2d/same that agrees bitwise; any field can be given another value."""
    layer, family = changes.get("layer", "Conv2d"), changes.get("family", "same")
    subject, dtype = changes.get("subject", "mindspore@cpu"), changes.get("dtype", "float32")
    case = f"{layer.lower()}/{family}/k={k},s={s}"
    record = {
        "trial": f"{case},{dtype},{subject}",
        "case": case,
        "layer": layer,
        "family": family,
        "file": f"cases/{layer.lower()}.yaml",
        "tier": "default",
        "claims": ["same-odd"],
        "values": {"k": k, "s": s, "n": 2},
        "swept": ["k", "s"],
        "reference": "torch@cpu",
        "subject": subject,
        "dtype": dtype,
        "verdict": "bitwise",
        "expected": "equal",
        "as_expected": True,
        "known": None,
        "status": "as_expected",
        "comparisons": [comparison()],
        "diagnosis": None,
        "disagrees": None,
        "adjudicator": "numpy",
        "calls": {"reference": f"torch.nn.Conv2d(4, 6, {k})", "subject": f"mindspore.nn.Conv2d(4, 6, {k})"},
        "seconds": {"reference": 0.001, "subject": 0.002},
        "error": None,
        "reproducer": f"python -m harness compare 'torch.nn.Conv2d(4, 6, {k})' 'mindspore.nn.Conv2d(4, 6, {k})'",
        "inputs": {"x": "0123abcd"},
        "documented_shape": None,
    }
    return {**record, **changes}


def divergent(k: Any = 3, s: Any = 1, **changes: Any) -> Record:
    """A new divergence in the values, shifted by one."""
    found = {
        "verdict": "value",
        "as_expected": False,
        "status": "new",
        "comparisons": [comparison(verdict="value", max_abs=40.0, max_ulp=7, mismatched=12, worst_index=[0, 1, 2, 3])],
        "diagnosis": {"kind": "shifted", "says": "The actual values are the expected ones, shifted by one column."},
        "disagrees": "subject",
    }
    return trial(k, s, **{**found, **changes})


def known(k: Any = 3, s: Any = 1, **changes: Any) -> Record:
    """The same divergence, recorded in known.yaml."""
    return divergent(k, s, **{"known": KNOWN, "status": "known", **changes})


def not_run(k: Any = 3, s: Any = 1, **changes: Any) -> Record:
    """A trial whose subject is not here."""
    found = {"verdict": "not_run", "status": "not_run", "comparisons": [], "as_expected": False}
    return trial(k, s, **{**found, **changes})


def checked(parameter: str, *, agrees: bool, **changes: Any) -> Record:
    """One trial of a signature."""
    found = {
        "trial": f"conv2d/signature/parameter={parameter},mindspore@cpu",
        "family": "signature",
        "check": "signature",
        "values": {"parameter": parameter},
        "swept": ["parameter"],
        "comparisons": [],
    }
    return (trial if agrees else known)(**{**found, **changes})


def comparison(**changes: Any) -> Record:
    """One tensor's comparison, bitwise equal unless changed."""
    record = {
        "tensor": "output",
        "lane": "exact",
        "verdict": "bitwise",
        "expected_shape": [2, 6, 7, 9],
        "actual_shape": [2, 6, 7, 9],
        "size": 756,
        "max_abs": 0.0,
        "max_ulp": 0,
        "mismatched": 0,
        "worst_index": None,
        "bound_ratio": None,
        "cosine": 1.0,
        "disagrees": None,
        "missed": [],
    }
    return {**record, **changes}


def header(planned: int, **changes: Any) -> Record:
    """A header for that many trials."""
    record = {
        "plan": "f" * 64,
        "planned": planned,
        "selected": "all",
        "shard": "1/1",
        "tier": "default",
        "targets": TARGETS,
        "harness": "0.1.0",
        "time": "2026-01-02T03:04:05+00:00",
        "python": "3.11.9",
        "platform": "Linux",
        "settings": {"deterministic": True},
        "not_run": {},
        "coverage": COVERAGE,
        "claims": CLAIMS,
        "documents": {"Conv2d": {"r2.1": DOCUMENT}},
    }
    return {**record, **changes}


def store(folder: Path, trials: list[Record], **changes: Any) -> Path:
    """Write a whole results file of these trials, and return its path."""
    with Writer(folder / RESULTS) as writer:
        writer.header(header(**{"planned": len(trials), **changes}))
        for each in trials:
            writer.trial(each)
        writer.footer()
    return folder / RESULTS


def results(folder: Path, trials: list[Record], **changes: Any) -> Results:
    """The results of one whole run of these trials."""
    return merge([store(folder, trials, **changes)])
