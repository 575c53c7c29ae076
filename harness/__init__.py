"""Differential conformance testing of deep-learning frameworks: torch layers against MindSpore layers."""

__version__ = "0.1.0"
