"""What is sent to the other side: the sources of an adapter and of what it stands on."""

from __future__ import annotations

import importlib
import inspect
from functools import cache

# Unpacks the sources into a folder of its own there, and serves. Itself sent as text: it may import nothing of ours.
BOOT = """
import os, shutil, signal, sys, tempfile
signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks ends it, and then it cleans up
setup = channel.receive()
folder = os.path.join(tempfile.gettempdir(), setup["folder"])
os.mkdir(folder, 0o700)
tempfile.tempdir = folder  # what a framework leaves goes with it
try:
    os.environ.update(setup["environment"])
    for name, text in setup["sources"].items():
        path = os.path.join(folder, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    sys.path.insert(0, folder)
    os.chdir(folder)
    from harness import isa
    isa.keep_within(setup["isa"])  # before anything else is imported
    from harness.remote import far
    channel.send([far.version(), far.last_words(setup["before"]) if setup["before"] else ""])
    far.serve(channel, setup)
finally:
    os.chdir(os.path.dirname(folder))
    shutil.rmtree(folder, ignore_errors=True)
"""
# An adapter names what else it stands on in NEEDS.
_COMMON = (
    "harness.isa",
    "harness.protocol",
    "harness.dtypes",
    "harness.backends.pipeline",
    "harness.remote.wire",
    "harness.remote.far",
)


@cache
def sources(module: str) -> dict[str, str]:
    """The files to write on the other side, by path: the adapter of this name, what it needs, and packages for them."""
    adapter = importlib.import_module(module)
    needed = [*_COMMON, *getattr(adapter, "NEEDS", ()), module]
    files = {f"{name.replace('.', '/')}.py": _text(name) for name in needed}
    folders = {path.rpartition("/")[0] for path in files}
    # Empty, so that no package there imports what only ours has.
    return {**{f"{folder}/__init__.py": "" for folder in sorted(folders | {"harness"})}, **files}


def _text(name: str) -> str:
    return inspect.getsource(importlib.import_module(name))
