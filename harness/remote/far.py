"""The other side: opens one backend, and does what it is asked. Python 3.9's syntax; sent over, and run there.

What this process prints, and the stack that it leaves when it dies or takes too long, goes to a file of its own, which
the next process on that side hands over.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from typing import Any, Dict, List

from harness import isa
from harness.remote.wire import pack, unpack

# What a process printed last is kept; more of it is not read.
LAST = 4000
LOG = "last-words.log"


def serve(channel: Any, setup: Dict[str, Any]) -> None:
    """Open the backend, then answer until nothing more is asked.

    Each question is a list: the name of a method, its arguments packed, and the seconds that it may take. The answer
    is ``["ok", value]``, or ``["raised", type, text]`` for an error that is no observation.

    Args:
        channel: execnet's.
        setup: the adapter's ``module`` and its ``arguments``, without a module there is nothing to serve; and ``isa``,
            the instruction set that this process is kept within.
    """
    if not setup["module"]:
        return
    log = _log()
    warnings.simplefilter("ignore")
    adapter = _guarded(channel, lambda: _opened(setup))
    if adapter is None:
        return
    for method, arguments, limit in channel:
        faulthandler.dump_traceback_later(limit, exit=True, file=log)
        answer = _answer(adapter, method, arguments)
        faulthandler.cancel_dump_traceback_later()
        channel.send(answer)


def last_words(folder: str) -> str:
    """What another process left in the log of its folder, which is removed; empty if it left nothing."""
    folder = os.path.join(os.path.dirname(tempfile.gettempdir()), folder)  # beside the one of this process
    path = os.path.join(folder, LOG)
    text = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as log:
            text = log.read()
    shutil.rmtree(folder, ignore_errors=True)
    return text if len(text) <= LAST else "..." + text[-LAST:]


def _log() -> int:
    """Have all that is printed here, and the stack of a fatal signal, written to a file in this process' folder."""
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    faulthandler.enable(log)
    return log


def _opened(setup: Dict[str, Any]) -> Any:
    reason = isa.lacking(setup["isa"])
    if reason:
        raise RuntimeError(reason)
    adapter = importlib.import_module(setup["module"])
    return adapter.Adapter(*setup["arguments"])


def _guarded(channel: Any, open_it: Any) -> Any:
    """What was opened, after its provenance was sent; ``None`` if it could not be, after that was."""
    try:
        opened = open_it()
        channel.send(["ok", pack({**opened.provenance(), **isa.told()})])
    except BaseException as error:  # an import may even exit
        channel.send(["raised", type(error).__name__, _reason(error)])
        return None
    return opened


def _answer(adapter: Any, method: str, arguments: List[Any]) -> List[Any]:
    try:
        return ["ok", pack(getattr(adapter, method)(*map(unpack, arguments)))]
    except (Exception, SystemExit) as error:
        # A library's kind of it has a name of its own.
        name = "MemoryError" if isinstance(error, MemoryError) else type(error).__name__
        return ["raised", name, _reason(error)]


def _reason(error: BaseException) -> str:
    """The error in a line, and where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    at = " (%s:%d)" % (os.path.basename(frames[-1].filename), frames[-1].lineno or 0) if frames else ""
    return " ".join(str(error).split()) + at


def version() -> str:
    """The interpreter's."""
    return "%d.%d.%d" % sys.version_info[:3]
