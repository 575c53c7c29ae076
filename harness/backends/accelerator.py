"""What can be told of an accelerator without a framework: if there is one, its driver, what a package is built for.

Every reason names its remedy. Nothing here starts a device or imports a framework.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import List, Optional

DEVICE_FILES = "/dev"
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
HIDDEN = ("", "-1")


def no_gpu(besides: str = "") -> Optional[str]:
    """Why no NVIDIA GPU can be used here; ``None`` if there may be one. It has to have what is named besides."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in HIDDEN:
        return "CUDA_VISIBLE_DEVICES hides every NVIDIA GPU; unset it, or name one, as in CUDA_VISIBLE_DEVICES=0"
    # Where the driver has no device files, as under WSL, its command tells.
    if glob.glob(f"{DEVICE_FILES}/nvidia[0-9]*") or shutil.which("nvidia-smi"):
        return None
    needed = " and ".join(filter(None, ("its driver", besides)))
    return f"no NVIDIA GPU here (no {DEVICE_FILES}/nvidia*, no nvidia-smi); use a machine that has one, with {needed}"


def no_ascend() -> Optional[str]:
    """Why no Ascend device can be used here; ``None`` if there is one."""
    if glob.glob(f"{DEVICE_FILES}/davinci[0-9]*"):
        return None
    return f"no Ascend device here (no {DEVICE_FILES}/davinci*); use a machine that has one, with its driver and CANN"


def absent(package: str, requires: str) -> Optional[str]:
    """Why the package cannot be imported, with the command that installs it; ``None`` if it is there."""
    if folder(package) is not None:
        return None
    return f"{package} is not installed; install it with: python -m pip install '{requires}'"


def folder(package: str) -> Optional[Path]:
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def torch_without_cuda() -> Optional[str]:
    """Whether the installed torch says of itself that it was built without CUDA, with the remedy."""
    place = folder("torch")
    text = (place / "version.py").read_text(encoding="utf-8") if place and (place / "version.py").exists() else ""
    # torch/version.py: __version__ = '2.13.0+cpu', cuda: Optional[str] = None
    if not re.search(r"^cuda\b.*=\s*None\s*$", text, re.MULTILINE):
        return None
    named = re.search(r"^__version__\s*=\s*'([^']*)'", text, re.MULTILINE)
    version = f" ({named.group(1)})" if named else ""
    return f"this torch{version} is built without CUDA; install a build with CUDA, as pytorch.org/get-started says"


def mindspore_plugins(device: str) -> List[str]:
    """The versions of CUDA or CANN that the installed MindSpore has a plugin for."""
    place = folder("mindspore")
    files = place.glob(f"lib/plugin/libmindspore_{device}.so.*") if place else ()
    return sorted(file.name.partition(".so.")[2] for file in files)


def mindspore_without(device: str) -> Optional[str]:
    """Whether the installed MindSpore has no plugin for the device, with the remedy."""
    if mindspore_plugins(device):
        return None
    return f"this MindSpore has no plugin for {device}; install a wheel that has one, as mindspore.cn/install says"


def together(*reasons: Optional[str]) -> Optional[str]:
    """All that stands in the way, so that nobody mends one thing only to meet the next."""
    return "; ".join(filter(None, reasons)) or None


def nvidia_driver() -> Optional[str]:
    """The version of the loaded NVIDIA driver, as it tells itself."""
    text = NVIDIA_DRIVER.read_text(encoding="utf-8") if NVIDIA_DRIVER.exists() else ""
    found = re.search(r"^NVRM version:.*?\s(\d+\.\d+[.\d]*)\s", text, re.MULTILINE)
    return found.group(1) if found else None


def cann() -> Optional[str]:
    """The version of CANN that this environment names (``ASCEND_HOME_PATH``), from its own file."""
    file = Path(os.environ.get("ASCEND_HOME_PATH", "/nowhere")) / "compiler" / "version.info"
    found = re.search(
        r"^[Vv]ersion\s*=\s*(\S+)", file.read_text(encoding="utf-8") if file.exists() else "", re.MULTILINE
    )
    return found.group(1) if found else None
