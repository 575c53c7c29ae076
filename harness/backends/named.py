"""``targets.toml``: targets with a name, in this interpreter or another one, on this host or another one.

[ms-2.0]
target = "mindspore@cpu"
where = "popen//python=.tox/mindspore-2.0/bin/python"

[ascend]
target = "mindspore@ascend:graph"
where = "ssh=user@host//python=/opt/venv/bin/python"
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, did_you_mean

FILE = "targets.toml"
# Set once the file was found, so that processes that work in other folders find the same one.
VARIABLE = "CONFORMANCE_TARGETS"
KEYS = ("target", "where")
WAYS = ("popen", "ssh", "socket", "vagrant_ssh")
# What else a specification of execnet's may say.
MORE = ("python", "chdir", "nice", "id", "ssh_config", "execmodel", "dont_write_bytecode", "via")
_NAME = re.compile(r"[A-Za-z][\w.-]*")
_LOCAL_PYTHON = re.compile(r"(?<=//python=)(?!/|~)([^/]+/.*?)(?=//|$)")


def path() -> Path:
    """The file that names targets: the one in this folder, or else the one that another process of ours found."""
    here, told = Path(FILE).absolute(), Path(os.environ.get(VARIABLE) or FILE)
    if here.is_file():
        os.environ[VARIABLE] = str(here)
        return here
    return told if told.is_file() else here


def named() -> Mapping[str, Mapping[str, str]]:
    """``target`` and ``where`` by name; none where there is no file. Raises HarnessError for a bad one."""
    file = path()
    return _read(file, file.stat().st_mtime_ns) if file.is_file() else {}


@cache
def _read(file: Path, _changed: int) -> Mapping[str, Mapping[str, str]]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise HarnessError(f"{file}: cannot be read: {error}") from None
    return {name: _entry(file, name, table) for name, table in _flat(tables)}


def _flat(tables: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Each table with its name as it was written: to TOML ``[ms-2.0]`` is a table ``0`` within ``ms-2``."""
    for name, table in tables.items():
        if isinstance(table, dict) and table and all(isinstance(value, dict) for value in table.values()):
            yield from _flat(table, f"{before}{name}.")
        else:
            yield f"{before}{name}", table


def _entry(file: Path, name: str, table: Any) -> Mapping[str, str]:
    at = f"{file}: [{name}]"
    if not _NAME.fullmatch(name):
        raise HarnessError(f"{at}: expected a name of letters, digits, '.', '-' and '_', as in ms-2.0")
    if not isinstance(table, dict):
        raise HarnessError(f"{at}: expected a table with the keys target and where")
    for key, value in table.items():
        if key not in KEYS:
            raise HarnessError(f"{at}: unknown key '{key}' ({did_you_mean(key, KEYS)})")
        if not isinstance(value, str) or not (value.strip() or key == "where"):
            raise HarnessError(f"{at}: {key}: expected a text that is not empty")
    if "target" not in table:
        raise HarnessError(f"{at}: no 'target', as in target = \"mindspore@cpu\"")
    return {"target": table["target"], "where": _where(file, at, table.get("where", ""))}


def _where(file: Path, at: str, where: str) -> str:
    """The specification with the path of an interpreter made whole: it is relative to the file."""
    parts = [part.partition("=") for part in where.split("//")]
    way, _, host = parts[0]
    if where and way not in WAYS:
        raise HarnessError(f"{at}: where: '{where}' starts with no way there ({did_you_mean(way, WAYS)})")
    if where and way != "popen" and not host:
        raise HarnessError(f"{at}: where: '{where}' names no host, as in {way}=user@host")
    for key, _, _ in parts[1:]:
        if key not in MORE and not key.startswith("env:"):
            raise HarnessError(f"{at}: where: execnet knows no '{key}' ({did_you_mean(key, MORE)})")
    if way != "popen":
        return where
    return _LOCAL_PYTHON.sub(lambda found: str(file.parent / found[1]), where)


def interpreter(where: str) -> str | None:
    """The path of the interpreter on this host that a specification names; ``None`` if it names none."""
    found = re.search(r"//python=(/.*?)(?=//|$)", where) if where.startswith("popen") else None
    return found[1] if found else None
