"""The process that trials run in: threads, core, and what is known of them before a framework is imported."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def limit_threads(threads: int) -> None:
    """Give every native library this many threads. Only works before the libraries are imported."""
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
    """The interpreter and the platform, for the record's header."""
    return {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
