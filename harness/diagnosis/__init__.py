"""What a difference looks like, read off the arrays and what the adjudicator computed, never off the parameters."""

from __future__ import annotations

from harness.diagnosis.evidence import Diagnosis, Evidence
from harness.diagnosis.explain import diagnose
from harness.diagnosis.raster import picture

__all__ = ["Diagnosis", "Evidence", "diagnose", "picture"]
