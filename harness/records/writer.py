"""Writing ``results.jsonl``, and any file so that no half of it is ever seen."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TextIO

from harness.errors import HarnessError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows has no advisory locks; two runs into one folder are then not told apart
    fcntl = None


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

    def _line(self, record: Mapping[str, Any]) -> None:
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


def dump(record: Mapping[str, Any]) -> str:
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
