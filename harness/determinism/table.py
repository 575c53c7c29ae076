"""How often each target gave the same for the same call. A pure function of the records."""

from __future__ import annotations

from collections import Counter

from harness.records import Results

SIDES = ("reference", "subject")


def lines(results: Results) -> list[str]:
    """A line for each target that was asked again, at once or on more threads."""
    asked = {name for looked in results.threads.values() for name in looked["asked"]}
    differing = {name: sides for looked in results.threads.values() for name, sides in looked["differing"].items()}
    twice, same, threaded, unchanged = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for trial in results.trials:
        for side in SIDES:
            target, steady = trial[side], trial.get("steady", {})
            twice[target] += side in steady
            same[target] += steady.get(side, False)
            threaded[target] += trial["trial"] in asked
            unchanged[target] += trial["trial"] in asked and side not in differing.get(trial["trial"], ())
    return [
        f"determinism      {target}: the same call twice gives the same in {same[target]} of {twice[target]} trials"
        + (f", two threads what one gives in {unchanged[target]} of {threaded[target]}" if threaded[target] else "")
        for target in sorted(twice)
        if twice[target] or threaded[target]
    ]
