"""Reading, writing and merging ``results.jsonl``: a header, one line per trial, a footer.

A run that was cut short leaves a file without a footer or with a half-written last line. Such a file is still read,
so that no result is lost; what is wrong with it is kept beside the results, and they are never taken for whole.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TextIO

from harness.errors import HarnessError
from harness.model import Verdict

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows has no advisory locks; two runs into one folder are then not told apart
    fcntl = None

RESULTS = "results.jsonl"
Record = dict[str, Any]

# What a trial checks where its record does not say: the values and shapes of outputs.
OUTPUT = "output"

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


class Writer:
    """Streams one run into a results file; every line is on disk before the next trial starts."""

    def __init__(self, path: Path | str) -> None:
        """Start the file, and its folder where there is none."""
        self.path = Path(path)
        self.doubled = 0
        self._seen: set[str] = set()
        self._verdicts: Counter[str] = Counter()
        self._file = _open_alone(self.path)

    def header(self, header: Mapping[str, Any]) -> None:
        """Write the first line: the plan and where it runs."""
        self._line({"type": "header", "time": _now(), **header})

    def trial(self, trial: Mapping[str, Any]) -> None:
        """Write one trial. A second record of the same id is counted in ``doubled`` and otherwise ignored."""
        if trial["trial"] in self._seen:
            self.doubled += 1
            return
        self._line({"type": "trial", **trial})
        self._seen.add(trial["trial"])
        self._verdicts[str(trial["verdict"])] += 1

    def footer(self, threads: Mapping[str, Any] | None = None) -> None:
        """Write the last line, which says that the run came to its end, and close the file.

        With what more threads changed, where that was looked at; see :func:`harness.determinism.threads.compare`.
        """
        verdicts = dict(sorted(self._verdicts.items()))
        rest = {"threads": dict(threads)} if threads else {}
        self._line({"type": "footer", "recorded": len(self._seen), "verdicts": verdicts, **rest, "time": _now()})
        self.close()

    def close(self) -> None:
        """Close the file as it is. Without a footer before it, the run counts as interrupted."""
        self._file.close()

    def __enter__(self) -> Writer:
        """Use the writer as a context, so that an error leaves a closed file without a footer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def _line(self, record: Record) -> None:
        self._file.write(dump(record) + "\n")
        self._file.flush()


def _open_alone(path: Path) -> TextIO:
    """Open a results file to be written anew, unless a run is writing it. Raises HarnessError if it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8", newline="\n")
    except OSError as error:
        raise HarnessError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise HarnessError(f"{path}: another run is writing it; choose another folder with --results") from None
    file.truncate(0)
    return file


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


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


@dataclass(frozen=True)
class Results:
    """Several runs as one: their trials in the order of the ids, and all that is wrong with any of the files."""

    runs: list[Run]
    trials: list[Record]
    problems: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every planned trial is here exactly once."""
        return not self.problems

    @property
    def narrowed(self) -> list[str]:
        """How runs were narrowed, sorted; empty if all ran everything."""
        return sorted({str(run.header.get("selected", "all")) for run in self.runs} - {"all"})

    @property
    def measured(self) -> frozenset[str]:
        """The subjects that a trial was run of."""
        return frozenset(trial["subject"] for trial in self.trials if trial["verdict"] != Verdict.NOT_RUN)

    @property
    def threads(self) -> dict[str, Record]:
        """What more threads changed, by the path of each run that looked."""
        return {run.path: run.footer["threads"] for run in self.runs if run.footer and "threads" in run.footer}

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Ids of known divergences that a whole plan should have met and did not; none where a part was run."""
        if not self.complete or any(run.header.get("selected") != "all" for run in self.runs):
            return ()
        ran, met = self.measured, {trial["known"]["id"] for trial in self.trials if trial["known"]}
        scopes = {item for run in self.runs for id_, on in run.header.get("known", {}).items() for item in [(id_, *on)]}
        return tuple(sorted(id_ for id_, *subjects in scopes if id_ not in met and ran & set(subjects)))


def read(path: Path | str) -> Run:
    """Read one results file, or the one in a folder."""
    file = _locate(Path(path))
    found, flaws = _sort_lines(file)
    first: dict[str, Record] = {}
    for trial in found["trial"]:
        first.setdefault(trial["trial"], trial)
    trials = list(first.values())
    header = found["header"][0] if found["header"] else {}
    footer = found["footer"][-1] if found["footer"] else None
    for trial in trials:
        for side in ("subject", "reference"):
            trial[f"{side}_version"] = header.get("targets", {}).get(trial[side], {}).get("version") or ""
    flaws += _header_flaws(found["header"]) + _count_flaws(header, footer, len(trials)) + _doubled_flaws(found["trial"])
    return Run(str(file), header, trials, footer, tuple(f"{file}: {flaw}." for flaw in flaws))


def merge(paths: Iterable[Path | str]) -> Results:
    """Read several results files as one. The first record of a trial is kept, in the order of the file names."""
    files = sorted({_locate(Path(path)) for path in paths})
    if not files:
        raise HarnessError(f"no results given: name at least one {RESULTS} or a folder that holds one")
    runs = [read(file) for file in files]
    kept: dict[tuple[str, ...], tuple[Record, str]] = {}
    repeated: dict[tuple[str, str], list[str]] = defaultdict(list)
    for run in runs:
        for trial in run.trials:
            _, first = kept.setdefault(_identity(trial), (trial, run.path))
            if first != run.path:
                repeated[run.path, first].append(trial["trial"])
    problems = [problem for run in runs for problem in run.problems]
    problems += [
        f"{path}: {_trials(len(ids))} recorded in {first} as well, the first is {min(ids)}."
        for (path, first), ids in repeated.items()
    ]
    return Results(runs, [kept[key][0] for key in sorted(kept)], tuple(problems + _missing_shards(runs)))


def check(trial: Mapping[str, Any]) -> str:
    """What the trial checks: ``output``, or a side's ``signature``, ``state``, ``round_trip`` or ``init``."""
    return str(trial.get("check", OUTPUT))


def write_atomic(path: Path | str, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, never a part of it."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A file to write to that takes the path's place once it is whole, and is gone if it is not."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename is not None:
            error.filename = str(path)  # whoever reads the message knows nothing of the other one
        raise
    finally:
        temporary.unlink(missing_ok=True)


def dump(record: Record) -> str:
    """The record as one line of strict JSON; NaN and infinities as the strings that ``float`` reads back."""
    try:
        return json.dumps(record, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(record), allow_nan=False)


def _finite(value: Any) -> Any:
    """Spell NaN and infinities out, since JSON has no number for them; ``float`` reads them back."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _locate(path: Path) -> Path:
    file = path / RESULTS if path.is_dir() else path
    if not file.is_file():
        raise HarnessError(f"{file}: no such results file")
    return file


def _sort_lines(file: Path) -> tuple[dict[str, list[Record]], list[str]]:
    """Sort the records of a file by type, and list what is wrong with single lines."""
    found: dict[str, list[Record]] = {"header": [], "trial": [], "footer": []}
    flaws = []
    try:
        with file.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                record = _parse(line)
                flaw = _line_flaw(record, found)
                if flaw and not line.endswith("\n"):
                    flaws.append("the last line is half-written and is left out")
                elif flaw:
                    flaws.append(f"line {number} {flaw} and is left out")
                else:
                    found[record["type"]].append(record)
    except OSError as error:
        raise HarnessError(f"{file}: cannot be read: {error.strerror}") from error
    if flaws and not any(found.values()):
        raise HarnessError(f"{file}: not a results file of this harness: {flaws[0]}")
    return found, flaws


def _parse(line: str) -> Record:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _line_flaw(record: Record, types: Container[str]) -> str:
    if not record:
        return "is not a JSON object"
    if record.get("type") not in types:
        return f"is of an unknown type {record.get('type')!r}"
    if record["type"] != "trial":
        return ""
    missing = sorted(_REQUIRED - record.keys())
    if missing:
        return f"is a trial without '{missing[0]}'"
    return "" if record["verdict"] in list(Verdict) else f"has an unknown verdict {record['verdict']!r}"


def _header_flaws(headers: list[Record]) -> list[str]:
    if not headers:
        return ["no header, so what was planned and which versions ran is not known"]
    return ["more than one header, so it holds more than one run"] if len(headers) > 1 else []


def _count_flaws(header: Record, footer: Record | None, recorded: int) -> list[str]:
    planned = header.get("planned", "an unknown number")
    if footer is None:
        return [f"no footer: the run was interrupted, {recorded} of {planned} trials recorded"]
    flaws = []
    if header and recorded != planned:
        flaws.append(f"{recorded} of {planned} planned trials recorded")
    if footer.get("recorded") != recorded:
        flaws.append(f"the footer counts {footer.get('recorded')} trials and the file holds {recorded}")
    return flaws


def _doubled_flaws(trials: list[Record]) -> list[str]:
    counts = Counter(trial["trial"] for trial in trials)
    doubled = sorted(id_ for id_, count in counts.items() if count > 1)
    return [f"{_trials(len(doubled))} recorded twice, the first is {doubled[0]}"] if doubled else []


def _missing_shards(runs: list[Run]) -> list[str]:
    """Shards that belong to a run that is here and are not here themselves."""
    groups: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for run in runs:
        number, _, total = str(run.header.get("shard", "1/1")).partition("/")
        targets = {name: target.get("version") for name, target in run.header.get("targets", {}).items()}
        alike = (total, str(run.header.get("tier")), str(run.header.get("selected")), str(sorted(targets.items())))
        groups[alike][number] = run.path
    problems = []
    for (total, *_), paths in sorted(groups.items()):
        missing = [str(n) for n in range(1, int(total) + 1) if str(n) not in paths] if total.isdigit() else []
        if missing:
            held = ", ".join(sorted(paths))
            problems.append(f"{min(paths.values())}: shard {held} of {total}; missing: {', '.join(missing)}.")
    return problems


def _identity(trial: Record) -> tuple[str, ...]:
    """Tell what makes two records the same measurement: a trial may well be repeated with other versions."""
    return trial["trial"], trial["reference"], trial["subject_version"], trial["reference_version"]


def _trials(count: int) -> str:
    return f"{count:,} trial is" if count == 1 else f"{count:,} trials are"
