"""Adapters: one file a framework, the only place that imports it."""
