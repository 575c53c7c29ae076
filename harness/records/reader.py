"""One results file: read line by line, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.model import Verdict
from harness.records.line import VERSIONS, Common, Line, Record, Source, parse

RESULTS = "results.jsonl"

# What a trial checks where its record does not say: the values and shapes of outputs.
OUTPUT = "output"

_VERDICTS = frozenset(str(verdict) for verdict in Verdict)
_REQUIRED = frozenset(
    [
        "trial",
        "layer",
        "family",
        "claims",
        "values",
        "reference",
        "subject",
        "dtype",
        "verdict",
        "expected",
        "as_expected",
        "known",
        "status",
        "comparisons",
    ]
)
_AGAIN = "run it again"


@dataclass(frozen=True)
class Run:
    """One results file. ``header`` is empty and ``footer`` is ``None`` where the file has none.

    Each trial carries two fields more than its line: ``subject_version`` and ``reference_version``, from the header.
    """

    path: str
    header: Record
    trials: list[Record]
    footer: Record | None
    problems: tuple[str, ...]


def read(path: Path | str, common: Common | None = None) -> Run:
    """Read one results file, or the one in a folder; with what its trials have in common with those of others."""
    file = locate(Path(path))
    found = _Found()
    try:
        _sort_lines(file, found, common or Common())
    except OSError as error:
        raise HarnessError(f"{file}: cannot be read: {error.strerror}") from error
    if found.flaws and not (found.headers or found.trials or found.footers):
        raise HarnessError(f"{file}: not a results file of this harness: {found.flaws[0]}")
    header = found.headers[0] if found.headers else {}
    footer = found.footers[-1] if found.footers else None
    trials = list(found.trials.values())
    flaws = [*found.flaws, *_header_flaws(found.headers), *_count_flaws(header, footer, len(trials))]
    return Run(str(file), header, trials, footer, tuple(f"{file}: {flaw}." for flaw in [*flaws, *_doubled(found)]))


def locate(path: Path) -> Path:
    """The results file that is meant: the path itself, or the one in that folder."""
    file = path / RESULTS if path.is_dir() else path
    if not file.is_file():
        raise HarnessError(f"{file}: no such results file")
    return file


def check(trial: Mapping[str, Any]) -> str:
    """What the trial checks: ``output``, or a side's ``signature``, ``state``, ``round_trip`` or ``init``."""
    return str(trial.get("check", OUTPUT))


def number_of_trials(count: int) -> str:
    """``1 trial is``, ``2,000 trials are``."""
    return f"{count:,} trial is" if count == 1 else f"{count:,} trials are"


@dataclass
class _Found:
    """What a file holds; of a trial that it holds twice the first is kept."""

    headers: list[Record] = field(default_factory=list)
    trials: dict[str, Record] = field(default_factory=dict)
    footers: list[Record] = field(default_factory=list)
    doubled: set[str] = field(default_factory=set)
    flaws: list[str] = field(default_factory=list)


def _sort_lines(file: Path, found: _Found, common: Common) -> None:
    """Sort the lines of a file by type, one at a time, and note what is wrong with single ones."""
    source = Source(file)
    versions: dict[tuple[str, str], dict[str, str]] = {}
    for number, offset, line in _lines(file):
        record = parse(line)
        flaw = _line_flaw(record)
        if flaw and not line.endswith(b"\n"):
            found.flaws.append(f"the last line is half-written and is left out; {_AGAIN}")
        elif flaw:
            found.flaws.append(f"line {number} {flaw} and is left out; {_AGAIN}")
        elif record["type"] == "header":
            found.headers.append(record)
        elif record["type"] == "footer":
            found.footers.append(record)
        elif record["trial"] in found.trials:
            found.doubled.add(record["trial"])
        else:
            sides = record["subject"], record["reference"]
            if sides not in versions:
                versions[sides] = _versions(found.headers, sides)
            found.trials[record["trial"]] = Line(record, versions[sides], common, source, offset)


def _lines(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """The lines that are not blank: number, where each starts, and its bytes."""
    offset = 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, offset, line
            offset += len(line)


def _versions(headers: list[Record], sides: tuple[str, str]) -> dict[str, str]:
    """The releases of subject and reference; empty where the header does not tell them."""
    targets = headers[0].get("targets", {}) if headers else {}
    return {name: targets.get(side, {}).get("version") or "" for name, side in zip(VERSIONS, sides, strict=True)}


def _line_flaw(record: Record) -> str:
    if not record:
        return "is not a JSON object"
    if record.get("type") not in ("header", "trial", "footer"):
        return f"is of an unknown type {record.get('type')!r}"
    if record["type"] != "trial":
        return ""
    missing = sorted(_REQUIRED - record.keys())
    if missing:
        return f"is a trial without '{missing[0]}'"
    return "" if record["verdict"] in _VERDICTS else f"has an unknown verdict {record['verdict']!r}"


def _header_flaws(headers: list[Record]) -> list[str]:
    if not headers:
        return [f"no header, so what was planned and which versions ran is not known; {_AGAIN}"]
    return [f"more than one header, so it holds more than one run; {_AGAIN}"] if len(headers) > 1 else []


def _count_flaws(header: Record, footer: Record | None, recorded: int) -> list[str]:
    planned = header.get("planned", "an unknown number")
    if footer is None:
        return [f"no footer: the run was interrupted, {recorded} of {planned} trials recorded; {_AGAIN}"]
    flaws = []
    if header and recorded != planned:
        flaws.append(f"{recorded} of {planned} planned trials recorded; {_AGAIN}")
    if footer.get("recorded") != recorded:
        flaws.append(f"the footer counts {footer.get('recorded')} trials and the file holds {recorded}; {_AGAIN}")
    return flaws


def _doubled(found: _Found) -> list[str]:
    if not found.doubled:
        return []
    return [f"{number_of_trials(len(found.doubled))} recorded twice, the first is {min(found.doubled)}; {_AGAIN}"]
