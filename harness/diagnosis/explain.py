"""The order in which explanations are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.diagnosis import moves, numbers, permutations, places, precision, shapes
from harness.diagnosis.evidence import Diagnosis, Evidence
from harness.diagnosis.pair import Pair
from harness.diagnosis.raster import picture

Rule = Callable[[Pair], Diagnosis | None]

OTHER_SHAPE: tuple[Rule, ...] = (shapes.rank, moves.transposed, shapes.resized)
SAME_SHAPE: tuple[Rule, ...] = (
    places.agreed,
    places.zeros,
    precision.cast,
    precision.rounding,
    numbers.negated,
    numbers.bias,
    moves.flipped,
    moves.transposed,
    moves.shifted,
    permutations.permuted,
    places.nonfinite,
    numbers.scaled,
    numbers.offset,
    places.border,
)


def diagnose(evidence: Evidence) -> Diagnosis:
    """Describe how the subject's array differs from the reference's.

    The first explanation that holds is given. Each has to account for every element, within twice the bound where
    there is one and exactly where there is none, and for enough elements that differ that it is not one by chance.
    They go from those that leave nothing open to those that fit the more, the more they may choose:

    1. other shapes: ``rank`` (no element can be compared); ``transposed`` (all elements are there); ``cropped`` and
       ``extended`` (one array is in the other); ``resized`` (neither).
    2. nothing to explain, or nothing there: ``agreed``; ``zeros``.
    3. each value is nearly right. These come before all that follows, since between values that are nearly equal
       a small difference can be made to look like anything: ``cast`` (also a kind of rounding, and a larger one);
       ``rounding``.
    4. values at their places, by a rule with nothing to choose: ``negated``; ``bias_missing``, ``bias_doubled``.
    5. values at other places; few orders are tried before many: ``flipped``; ``transposed``; ``shifted`` (after
       these, since it says nothing of what enters at the border); ``groups``, ``shuffled`` and ``permuted`` (one
       search, named by what it finds; a shift that goes round is one of these too, and better called a shift).
    6. ``nonfinite``: what a NaN stands for cannot be computed with, so it comes before the rules that compute; but
       after the places, to which NaN may move like anything else.
    7. values at their places, by a rule that chooses numbers: ``scaled`` (it keeps zeros), then ``offset``.
    8. only some places differ: ``border_zero``, ``border_bias``, ``border``.
    9. ``other``: how many elements differ.

    Args:
        evidence: the arrays, and what is known of them.

    Returns:
        Kind, sentence and picture.
    """
    pair = Pair(evidence)
    # Infinities and overflows are looked at like any value; what comes of computing with them agrees with nothing.
    with np.errstate(all="ignore"):
        rules = SAME_SHAPE if pair.alike else OTHER_SHAPE
        found = next((each for rule in rules if (each := rule(pair)) is not None), None) or places.other(pair)
    return replace(found, picture=picture(evidence.actual, evidence.expected))
