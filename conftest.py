"""Registers the harness with pytest; see harness/plugin.py."""

pytest_plugins = ["harness.plugin"]
