"""A backend that keeps what another one answers, by the digest of the question.

An answer in the index is a dict. Of a request it has ``seconds``, ``failure`` where there was one, and ``outputs``: of
each a list of its name, dtype, shape and place, which is stream, start and count; a second place, of what is far, says
that the first one is that of its distances from the true values. ``check`` is a hash of all of them, ``left`` names
those that no trial reads, and ``again`` is a second answer that was not the same. What ended the target is a ``death``
and no more. Of a signature an answer has ``arguments`` or ``lookup``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.dtypes import name_of
from harness.golden import digest
from harness.golden.arrays import narrowed, squeezed
from harness.golden.near import near, true_values
from harness.inputs import fingerprint
from harness.model import Array, Target
from harness.protocol import Argument, Backend, Failure, Observation, Phase, Request
from harness.watchdog import Died

STEPS = "steps"
TWICE = 2
SECONDS_DIGITS = 6
Answer = dict[str, Any]


@dataclass
class Tape:
    """What was recorded so far.

    Attributes:
        family: whose trials are being recorded.
        only: the names of the outputs that the trial reads; empty for all.
        asked: how often each question was asked, by its digest.
        raw: bytes of the arrays before they were packed.
    """

    family: str = ""
    only: frozenset[str] = frozenset()
    answers: dict[str, Answer] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)
    streams: dict[str, bytes] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    raw: int = 0
    _open: dict[str, list[Array]] = field(default_factory=lambda: defaultdict(list))
    _filled: Counter[str] = field(default_factory=Counter)

    def begin(self, family: str) -> None:
        """Begin with another family, and compress what there is of the one before."""
        self.streams |= {stream: squeezed(arrays) for stream, arrays in self._open.items()}
        self._open.clear()
        self.family = family

    def put(self, array: Array, kind: str = "") -> list[Any]:
        """Keep an array of one axis; where: stream, start, count."""
        # What is in a stream's name after the colon is the dtype that it is read in.
        stream = f"{self.family}{'.' if kind else ''}{kind}:{array.dtype.name}"
        start = self._filled[stream]
        self._open[stream].append(array)
        self._filled[stream] += array.size
        return [stream, start, array.size]

    @property
    def index(self) -> dict[str, Any]:
        """What the file's index holds."""
        return {"answers": self.answers, "calls": sorted(self.calls)}


@dataclass(frozen=True)
class Recorder:
    """A target's backend, with a tape running."""

    target: Target
    backend: Backend
    adjudicator: Backend
    tape: Tape

    def provenance(self) -> Mapping[str, Any]:
        """The target's."""
        return self.backend.provenance()

    def observe(self, request: Request) -> Observation:
        """The target's answer; the first two to the same question are kept.

        What it dies of is kept as well, and is a failure here, so that the trial's other questions are put.
        """
        key = digest.of_request(request, self.target.mode)
        known = self.tape.answers.get(key)
        if known is not None and "death" in known:
            return _dead(known["death"]["reason"])
        try:
            seen = self._survived(request)
        except Died as died:
            self.tape.answers[key] = {"death": asdict(died.death)}
            return _dead(died.death.reason)
        self.tape.asked[key] += 1
        self.tape.calls.add(digest.of_call(request))
        if known is None:
            self.tape.answers[key] = self._answer(request, seen, self.tape.only)
        elif self._lacks(known):
            self.tape.answers[key] = self._answer(request, seen, frozenset())
        elif self.tape.asked[key] == TWICE and _otherwise(known, seen):
            known["again"] = self._answer(request, seen, frozenset(each[0] for each in known["outputs"]))
        return seen

    def signature(self, call: str, of: str) -> Sequence[Argument]:
        """The target's answer, which is kept. Raises LookupError as the target does."""
        key = digest.of_signature(call, of)
        try:
            found = self.backend.signature(call, of)
        except LookupError as error:
            self.tape.answers[key] = {"lookup": str(error.args[0])}
            raise
        self.tape.answers[key] = {"arguments": [[each.name, each.default] for each in found]}
        return found

    def _survived(self, request: Request) -> Observation:
        """The answer, asked for once more where the process died of it. Raises Died if it does again."""
        try:
            return self.backend.observe(request)
        except Died:
            return self.backend.observe(request)

    def _lacks(self, known: Answer) -> bool:
        """Whether this trial reads what an earlier one, which asked the same, did not."""
        left, only = set(known.get("left", ())), self.tape.only
        return bool(left & only if only else left)

    def _answer(self, request: Request, seen: Observation, only: frozenset[str]) -> Answer:
        """What is kept of an answer: these outputs, or all of them."""
        outputs = {name: array for name, array in seen.outputs.items() if not only or name in only}
        self.tape.raw += sum(array.nbytes for array in outputs.values())
        truth = true_values(request, self.adjudicator) if outputs else {}
        answer: Answer = {
            "seconds": round(seen.seconds, SECONDS_DIGITS),
            "outputs": [self._packed(name, array, truth.get(name)) for name, array in outputs.items()],
            "check": _check(outputs),
        }
        if seen.failure is not None:
            answer["failure"] = _plain(seen.failure)
        if left := sorted(seen.outputs.keys() - outputs.keys()):
            answer["left"] = left
        return answer

    def _packed(self, name: str, array: Array, truth: Array | None) -> list[Any]:
        """Name, dtype, shape, and where the numbers are; those that are far from the true values apart."""
        found = None if truth is None else near(array, truth)
        if found is None:
            places = [self.tape.put(narrowed(array))]
        else:
            places = [self.tape.put(found.steps, STEPS), self.tape.put(found.far)]
        return [name, name_of(array), list(array.shape), *places]


def _otherwise(known: Answer, seen: Observation) -> bool:
    """Whether a second answer is not the same, bit for bit; of outputs that were left out nothing is said."""
    outputs = {name: array for name, array in seen.outputs.items() if name not in known.get("left", ())}
    return (_check(outputs), seen.failure and _plain(seen.failure)) != (known["check"], known.get("failure"))


def _plain(failure: Failure) -> dict[str, Any]:
    return {**asdict(failure), "phase": failure.phase.value}


def _check(outputs: Mapping[str, Array]) -> str:
    return fingerprint(*(outputs[name] for name in sorted(outputs)))


def _dead(reason: str) -> Observation:
    return Observation({}, Failure(Phase.CALL, Died.__name__, reason), 0.0)
