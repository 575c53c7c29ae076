"""Which instruction set took effect, as each framework's libraries tell it, and never as it was asked for.

``isa`` is the word of :data:`harness.isa.ISAS` for what oneDNN took, since its kernels compute the layers; where oneDNN
is not there, or does not tell, for what ATen took. What has no word there is named as the library names it.
"""

from __future__ import annotations

import ctypes
import glob
import os
import re
import tempfile
from typing import Any, Callable, Dict, Optional

from harness.isa import machine

# oneDNN's names (src/cpu/platform.cpp), each with the word for it, or none; the first that is found counts.
_SENTENCES = (
    (r"AVX ?10\.[2-9].*", ""),
    (r"AMX with (?:.*\W)?float16", "amx_fp16"),
    (r"AMX", "amx"),
    (r"AVX-512 with float16|AVX ?10\.1", "avx512_fp16"),
    (r"AVX-512", "avx512"),
    (r"AVX2 with .*float16", "avx2_vnni_2"),
    (r"AVX2", "avx2"),
    (r"AVX", "avx"),
    (r"SSE4\.1", "sse41"),
)
# oneDNN's masks (dnnl_cpu_isa_t of 3.x). Dot products of integers (VNNI) and bfloat16 are in no kernel for floats.
_MASKS = {
    0x1: "sse41",
    0x3: "avx",
    0x7: "avx2",
    0xF: "avx2",
    0x1F: "avx2_vnni_2",
    0x27: "avx512",
    0x67: "avx512",
    0xE7: "avx512",
    0x1EF: "avx512_fp16",
    0xFEF: "amx",
    0x1FEF: "amx_fp16",
}
_ATEN = {"DEFAULT": "sse41", "NO AVX": "sse41", "AVX2": "avx2", "AVX512": "avx512"}
# MKL's branches (mkl_types.h, MKL_CBWR_*).
_BRANCHES = {1: "off", 2: "AUTO", 3: "COMPATIBLE", 4: "SSE2", 8: "SSE4_2", 9: "AVX", 10: "AVX2", 12: "AVX512"}
_STRICT = 0x10000
_ALL = -1  # MKL_CBWR_ALL


def of_torch(torch: Any) -> Dict[str, Any]:
    """What ATen, oneDNN and MKL took in this process; ``None`` for one that does not tell."""
    sentence, aten = _guarded(lambda: _torch_onednn(torch)), _guarded(lambda: _aten(torch))
    isa = word_of(sentence) if sentence else _here(_ATEN).get(str(aten), aten)
    return {"isa": isa, "onednn_isa": sentence, "aten_isa": aten, "mkl_cbwr": _guarded(lambda: _mkl(torch))}


def of_mindspore(mindspore: Any) -> Dict[str, Any]:
    """What oneDNN took in this process; ``None`` if it does not tell. MindSpore's own kernels (nnacl) do not."""
    folder = os.path.join(os.path.dirname(mindspore.__file__), "lib")
    mask = _guarded(lambda: int(_library(folder, "libdnnl.so*").dnnl_get_effective_cpu_isa()))
    isa = None if mask is None else _here(_MASKS).get(mask, hex(mask))
    return {"isa": isa, "onednn_isa": None if mask is None else hex(mask)}


def _here(words: Dict[Any, str]) -> Dict[Any, str]:
    """The words, on the architecture that they are of: oneDNN's masks mean something else on another."""
    return words if machine() == "x86_64" else {}


def _guarded(ask: Callable[[], Any]) -> Any:
    """The answer, or ``None`` from a release or a platform that cannot be asked so, in whatever way it says that."""
    try:
        return ask()
    except Exception:
        return None


def _library(folder: str, pattern: str) -> Any:
    return ctypes.CDLL(sorted(glob.glob(os.path.join(folder, pattern)))[0])


def word_of(sentence: str) -> str:
    """The word for what oneDNN calls an instruction set; the sentence itself where there is none."""
    found = next((word for pattern, word in _SENTENCES if re.search(pattern, sentence)), "")
    return found if found and machine() == "x86_64" else sentence


def _aten(torch: Any) -> Optional[str]:
    if hasattr(torch.backends, "cpu"):
        return str(torch.backends.cpu.get_cpu_capability())
    found = re.search(r"CPU (?:capability )?usage: (.+)", torch.__config__.show())  # before 2.1
    return found[1].strip() if found else None


def _mkl(torch: Any) -> Optional[str]:
    library = _library(os.path.join(os.path.dirname(torch.__file__), "lib"), "libtorch_cpu.so")
    branch = int(library.mkl_serv_cbwr_get(_ALL))
    name = _BRANCHES.get(branch & ~_STRICT, str(branch))
    return name + (",STRICT" if branch & _STRICT else "")


def _torch_onednn(torch: Any) -> Optional[str]:
    """What oneDNN says in the head of its log, which it writes once, with the first primitive that is logged."""
    mkldnn = torch.backends.mkldnn
    read_by_a_user = os.environ.get("ONEDNN_VERBOSE", "0") not in ("0", "none")

    def convolve() -> None:
        torch.nn.functional.conv2d(torch.ones(2, 4, 4, 4), torch.ones(4, 4, 3, 3))

    def logged() -> None:
        if read_by_a_user:  # the log would be off after it was switched on here
            convolve()
        else:
            with mkldnn.verbose(mkldnn.VERBOSE_ON):
                convolve()

    found = re.search(r",cpu,isa:(.+)", _printed(logged))
    return found[1].strip() if found else None


def _printed(run: Callable[[], None]) -> str:
    """What the body prints, from C too, on the standard output of this process."""
    libc = ctypes.CDLL(None)
    with tempfile.TemporaryFile() as file:
        libc.fflush(None)
        before = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            run()
            libc.fflush(None)
        finally:
            os.dup2(before, 1)
            os.close(before)
        file.seek(0)
        return file.read().decode(errors="replace")
