"""The process that trials run in: threads, core, and what is known of them before a framework is imported."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness import isa

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def prepare(threads: int, instruction_set: str = "") -> None:
    """Set the variables that native libraries read when they are loaded. Only works before a framework is imported.

    Args:
        threads: for every library.
        instruction_set: what this process is kept within, one of :data:`harness.isa.WORDS`; empty for the baseline.
    """
    isa.keep_within(instruction_set)
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    # MindSpore prints each rejected operator at warning level; the record has it already.
    os.environ.setdefault("GLOG_v", "3")


def cores() -> list[int]:
    """The cores that this process may use; empty where the platform does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin(core: int) -> None:
    """Keep this process on one core: on few cores, the frameworks' idle threads cost more than they give."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this thread, and those that it starts, on one core within the body; ``None`` leaves it where it is."""
    before = cores()
    if core is None or not before:
        yield
        return
    pin(core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def describe() -> dict[str, Any]:
    """The interpreter, the platform and the CPU, for the record's header."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": isa.cpu(),
        "isas": isa.available(),
    }
