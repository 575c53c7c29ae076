"""The marks of a trial: those of MindSpore's own tests, each of them made known to pytest."""

from __future__ import annotations

import pytest

from harness import dtypes, marks
from harness.model import Tier

# What MindSpore's tests/mark_utils.py takes.
PLATFORMS = {"platform_ascend", "platform_ascend910b", "platform_gpu", "cpu_linux", "cpu_windows", "cpu_macos"}
LEVELS = {f"level{number}" for number in range(5)}
CARDS = {"onecard", "allcards"}
ESSENTIAL = {"essential", "unessential"}


@pytest.mark.parametrize("device", ["cpu", "gpu", "ascend"])
@pytest.mark.parametrize(("tier", "level"), [(Tier.SMOKE, "level0"), (Tier.DEFAULT, "level1"), (Tier.FULL, "level2")])
def test_a_trial_has_what_mindspores_tests_are_selected_by(tier: Tier, level: str, device: str) -> None:
    found = set(marks.of(tier, "float32", device))
    assert found & LEVELS == {level}
    assert found & PLATFORMS
    assert (len(found & CARDS), len(found & ESSENTIAL)) == (1, 1)
    assert {str(tier), "float32"} <= found


def test_no_device_has_the_platform_of_another_one() -> None:
    cpu, gpu, ascend = (set(marks.PLATFORMS[device]) for device in ("cpu", "gpu", "ascend"))
    assert not cpu & gpu
    assert not (cpu | gpu) & ascend


def test_each_mark_is_made_known_once() -> None:
    names = [name for name, _ in marks.described()]
    assert len(names) == len(set(names))
    assert {
        mark
        for tier in Tier
        for dtype in dtypes.NAMES
        for device in marks.PLATFORMS
        for mark in marks.of(tier, dtype, device)
    } == set(names)
