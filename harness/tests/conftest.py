"""What all tests share: the process that frameworks run in, and what a test needs of it."""

from __future__ import annotations

import pytest

from harness import environment, isa

# Before any test imports a framework, as a run does it before its first trial.
environment.prepare(1)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", "needs_isa(word): what the test says is true of this instruction set alone")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs an instruction set that this process is not kept within, or that the user has chosen away."""
    for item in items:
        for mark in item.iter_markers("needs_isa"):
            reason = _otherwise(*mark.args)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


def _otherwise(word: str) -> str:
    chosen = isa.chosen()
    if chosen:
        said = ", ".join(f"{name}={value}" for name, value in sorted(chosen.items()))
        return f"needs {word}, and the environment says {said}"
    return "" if word in (isa.available() or ()) else f"needs {word}, and this CPU has none"
