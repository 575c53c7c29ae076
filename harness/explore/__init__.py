"""The search for divergences beyond the declared sweeps. No part of a run, and the only room that knows Hypothesis."""
