"""A checkpoint's tensors from one framework's names and layouts to the other's, bit by bit, in any dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, TensorSpec, deserialize, safe_open, serialize_file

from harness.errors import HarnessError
from harness.model import Array, Case, Parameter
from harness.records import replacing
from harness.requests import from_side, own_name, side_shape, to_side

# The library reads one spelling and writes another; tensors are moved as bytes, so that no dtype is lost on NumPy.
DTYPES = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"},
    **{"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64", "BOOL": "bool"},
    **{f"{kind}{bits}": f"{word}{bits}" for kind, word in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class Stored:
    """One tensor of a file: its dtype as the file spells it, and its bytes as unsigned integers of its shape."""

    dtype: str
    words: Array


def convert(
    source: Path,
    target: Path,
    case: Case,
    giver: str,
    taker: str,
    *,
    prefix: str | None = None,
    lacking: Sequence[str] = (),
) -> list[str]:
    """Write the checkpoint with the layer's tensors under the other side's names and in its layouts.

    Args:
        source: a safetensors file; tensors of other layers are copied as they are.
        target: where to write; replaced as a whole.
        case: whose state map applies.
        giver: the framework that the tensors come from.
        taker: the one that they are for.
        prefix: what stands before the parameters' names; ``None`` to find the only one that fits.
        lacking: names of parameters that the layer could have and, by the call, has not.

    Returns:
        A line for each tensor that was converted.

    Raises:
        HarnessError: not such a file, or its tensors are not those of the layer.
    """
    stored, metadata = _read(source)
    present = [each for each in case.state if not {giver, taker} & each.lacking]
    start = _prefix(source, stored, present, giver) if prefix is None else prefix and f"{prefix.rstrip('.')}."
    lines, moved, kept = [], dict[str, Stored](), dict(stored)
    for each in present:
        old, new = start + own_name(each, giver), start + own_name(each, taker)
        if old not in stored:
            raise HarnessError(f"{source}: no tensor '{old}'; it has {', '.join(sorted(stored)) or 'none'}")
        tensor = stored[old]
        _check_shape(source, old, tensor, side_shape(each, giver))
        words = to_side(each, taker, from_side(each, giver, tensor.words))
        del kept[old]
        moved[new] = Stored(tensor.dtype, words)
        lines.append(f"{old} {tensor.words.shape} -> {new} {words.shape}, {tensor.dtype}")
    for name in (start + each for each in lacking if start + each in stored):
        raise HarnessError(f"{source}: '{name}' is there too, but the layer of this call has no such parameter")
    for name in sorted(kept.keys() & moved.keys()):
        raise HarnessError(f"{source}: '{name}' would be written over, which is not of this layer")
    _write(target, {**kept, **moved}, metadata)
    return lines


def _prefix(source: Path, stored: Mapping[str, Stored], present: list[Parameter], giver: str) -> str:
    names = [own_name(each, giver) for each in present]
    keys = [f".{key}" for key in stored]  # a parameter's name stands alone, or after a dot
    starts = [key[1:].removesuffix(names[0]) for key in keys if names and key.endswith(f".{names[0]}")]
    shapes = {own_name(each, giver): side_shape(each, giver) for each in present}
    fitting = [
        start
        for start in sorted(starts)
        if all(start + name in stored and stored[start + name].words.shape == shapes[name] for name in names)
    ]
    if len(fitting) == 1:
        return fitting[0]
    wanted = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if fitting:
        raise HarnessError(f"{source}: {len(fitting)} layers have {wanted}; give --prefix {' or '.join(fitting)}")
    found = ", ".join(f"{name} {each.words.shape}" for name, each in sorted(stored.items())) or "nothing"
    raise HarnessError(f"{source}: no layer with {wanted} in it; it has {found}")


def _check_shape(source: Path, name: str, tensor: Stored, shape: tuple[int, ...]) -> None:
    if tensor.words.shape != shape:
        raise HarnessError(f"{source}: '{name}' has the shape {tensor.words.shape}, the layer's is {shape}")


def _read(source: Path) -> tuple[dict[str, Stored], dict[str, str]]:
    try:
        entries: list[tuple[str, dict[str, Any]]] = deserialize(source.read_bytes())  # type: ignore[no-untyped-call]
        with safe_open(source, framework="np") as opened:
            metadata = dict(opened.metadata() or {})
    except SafetensorError as error:
        raise HarnessError(f"{source}: not a safetensors file: {error}") from None
    return {name: _stored(source, name, entry) for name, entry in entries}, metadata


def _stored(source: Path, name: str, entry: Mapping[str, Any]) -> Stored:
    shape, data = tuple(entry["shape"]), bytes(entry["data"])
    count = int(np.prod(shape, dtype=np.int64))
    width = len(data) // count if count else 1
    if entry["dtype"] not in DTYPES or width not in (1, 2, 4, 8):
        raise HarnessError(f"{source}: '{name}' has the dtype {entry['dtype']}, which is none of {', '.join(DTYPES)}")
    return Stored(entry["dtype"], np.frombuffer(data, f"u{width}").reshape(shape))


def _write(target: Path, tensors: Mapping[str, Stored], metadata: dict[str, str]) -> None:
    kept = {name: np.asarray(each.words, order="C") for name, each in tensors.items()}  # of no axis too
    specs = {
        name: TensorSpec(
            dtype=DTYPES[tensors[name].dtype],
            shape=list(array.shape),
            data_ptr=array.ctypes.data,
            data_len=array.nbytes,
        )
        for name, array in kept.items()
    }
    try:
        with replacing(target) as temporary:
            serialize_file(specs, temporary, metadata or None)
    except OSError as error:
        raise HarnessError(f"{target}: cannot be written: {error.strerror or error}") from None
    except SafetensorError as error:
        raise HarnessError(f"{target}: cannot be written: {error}") from None
