"""What ``-m`` selects trials by: tier, dtype, and the marks by which MindSpore's own continuous integration does it.

MindSpore's tests carry a level, platforms, how many cards they take and whether they are essential: once as marks of
their own (``level0``, ``platform_arm_ascend910b_training``, ``env_onecard``), now by ``arg_mark(plat_marks=...,
level_mark=..., card_mark=..., essential_mark=...)`` of its ``tests/mark_utils.py``, which sets shorter ones. Trials
carry both spellings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from harness import dtypes
from harness.model import Tier

LEVELS: Mapping[Tier, tuple[str, str]] = {
    Tier.SMOKE: ("level0", "essential"),
    Tier.DEFAULT: ("level1", "unessential"),
    Tier.FULL: ("level2", "unessential"),
}
PLATFORMS: Mapping[str, tuple[str, ...]] = {
    "cpu": ("cpu_linux", "platform_x86_cpu"),
    "gpu": ("platform_gpu", "platform_x86_gpu_training"),
    "ascend": ("platform_ascend", "platform_ascend910b", "platform_arm_ascend910b_training"),
}
CARDS = ("onecard", "env_onecard")


@cache
def of(tier: Tier, dtype: str, device: str) -> tuple[str, ...]:
    """The marks of a trial at this tier and dtype whose subject is on this device."""
    return (str(tier), dtype, *LEVELS[tier], *PLATFORMS.get(device, ()), *CARDS)


def described() -> Iterator[tuple[str, str]]:
    """Every mark with what it says, each once."""
    yield from ((str(tier), "trials of this tier") for tier in Tier)
    yield from ((dtype, "trials at this dtype") for dtype in dtypes.NAMES)
    for tier, (level, _) in LEVELS.items():
        yield level, f"trials of the tier {tier}, as MindSpore's tests are marked"
    for essential in dict.fromkeys(name for _, name in LEVELS.values()):
        tiers = " and ".join(tier for tier, (_, name) in LEVELS.items() if name == essential)
        yield essential, f"trials of the tier {tiers}, as MindSpore's tests are marked"
    for device, names in PLATFORMS.items():
        yield from ((name, f"trials of a subject on {device}, as MindSpore's tests are marked") for name in names)
    yield from ((card, "all trials: each takes one card, as MindSpore's tests are marked") for card in CARDS)
