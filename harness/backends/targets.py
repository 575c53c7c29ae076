"""From a target's name to a backend, or to the reason why it cannot run here. Imports no framework."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import harness.backends
from harness import environment, isa
from harness.backends import named
from harness.errors import HarnessError, did_you_mean
from harness.golden import player
from harness.model import GOLDEN, Target
from harness.protocol import Backend
from harness.remote.near import Remote

LIMIT = 60.0
OWN_PROCESS = "popen"
PREFIX = "adapter_"
DEVICES = ("cpu", "gpu", "ascend")
EXPECTED = "framework@device[+isa][:mode], as in mindspore@cpu, torch@cpu+native"


@cache
def frameworks() -> tuple[str, ...]:
    """The frameworks that have an adapter file here, the adjudicator's NumPy among them."""
    modules = pkgutil.iter_modules(harness.backends.__path__)
    return tuple(sorted(each.name.removeprefix(PREFIX) for each in modules if each.name.startswith(PREFIX)))


def together(texts: Iterable[str]) -> tuple[str, tuple[Target, ...]]:
    """The targets of one run, and the instruction set of the process that it is run in.

    That is the one of the first target which needs no process of its own. Raises HarnessError as :func:`parse` does.
    """
    found = [_parsed(text) for text in texts]
    process = next((each.isa for each in found if not each.where), "")
    return process, tuple(_placed(each, process) for each in found)


def _placed(target: Target, process: str) -> Target:
    """The target in a process of its own, if it is here and needs another instruction set than ``process``."""
    if target.where or isa.variables(target.isa) == isa.variables(process):
        return target
    return replace(target, where=OWN_PROCESS)


def parse(text: str, process: str = "") -> Target:
    """``framework@device[+isa][:mode]``, a name from ``targets.toml``, or ``golden:FILE``.

    Args:
        text: what is parsed.
        process: the instruction set of the process that asks; what has another one gets a process of its own.

    Raises:
        HarnessError: it is anything else, or the file is no sound golden.
    """
    return _placed(_parsed(text), process)


def _parsed(text: str) -> Target:
    if text.startswith(GOLDEN):
        return player.parse(text)
    names = named.named() if "@" not in text else {}
    if text in names:
        entry = names[text]
        try:
            kind = spelled(entry["target"])
        except HarnessError as error:
            raise HarnessError(f"{named.path()}: [{text}]: {error}") from None
        return replace(kind, name=text, where=entry["where"] or kind.where)
    if "@" not in text:
        known = (
            f"; {named.path()} names others ({did_you_mean(text, names)})"
            if names
            else f"; there is no {named.FILE} here"
        )
        raise HarnessError(f"target '{text}': expected {EXPECTED}{known}")
    return spelled(text)


def spelled(text: str) -> Target:
    """``framework@device[+isa][:mode]`` and no name. Raises HarnessError for anything else."""
    target = Target.of_kind(text)
    parts = [("framework", target.framework, frameworks()), ("device", target.device, DEVICES)]
    parts += [("instruction set", target.isa, isa.WORDS)] if "+" in text else []
    if not target.device or "+" in target.mode:
        raise HarnessError(f"target '{text}': expected {EXPECTED}")
    for part, word, known in parts:
        if word not in known:
            raise HarnessError(f"target '{text}': unknown {part} ({did_you_mean(word, known)})")
    if target.isa and target.device != "cpu":
        raise HarnessError(
            f"target '{text}': only a CPU has instruction sets to choose from; leave out '+{target.isa}'"
        )
    # MindSpore and torch on one accelerator belong into separate processes.
    return target if target.device == "cpu" else replace(target, where=OWN_PROCESS)


def obstacle(target: Target) -> str | None:
    """Why the target cannot run here, with the remedy; ``None`` if it can, as far as can be told without importing."""
    return player.obstacle(target.where) if target.golden else _obstacle(target)


def unasked(target: Target) -> str | None:
    """Why the target cannot be asked what no run has asked; ``None`` if it can."""
    if not target.golden:
        return None
    return f"it answers what was recorded, and this asks for more; give the target itself: {target.kind}"


def _obstacle(target: Target) -> str | None:
    adapter = _adapter(target.framework)
    python = named.interpreter(target.where)
    if python is not None and not Path(python).is_file():
        return f"no interpreter {python}; make it, with: tox run -e targets"
    if target.device not in adapter.DEVICES:
        return f"no adapter for {target.framework} on {target.device} yet (it has: {', '.join(adapter.DEVICES)})"
    if target.mode not in adapter.MODES:
        modes = ", ".join(filter(None, adapter.MODES)) or "none"
        return f"{target.framework} has no mode '{target.mode}' here (it has: {modes})"
    if target.where not in ("", OWN_PROCESS):
        return None  # what is installed there shows when it is opened
    if importlib.util.find_spec(adapter.PACKAGE) is None:
        return f"{target.framework} is not installed; install it with: python -m pip install '{adapter.REQUIRES}'"
    reason: str | None = adapter.conflict() or isa.lacking(target.isa)
    lacking = getattr(adapter, "lacking", None)
    return reason or (lacking(target.device) if lacking else None)


@cache
def version(framework: str) -> str | None:
    """The installed version, from the package's metadata."""
    try:
        return importlib.metadata.version(framework)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def backend(target: Target, threads: int, limit: float = LIMIT) -> Backend:
    """The target's backend; imports the framework, here or where the target is.

    One a process, since devices can be set once only. One elsewhere may take ``limit`` seconds for a request.
    """
    if target.golden:
        return player.Player(target, backend(Target("numpy", "cpu"), threads))
    adapter = _adapter(target.framework)
    if target.where:
        variables = {name: str(threads) for name in environment.THREAD_VARIABLES}
        return Remote(target, adapter.__name__, {**variables, "GLOG_v": "3"}, threads, limit)
    made: Backend = adapter.Adapter(target.device, target.mode, threads)
    return made


def provenance(target: Target) -> Mapping[str, Any]:
    """What can be said of a target without importing its framework."""
    if target.golden:
        return player.provenance(target.where)
    told: dict[str, Any] = {"framework": target.framework, "version": None, "device": target.device}
    told |= {"mode": target.mode, **({"isa_asked": isa.meant(target.isa)} if target.device == "cpu" else {})}
    if target.where not in ("", OWN_PROCESS):
        return {**told, "target": target.kind, "where": target.where}
    return {**told, "version": version(target.framework)}


def title(framework: str) -> str:
    """How the framework writes its name; as it is called here, where the adapter does not say."""
    written: str = getattr(_adapter(framework), "TITLE", framework)
    return written


def ways(framework: str) -> Sequence[str]:
    """The framework's own ways to load a state."""
    named: Sequence[str] = getattr(_adapter(framework), "WAYS", ())
    return named


def dialect(framework: str) -> Mapping[str, str]:
    """How the framework's code is written: patterns for ``tensor``, ``array``, ``read`` and ``write``."""
    patterns: Mapping[str, str] = _adapter(framework).DIALECT
    return patterns


def _adapter(framework: str) -> Any:
    return importlib.import_module(f"harness.backends.{PREFIX}{framework}")
