"""What is said of a trial on another device, by code that runs on the CPU alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import runner
from harness.errors import HarnessError
from harness.model import Tier
from harness.reproduce.find import find
from harness.reproduce.make import make
from harness.tests import mini
from harness.tests.test_repro import case_file, miniature_frameworks
from harness.trial_record import Origin, to_record

__all__ = ["miniature_frameworks"]  # a fixture


def test_no_program_is_written_for_another_device(tmp_path: Path) -> None:
    named = case_file(tmp_path, "NoBias")
    found = find(named, tmp_path / "cases", str(mini.HONEST))
    record = to_record(found.trial, Origin("", Tier.DEFAULT), runner.run(found.trial, mini.open_backend))
    there = replace(found, trial=replace(found.trial, subject=replace(mini.MINI, device="ascend")))
    words = r"for a side on ascend; this .* --reference honest@cpu --subject mini@ascend$"
    with pytest.raises(HarnessError, match=words):
        make(there, lambda *_: record, mini.open_backend)
    assert make(found, lambda *_: record, mini.open_backend, None).exhibit
