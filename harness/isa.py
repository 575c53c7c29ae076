"""The CPU's instruction sets: the words for them, how a process is kept within one, and what this CPU has.

Which kernel a library takes depends on the instruction set, and on the kernel whether a zero of the padding meets a
NaN, or whether subnormal numbers are flushed. Three libraries let a process be kept within a set, by variables that
they read once, when they are first used: oneDNN by ``ONEDNN_MAX_CPU_ISA`` (its guide, "CPU Dispatcher Control"; before
2.6 ``DNNL_MAX_CPU_ISA``), ATen by ``ATEN_CPU_CAPABILITY`` (its DispatchStub) and MKL by ``MKL_CBWR`` (its guide,
"Conditional Numerical Reproducibility"). What a user has set in the environment wins over all of this.

Python 3.9's syntax, and nothing but the standard library: it is sent to other interpreters.
"""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from typing import Dict, List, Mapping, MutableMapping, NamedTuple, Optional, Tuple

ONEDNN = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
ATEN, MKL = "ATEN_CPU_CAPABILITY", "MKL_CBWR"
VARIABLES = (*ONEDNN, ATEN, MKL)
# What this process, or the one that started it, was kept within, and what it has set for that: avx2 MKL_CBWR=COMPATIBLE
MARK = "CONFORMANCE_ISA"
NATIVE = "native"
BASELINE = "avx2"


class Isa(NamedTuple):
    """One instruction set: each library's word for it, and the flags that Linux shows of a CPU that has it."""

    onednn: str
    aten: str
    mkl: str
    flags: Tuple[str, ...]


_CORE = ("avx512f", "avx512bw", "avx512vl", "avx512dq")
_FP16 = (*_CORE, "avx512_fp16")
_AMX = (*_FP16, "amx_tile", "amx_int8", "amx_bf16")
# From the oldest to the newest; a CPU that has one has those before it.
ISAS: Mapping[str, Isa] = {
    "sse41": Isa("SSE41", "default", "COMPATIBLE", ("sse4_1",)),
    "avx": Isa("AVX", "default", "COMPATIBLE", ("avx",)),
    "avx2": Isa("AVX2", "avx2", "COMPATIBLE", ("avx2", "fma")),
    "avx512": Isa("AVX512_CORE", "avx512", "AVX512", _CORE),
    "avx512_fp16": Isa("AVX512_CORE_FP16", "avx512", "AVX512", _FP16),
    "amx": Isa("AVX512_CORE_AMX", "avx512", "AVX512", _AMX),
    "amx_fp16": Isa("AVX512_CORE_AMX_FP16", "avx512", "AVX512", (*_AMX, "amx_fp16")),
}
# What oneDNN's own variable may say besides; it ignores all else.
_ONEDNN_VALUES = {values.onednn for values in ISAS.values()} | {
    *("ALL", "DEFAULT", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE_VNNI", "AVX512_CORE_BF16"),
    *("AVX10_1_512", "AVX10_1_512_AMX", "AVX10_1_512_AMX_FP16", "AVX10_2_512", "AVX10_2_512_AMX_2"),
}
# What a target may name.
WORDS = (NATIVE, *ISAS)


def machine() -> str:
    """The processor's architecture: ``x86_64``, ``aarch64``."""
    found = platform.machine().lower()
    return "x86_64" if found == "amd64" else found


def variables(isa: str = "") -> Dict[str, str]:
    """The variables that keep a process within an instruction set; none for ``native``, and none but on x86-64.

    Args:
        isa: one of :data:`WORDS`; empty for the portable baseline, which is AVX2, or the best that an older CPU has.
    """
    if isa == NATIVE or machine() != "x86_64":
        return {}
    has = available()
    # ATen believes its variable, whatever the CPU has.
    name = isa or (BASELINE if has is None or BASELINE in has or not has else has[-1])
    values = ISAS[name]
    return {**dict.fromkeys(ONEDNN, values.onednn), ATEN: values.aten, MKL: values.mkl}


def lines(isa: str = "") -> List[str]:
    """Statements by which a program keeps itself within the instruction set, before it imports a framework.

    What a user has set wins there too. None where there is nothing to set.
    """
    values = {name: value for name, value in variables(isa).items() if name != ONEDNN[1]}
    if not values:
        return []
    named = ", ".join(f'"{name}": "{value}"' for name, value in values.items())
    return [f"for name, value in {{{named}}}.items():", "    os.environ.setdefault(name, value)  # the instruction set"]


def keep_within(isa: str = "", environ: MutableMapping[str, str] = os.environ) -> None:
    """Keep this process, and those that it starts, within an instruction set; before a framework is imported.

    What a user has set stays as it is; what was set here before, by this process or the one that started it, does not.

    Args:
        isa: as for :func:`variables`.
        environ: where the variables are set.
    """
    theirs = chosen(environ)
    for name in _ours(environ):
        environ.pop(name, None)
    found = {name: value for name, value in variables(isa).items() if name not in theirs}
    if any(name in theirs for name in ONEDNN):  # two names of one setting
        found = {name: value for name, value in found.items() if name not in ONEDNN}
    environ.update(found)
    environ[MARK] = " ".join([meant(isa), *(f"{name}={value}" for name, value in found.items())])


def meant(isa: str) -> str:
    """The word for what a target asks for; where nothing can be set, that is what the CPU has."""
    return (isa or BASELINE) if machine() == "x86_64" else NATIVE


def asked(environ: Mapping[str, str] = os.environ) -> Optional[str]:
    """The instruction set that this process was told to keep within; ``None`` if nobody told it."""
    return environ[MARK].split()[0] if environ.get(MARK) else None


def chosen(environ: Mapping[str, str] = os.environ) -> Dict[str, str]:
    """The variables that a user has set, which win."""
    ours = _ours(environ)
    return {name: environ[name] for name in VARIABLES if environ.get(name) and name not in ours}


def choice(environ: Mapping[str, str] = os.environ) -> List[str]:
    """What is to be said of the variables that a user has set, in lines."""
    found = chosen(environ)
    said = ", ".join(f"{name}={value}" for name, value in sorted(found.items()))
    lines = [f"{said} is set in the environment, and wins over that"] if said else []
    unknown = [name for name in ONEDNN if found.get(name, "ALL").upper() not in _ONEDNN_VALUES]
    return lines + [f"oneDNN knows no {name}={found[name]}, and takes what the CPU has" for name in unknown]


def _ours(environ: Mapping[str, str]) -> List[str]:
    """The variables that are as they were set here; one that has another value since is somebody else's."""
    pairs = (pair.partition("=") for pair in environ.get(MARK, "").split()[1:])
    return [name for name, _, value in pairs if environ.get(name) == value]


def lacking(isa: str) -> Optional[str]:
    """Why this CPU cannot be kept within the instruction set; ``None`` if it can, or if nobody can tell."""
    if isa in ("", NATIVE):
        return None
    if machine() != "x86_64":
        return f"this CPU is of {machine()}, which has no {isa}: nothing is pinned here"
    has = available()
    if has is None or isa in has:
        return None
    return f"this CPU has no {isa} (it has: {', '.join(has) or 'none of these'})"


def available() -> Optional[Tuple[str, ...]]:
    """The instruction sets that this CPU has, the oldest first; ``None`` where the platform does not tell."""
    if machine() != "x86_64":
        return ()
    flags = _cpuinfo().get("flags", "").split()
    return tuple(name for name, isa in ISAS.items() if set(isa.flags) <= set(flags)) if flags else None


def cpu() -> str:
    """The CPU's model, as Linux names it; elsewhere as Python does."""
    found = _cpuinfo()
    parts = [f"{key} {found[key]}" for key in ("CPU implementer", "CPU part") if key in found]  # all that Arm's say
    return found.get("model name") or ", ".join(parts) or platform.processor() or "unknown"


@lru_cache(maxsize=None)
def _cpuinfo() -> Dict[str, str]:
    """What Linux says of the first processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            first = file.read().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def told() -> Dict[str, object]:
    """What a header says of the process besides what its framework tells: CPU, what was asked, what a user has set."""
    return {"cpu": cpu(), "isa_asked": asked(), "isa_variables": chosen()}
