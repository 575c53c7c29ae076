"""Is a sample distributed as stated, or as another sample? Kolmogorov and Smirnov's test; sees no framework.

The test rejects a right statement with probability ``FALSE_ALARM``. It is never trusted alone: the sample with a tenth
more spread, and the sample in the shape of another family, have to be rejected too, or the check proves nothing.
Measured over 1,000 seeds: see ``test_distribution.py``.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.model import Array, Initial

FALSE_ALARM = 1e-4
SAMPLE = 2**16  # values at the least: a tenth more spread is then told apart from chance by several standard errors
MORE_SPREAD = 1.1
_ROUNDING = 1e-6  # relative: bounds are rounded to the dtype of the parameter

Distance = Callable[[Array], float]


@dataclass(frozen=True)
class Fit:
    """How a sample compares.

    Attributes:
        departure: what departs, in words; empty if nothing does.
        distance: largest difference of the distribution functions.
        limit: what the distance exceeds by chance with probability ``FALSE_ALARM``.
        missed: planted departures that this sample would not have caught.
    """

    departure: str
    distance: float
    limit: float
    missed: tuple[str, ...] = ()


def fit(sample: Array, stated: Initial) -> Fit:
    """Hold a sample (any shape, taken as a line) against the stated distribution. ValueError for an unknown kind."""
    values = np.sort(sample.astype(np.float64).ravel())
    if stated.kind == "constant":
        return _constant(values, stated.arguments[0])
    law = _law(stated)

    def distance(changed: Array) -> float:
        return float(_stats().kstest(changed, law.cdf, method="asymp").statistic)

    found = _judged(values, distance, _limit(values.size))
    low, high = law.support()
    slack = _ROUNDING * max(abs(low), abs(high)) if math.isfinite(high - low) else 0.0
    if values[0] < low - slack or values[-1] > high + slack:
        found = Fit(f"values from {values[0]:.6g} to {values[-1]:.6g} leave [{low:.6g}, {high:.6g}]", *_numbers(found))
    return found


def alike(left: Array, right: Array) -> Fit:
    """Hold two samples (any shapes, taken as lines) against each other."""
    first, second = (np.sort(each.astype(np.float64).ravel()) for each in (left, right))
    if first[0] == first[-1] and second[0] == second[-1]:
        return _constant(first, float(second[0]))

    def distance(changed: Array) -> float:
        return float(_stats().ks_2samp(changed, second, method="asymp").statistic)

    return _judged(first, distance, _limit(first.size * second.size / (first.size + second.size)))


def describe(sample: Array) -> str:
    """Count, range, mean and standard deviation in words."""
    values = sample.astype(np.float64)
    numbers = f"from {values.min():.6g} to {values.max():.6g}, mean {values.mean():.3g}, deviation {values.std():.6g}"
    return f"{values.size} values {numbers}"


def _judged(values: Array, distance: Distance, limit: float) -> Fit:
    measured = distance(values)
    centre = values.mean()
    mutants = {"spread": centre + MORE_SPREAD * (values - centre), "family": _other_family(values)}
    missed = tuple(name for name, mutant in mutants.items() if distance(mutant) <= limit)
    departure = "" if measured <= limit else f"the distribution functions are {measured:.4f} apart, limit {limit:.4f}"
    return Fit(departure, measured, limit, missed)


def _other_family(values: Array) -> Array:
    """As many values with the same mean and deviation from a uniform law; for values that look uniform, a normal."""
    ranks = (np.arange(values.size) + 0.5) / values.size
    deviation = values.std() or 1.0
    flat = abs(values[-1] - values.mean()) < 2 * deviation  # a uniform law ends at 1.73 deviations
    law = _stats().norm if flat else _stats().uniform(-math.sqrt(3), 2 * math.sqrt(3))
    return np.asarray(values.mean() + deviation * law.ppf(ranks))


def _constant(values: Array, stated: float) -> Fit:
    off = ~(np.abs(values - stated) <= _ROUNDING * abs(stated))  # so that what is no number is off
    return Fit(
        f"{int(off.sum())} of {values.size} values are not {stated:g}" if off.any() else "", float(off.any()), 0.0
    )


def _law(stated: Initial) -> Any:
    stats, given = _stats(), stated.arguments
    if stated.kind == "uniform":
        return stats.uniform(given[0], given[1] - given[0])
    if stated.kind == "normal":
        return stats.norm(given[0], given[1])
    if stated.kind == "truncated_normal":
        return stats.truncnorm(given[2], given[3], given[0], given[1])
    raise ValueError(f"unknown distribution '{stated.kind}'")


def _limit(size: float) -> float:
    return float(_stats().kstwobign.isf(FALSE_ALARM)) / math.sqrt(size)


def _numbers(found: Fit) -> tuple[float, float, tuple[str, ...]]:
    return found.distance, found.limit, found.missed


def _stats() -> Any:
    return importlib.import_module("scipy.stats")  # takes as long to import as a framework, and few processes need it
