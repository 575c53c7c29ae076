"""Trials in a process apart, so that a crash or a hang of a framework is that trial's result and nobody else's."""
