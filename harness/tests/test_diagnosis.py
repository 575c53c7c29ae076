"""Each kind of difference is recognised on planted examples, and on no example of another kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from harness.diagnosis import Diagnosis, Evidence, diagnose
from harness.diagnosis.explain import SAME_SHAPE
from harness.diagnosis.pair import Pair
from harness.model import Array
from harness.tests.planted import EXAMPLES, GROUNDS, LAST, at_border, not_finite

each_example = pytest.mark.parametrize(("kind", "evidence"), [pytest.param(k, e, id=name) for k, name, e in EXAMPLES])


@each_example
def test_each_planted_difference_is_called_by_its_name(kind: str, evidence: Evidence) -> None:
    assert diagnose(evidence).kind == kind


# What a rule may also see, and why: the more general one says the same thing with less.
ALSO: Mapping[str, set[str]] = {
    "agreed": {"rounding"},  # nothing differs by more than rounding
    "zeros": {"scaled"},  # times zero
    "negated": {"scaled"},  # times minus one
    "bias_missing": {"offset"},
    "bias_doubled": {"offset"},
    "flipped": {"permuted", "border"},  # the middle stays where it is
    "shifted": {"permuted"},  # where it goes round
    "nonfinite": {"border"},  # which counts NaN as a difference like any other
}


@pytest.mark.parametrize("rule", SAME_SHAPE, ids=lambda rule: str(rule.__name__))
def test_no_rule_sees_its_kind_in_the_examples_of_another(rule: Callable[[Pair], Diagnosis | None]) -> None:
    with np.errstate(all="ignore"):
        seen = {
            (kind, found.kind)
            for kind, _, evidence in EXAMPLES
            if evidence.actual.shape == evidence.expected.shape and (found := rule(Pair(evidence))) is not None
        }
    assert {(kind, found) for kind, found in seen if found != kind and found not in ALSO.get(kind, ())} == set()


NAN = not_finite(GROUNDS["output-2x6x9x11-whole"].truth, np.nan, 3, 3)


@pytest.mark.parametrize(
    ("actual", "kind"),
    [
        (NAN[..., ::-1], "flipped"),
        (np.roll(NAN, 1, 3), "shifted"),
        (NAN[:, ::-1], "permuted"),
        (at_border(NAN, 0, (3, LAST)), "border_zero"),
        (NAN * 3, "scaled"),
        (NAN + 1, "offset"),
        (-NAN, "negated"),
        (np.where(NAN[1, 1, 4, 5] == NAN, 0, NAN), "other"),
    ],
)
def test_nan_at_the_same_place_is_no_difference(actual: Array, kind: str) -> None:
    assert diagnose(Evidence(actual, NAN)).kind == kind


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64"])
def test_every_dtype_is_read(dtype: str) -> None:
    base = GROUNDS["output-2x6x15-whole"].truth.astype(dtype)
    assert diagnose(Evidence(base[:, ::-1], base)).kind == "permuted"
    assert diagnose(Evidence(base * 2, base)).kind == "scaled"
    assert diagnose(Evidence(base**2 if dtype != "float16" else base[::-1] + base, base)).kind == "other"


@pytest.mark.filterwarnings("error")
def test_infinities_and_overflows_are_diagnosed_without_a_warning() -> None:
    infinite = not_finite(GROUNDS["output-2x6x9x11-whole"].truth, np.inf, 3, 3)
    assert diagnose(Evidence(infinite[..., ::-1], infinite)).kind == "flipped"
    assert diagnose(Evidence(infinite**2, infinite)).kind == "other"
    assert diagnose(Evidence(infinite * 3, infinite)).kind == "scaled"
    assert diagnose(Evidence(infinite * 1e305, infinite * 1e200)).kind in ("other", "scaled")
    assert diagnose(Evidence(infinite, -infinite)).kind == "negated"
    assert diagnose(Evidence(np.abs(infinite), np.where(infinite == np.inf, -np.inf, infinite))).kind == "nonfinite"
