"""From a trial's name to the smallest program that shows its divergence, and to a report about it."""
