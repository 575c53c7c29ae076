"""A checkpoint's tensors under the other side's names and in its layouts, bit by bit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError, TensorSpec, deserialize, safe_open, serialize_file

from harness.errors import HarnessError
from harness.model import Array, Case
from harness.porting import checkpoint
from harness.porting.checkpoint import convert
from harness.tests.mini import dense

# How the library spells a dtype when it writes, when it reads, and the bytes of an element.
WIDTHS = {
    "float64": ("F64", 8),
    "float32": ("F32", 4),
    "float16": ("F16", 2),
    "bfloat16": ("BF16", 2),
    "float8_e5m2": ("F8_E5M2", 1),
    "complex64": ("C64", 8),
    "int8": ("I8", 1),
    "uint64": ("U64", 8),
    "bool": ("BOOL", 1),
}
Tensors = dict[str, tuple[str, tuple[int, ...], bytes]]


def save(path: Path, tensors: Tensors, metadata: dict[str, str] | None = None) -> Path:
    buffers = {name: np.frombuffer(data or b"\0", np.uint8) for name, (_, _, data) in tensors.items()}
    specs = {
        name: TensorSpec(dtype=dtype, shape=list(shape), data_ptr=buffers[name].ctypes.data, data_len=len(data))
        for name, (dtype, shape, data) in tensors.items()
    }
    serialize_file(specs, path, metadata)
    return path


def stored(path: Path) -> Tensors:
    entries: list[tuple[str, dict[str, Any]]] = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    return {name: (each["dtype"], tuple(each["shape"]), bytes(each["data"])) for name, each in entries}


def noise(count: int) -> bytes:
    return np.random.default_rng(count).bytes(count)


def weights(dtype: str = "float32", prefix: str = "") -> Tensors:
    """Weight and bias of the miniature layer, every byte drawn."""
    width = WIDTHS[dtype][1]
    return {
        f"{prefix}weight": (dtype, (4, 3), noise(12 * width)),
        f"{prefix}bias": (dtype, (4,), noise(4 * width)),
    }


def words(entry: tuple[str, tuple[int, ...], bytes], width: int) -> Array:
    return np.frombuffer(entry[2], f"u{width}").reshape(entry[1])


def to_mini(source: Path, **rest: Any) -> list[str]:
    return convert(source, source.with_name("to.safetensors"), rest.pop("case", dense()), "honest", "mini", **rest)


def error(source: Path, **rest: Any) -> str:
    with pytest.raises(HarnessError) as caught:
        to_mini(source, **rest)
    assert not source.with_name("to.safetensors").exists()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{source}: ")
    return str(caught.value).removeprefix(f"{source}: ")


@pytest.mark.parametrize("dtype", WIDTHS)
def test_names_and_layouts_change_and_no_bit_does(tmp_path: Path, dtype: str) -> None:
    spelled, width = WIDTHS[dtype]
    source = save(tmp_path / "from.safetensors", weights(dtype))
    lines = to_mini(source)
    before, after = stored(source), stored(tmp_path / "to.safetensors")
    assert after.keys() == {"kernel", "bias"}
    assert {each[0] for each in after.values()} == {spelled}
    assert after["bias"] == before["bias"]
    assert after["kernel"][1] == (3, 4)
    assert np.array_equal(words(after["kernel"], width), words(before["weight"], width).T)
    assert lines == [f"weight (4, 3) -> kernel (3, 4), {spelled}", f"bias (4,) -> bias (4,), {spelled}"]


@pytest.mark.parametrize("dtype", WIDTHS)
def test_there_and_back_gives_the_same_file(tmp_path: Path, dtype: str) -> None:
    source = save(tmp_path / "from.safetensors", weights(dtype), {"format": "pt"})
    to_mini(source)
    convert(tmp_path / "to.safetensors", tmp_path / "back.safetensors", dense(), "mini", "honest")
    assert (tmp_path / "back.safetensors").read_bytes() == source.read_bytes()


def test_the_payload_of_what_is_no_number_survives(tmp_path: Path) -> None:
    payloads = np.array([0x7F800001, 0xFFC12345, 0x7FFFFFFF, 0x80000000], np.uint32)
    signalling = np.array([0x7C01, 0xFE55, 0x7F81, 0x8000] * 3, np.uint16)
    tensors: Tensors = {
        "weight": ("bfloat16", (4, 3), signalling.tobytes()),
        "bias": ("float32", (4,), payloads.tobytes()),
    }
    to_mini(save(tmp_path / "from.safetensors", tensors))
    after = stored(tmp_path / "to.safetensors")
    assert after["bias"][2] == payloads.tobytes()
    assert np.array_equal(words(after["kernel"], 2), signalling.reshape(4, 3).T)


def test_an_axis_is_added_and_taken_away(tmp_path: Path) -> None:
    weight, bias = dense().state
    case = dense(state=(replace(weight, expand_dims={"mini": 2}), bias))
    source = save(tmp_path / "from.safetensors", weights())
    to_mini(source, case=case)
    assert stored(tmp_path / "to.safetensors")["kernel"][1] == (3, 4, 1)
    convert(tmp_path / "to.safetensors", tmp_path / "back.safetensors", case, "mini", "honest")
    assert stored(tmp_path / "back.safetensors") == stored(source)


OTHERS: Tensors = {
    "head.weight": ("float16", (2, 5), noise(20)),
    "steps": ("uint64", (), noise(8)),
    "nothing": ("float32", (0, 3), b""),
}


def test_other_tensors_and_the_metadata_are_kept(tmp_path: Path) -> None:
    metadata = {"format": "pt", "note": "naïve"}
    source = save(tmp_path / "from.safetensors", {**weights(prefix="body.0."), **OTHERS}, metadata)
    to_mini(source)
    before, after = stored(source), stored(tmp_path / "to.safetensors")
    assert {name: after[name] for name in OTHERS} == {name: before[name] for name in OTHERS}
    assert after.keys() == {*OTHERS, "body.0.kernel", "body.0.bias"}
    with safe_open(tmp_path / "to.safetensors", framework="np") as opened:
        assert opened.metadata() == metadata


def test_without_metadata_none_is_written(tmp_path: Path) -> None:
    to_mini(save(tmp_path / "from.safetensors", weights()))
    with safe_open(tmp_path / "to.safetensors", framework="np") as opened:
        assert not opened.metadata()


def test_the_only_layer_that_fits_is_found_by_all_its_parameters(tmp_path: Path) -> None:
    tensors = {
        **weights(prefix="body.3."),
        "body.4.weight": ("float32", (4, 3), noise(48)),
        "body.5.weight": ("float32", (4, 3), noise(48)),
        "body.5.bias": ("float32", (5,), noise(20)),
        "body.6.bias": ("float32", (4,), noise(16)),
    }
    to_mini(save(tmp_path / "from.safetensors", tensors))
    after = stored(tmp_path / "to.safetensors")
    assert set(after) - set(tensors) == {"body.3.kernel"}
    assert set(tensors) - set(after) == {"body.3.weight"}


def test_the_end_of_another_name_is_no_name(tmp_path: Path) -> None:
    tensors: Tensors = {
        **weights(prefix="a."),
        "a.old_weight": ("int8", (4, 3), noise(12)),
        "a.old_bias": ("int8", (4,), noise(4)),
    }
    to_mini(save(tmp_path / "from.safetensors", tensors))
    assert stored(tmp_path / "to.safetensors").keys() == {"a.kernel", "a.bias", "a.old_weight", "a.old_bias"}


def test_of_two_layers_one_has_to_be_named(tmp_path: Path) -> None:
    both = {**weights(prefix="left."), **weights("float16", prefix="right.")}
    source = save(tmp_path / "from.safetensors", both)
    says = error(source)
    assert says == "2 layers have weight (4, 3), bias (4,); give --prefix left. or right."
    to_mini(source, prefix="right.")
    assert stored(tmp_path / "to.safetensors").keys() == {"left.weight", "left.bias", "right.kernel", "right.bias"}


def test_no_layer_that_fits_is_an_error_with_what_there_is(tmp_path: Path) -> None:
    source = save(tmp_path / "from.safetensors", {"weight": ("float32", (3, 4), noise(48))})
    assert error(source) == "no layer with weight (4, 3), bias (4,) in it; it has weight (3, 4)"
    assert error(save(tmp_path / "none.safetensors", {})).endswith("it has nothing")


def test_a_named_layer_that_is_not_there_or_has_another_shape(tmp_path: Path) -> None:
    tensors: Tensors = {"a.weight": ("float32", (3, 4), noise(48)), "a.bias": ("float32", (4,), noise(16))}
    source = save(tmp_path / "from.safetensors", tensors)
    assert error(source, prefix="b.") == "no tensor 'b.weight'; it has a.bias, a.weight"
    assert error(source, prefix="a.") == "'a.weight' has the shape (3, 4), the layer's is (4, 3)"
    assert error(source, prefix="") == "no tensor 'weight'; it has a.bias, a.weight"


def test_a_tensor_of_another_kind_is_not_written_over(tmp_path: Path) -> None:
    source = save(tmp_path / "from.safetensors", {**weights(), "kernel": ("int8", (2,), b"ab")})
    assert error(source) == "'kernel' would be written over, which is not of this layer"


def test_two_parameters_may_change_names(tmp_path: Path) -> None:
    weight, bias = dense().state
    swapped = (replace(weight, names={"mini": "bias"}), replace(bias, names={"mini": "weight"}))
    source = save(tmp_path / "from.safetensors", weights())
    to_mini(source, case=dense(state=swapped))
    after = stored(tmp_path / "to.safetensors")
    assert {name: each[1] for name, each in after.items()} == {"bias": (3, 4), "weight": (4,)}


def test_what_a_side_lacks_is_copied(tmp_path: Path) -> None:
    weight, bias = dense().state
    case = dense(state=(weight, replace(bias, lacking=frozenset({"mini"}))))
    source = save(tmp_path / "from.safetensors", weights())
    assert len(to_mini(source, case=case)) == 1
    assert stored(tmp_path / "to.safetensors")["bias"] == stored(source)["bias"]


@pytest.mark.parametrize("content", [b"", b"PK\3\4 a zip file", b'\x08\0\0\0\0\0\0\0{"a": 1}'])
def test_what_is_no_such_file(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "from.safetensors"
    source.write_bytes(content)
    assert error(source).startswith("not a safetensors file: ")


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        to_mini(tmp_path / "from.safetensors")


def test_a_dtype_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    source = save(tmp_path / "from.safetensors", {**weights(), "odd": ("float8_e8m0fnu", (2,), b"ab")})
    assert re.match(r"'odd' has the dtype F8_E8M0, which is none of F64, F32", error(source))


def test_the_source_may_be_the_target(tmp_path: Path) -> None:
    source = save(tmp_path / "from.safetensors", weights())
    convert(source, source, dense(), "honest", "mini")
    assert stored(source).keys() == {"kernel", "bias"}
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("failure", [SafetensorError("disk full"), OSError("disk full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    source = save(tmp_path / "from.safetensors", weights())
    target = tmp_path / "to.safetensors"
    target.write_bytes(b"the old one")

    def half(specs: object, path: Path, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise failure

    monkeypatch.setattr(checkpoint, "serialize_file", half)
    expected = type(failure) if isinstance(failure, KeyboardInterrupt) else HarnessError
    with pytest.raises(expected, match=r"disk full|^$"):
        to_mini(source)
    assert target.read_bytes() == b"the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from.safetensors", "to.safetensors"]


def test_a_target_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    source = save(tmp_path / "from.safetensors", weights())
    with pytest.raises(HarnessError, match="cannot be written"):
        convert(source, tmp_path / "nowhere" / "to.safetensors", dense(), "honest", "mini")


def test_a_layer_without_bias_leaves_a_bias_alone(tmp_path: Path) -> None:
    case: Case = dense(bias=False)
    source = save(tmp_path / "from.safetensors", weights())
    to_mini(source, case=case)
    assert stored(tmp_path / "to.safetensors").keys() == {"kernel", "bias"}
