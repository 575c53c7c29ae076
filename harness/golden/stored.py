"""The file: a safetensors file of compressed bytes, with an index among them; verified before it is used.

Its metadata are texts: ``golden`` (the version of this format), ``target`` (``torch@cpu``), ``side``, ``framework``,
``version``, ``provenance`` (JSON), ``harness``, ``plan`` (the hash over the trials recorded), ``tier``, ``shard``,
``trials``, ``count``, ``time``, and ``sha256`` over all the rest. The tensors are uint8: ``index``, JSON compressed by
zlib; and of each family and kind of array one, as ``conv2d/same-odd:float32``.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from harness.errors import HarnessError
from harness.golden.arrays import expanded
from harness.model import Array
from harness.records import replacing

FORMAT = "1"
USUAL = {"tier": "default", "shard": "1/1"}
INDEX = "index"
SHA = "sha256"
OPENED_AT_ONCE = 32  # compressed tensors that are kept open; those of some families


@dataclass(frozen=True)
class Golden:
    """An open golden, whose bytes have been verified.

    Attributes:
        path: where it is.
        about: its metadata.
        answers: what was answered, by the digest of the question; see ``recording.py``.
        calls: digests of the calls that were recorded with some numbers.
    """

    path: Path
    about: Mapping[str, str]
    answers: Mapping[str, Any] = field(repr=False)
    calls: frozenset[str] = field(repr=False)

    @property
    def again(self) -> str:
        """The command that records it anew."""
        about = self.about
        given = [f" --{name} {about[name]}" for name, usual in USUAL.items() if about[name] != usual]
        return f"record it again with: {recording(about['target'], self.path.name)}{''.join(given)}"

    def array(self, stream: str, start: int, count: int) -> Array:
        """A part of one of the compressed tensors: of one axis, in the dtype that it is kept in."""
        return _stream(self.path, self.about[SHA], stream)[start : start + count]


def recording(target: str, file: str) -> str:
    """The command that records a target."""
    return f"python -m harness record --target {target} -o {file}"


def write(path: Path, about: Mapping[str, str], index: Mapping[str, Any], streams: Mapping[str, bytes]) -> int:
    """Write a golden; replaced as a whole. Returns its bytes. Raises HarnessError where it cannot be written."""
    blobs = {INDEX: zlib.compress(json.dumps(index).encode(), 9), **streams}
    tensors = {name: np.frombuffer(blob, np.uint8) for name, blob in sorted(blobs.items())}
    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary, {**about, SHA: _hash(about, tensors)})
            return temporary.stat().st_size
    except OSError as error:
        raise HarnessError(f"{path}: cannot be written: {error.strerror or error}") from None
    except SafetensorError as error:
        raise HarnessError(f"{path}: cannot be written: {error}") from None


def check_writable(path: Path) -> None:
    """Raise HarnessError now where a golden could not be written there once it is recorded."""
    if not path.parent.is_dir():
        raise HarnessError(f"{path}: cannot be written: there is no folder {path.parent}")
    if path.is_dir():
        raise HarnessError(f"{path}: cannot be written: it is a folder; expected the name of a file")


def about(path: Path) -> Mapping[str, str]:
    """The metadata of a golden whose bytes are those that were written.

    Raises:
        HarnessError: there is no such file; it is none, or damaged, or of another format.
    """
    if not path.is_file():
        raise HarnessError(f"golden:{path}: no such file; record one with: {recording('torch@cpu', path.name)}")
    return _verified(path, _stamp(path))


def told(about: Mapping[str, str]) -> dict[str, Any]:
    """What the target told of itself when it was recorded."""
    found: dict[str, Any] = json.loads(about["provenance"])
    return found


def opened(path: Path) -> Golden:
    """The golden in this file. Raises as :func:`about` does."""
    found = about(path)
    return _opened(path, found[SHA])


def _stamp(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size


@cache
def _verified(path: Path, _stamped: tuple[int, int]) -> Mapping[str, str]:
    try:
        with safe_open(path, framework="np") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError, ValueError) as error:
        told = " ".join(str(error).split())
        raise HarnessError(
            f"golden:{path}: damaged, or no golden at all ({told}); copy it or record it again"
        ) from None
    if "golden" not in metadata or SHA not in metadata:
        raise HarnessError(
            f"golden:{path}: a safetensors file, but no golden: expected one that 'python -m harness record' wrote"
        )
    if metadata["golden"] != FORMAT:
        raise HarnessError(
            f"golden:{path}: of format {metadata['golden']}, expected {FORMAT}: record it again with this harness"
        )
    told_hash = metadata.pop(SHA)
    if _hash(metadata, tensors) != told_hash:
        raise HarnessError(
            f"golden:{path}: damaged: its bytes are not those that were recorded; copy it or record it again"
        )
    return {**metadata, SHA: told_hash}


def _hash(about: Mapping[str, str], tensors: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(json.dumps(dict(sorted(about.items()))).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


@lru_cache(2)
def _opened(path: Path, sha256: str) -> Golden:
    with safe_open(path, framework="np") as file:
        index = json.loads(zlib.decompress(file.get_tensor(INDEX).tobytes()))
    found = about(path)
    return Golden(path, found, index["answers"], frozenset(index["calls"]))


@lru_cache(OPENED_AT_ONCE)
def _stream(path: Path, sha256: str, name: str) -> Array:
    with safe_open(path, framework="np") as file:
        if file.metadata()[SHA] != sha256:
            raise HarnessError(f"golden:{path}: was replaced while it was played back; run again")
        return expanded(file.get_tensor(name).tobytes(), name.rpartition(":")[2])
