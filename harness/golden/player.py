"""A backend that answers from a golden, and only what was recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.golden import digest, stored
from harness.golden.arrays import restored
from harness.golden.near import Near, away, true_values
from harness.golden.stored import Golden
from harness.inputs import fingerprint
from harness.model import GOLDEN, Array, Target, Verdict
from harness.protocol import Argument, Backend, Failure, Observation, Phase, Request
from harness.watchdog import Death, Died


class NotRecorded(HarnessError):
    """The golden has no answer to this question: why, and what to do."""


def path(where: str) -> Path:
    """The file of ``golden:FILE``."""
    return Path(where.removeprefix(GOLDEN))


def parse(text: str) -> Target:
    """The target that ``golden:FILE`` was recorded from. Raises HarnessError where the file is no sound golden."""
    file = path(text).absolute()
    if not path(text).name:
        raise HarnessError(f"target '{text}': expected golden:FILE, as in golden:torch.safetensors")
    recorded = Target.of_kind(stored.about(path(text))["target"])
    return replace(recorded, name=text, where=f"{GOLDEN}{file}")


def obstacle(where: str) -> str | None:
    """Why the golden cannot be played back; ``None`` if it can."""
    try:
        stored.about(path(where))
    except HarnessError as error:
        return str(error)
    return None


def provenance(where: str) -> dict[str, Any]:
    """What was recorded of the target, with the golden's file name and sha256."""
    about, file = stored.about(path(where)), path(where)
    recorded: dict[str, Any] = stored.told(about)
    return {**recorded, "golden": file.name, "sha256": about[stored.SHA]}


class Player:
    """The golden's target, as it answered when it was recorded."""

    def __init__(self, target: Target, adjudicator: Backend) -> None:
        """Open it.

        Args:
            target: with ``golden:FILE`` as its place; in the recorded mode, or in the plain one beside it.
            adjudicator: gives the true values that numbers were kept next to.

        Raises:
            HarnessError: the file is no sound golden.
        """
        self.target, self.adjudicator = target, adjudicator
        self._asked: Counter[str] = Counter()
        self._golden  # noqa: B018  (an error at the start, and not at the first trial)

    @cached_property
    def _golden(self) -> Golden:
        return stored.opened(path(self.target.where))

    def provenance(self) -> Mapping[str, Any]:
        """See the protocol: that of the recording."""
        return provenance(self.target.where)

    def observe(self, request: Request) -> Observation:
        """See the protocol. Raises NotRecorded, and Died where the target had died of it."""
        key = digest.of_request(request, self.target.mode)
        answer = self._golden.answers.get(key)
        if answer is None:
            raise self._refusal(request)
        if "death" in answer:
            death = answer["death"]
            raise Died(Death(Verdict(death["verdict"]), death["reason"], death["trace"]), str(self.target))
        self._asked[key] += 1
        if "again" in answer and self._asked[key] % 2 == 0:
            answer = answer["again"]
        failure = answer.get("failure")
        return Observation(
            self._outputs(request, answer),
            failure and Failure(**{**failure, "phase": Phase(failure["phase"])}),
            answer["seconds"],
        )

    def signature(self, call: str, of: str) -> Sequence[Argument]:
        """See the protocol. Raises NotRecorded."""
        answer = self._golden.answers.get(digest.of_signature(call, of))
        if answer is None:
            raise self._not_recorded(f"the signature of {call}", "was not recorded")
        if "lookup" in answer:
            raise LookupError(answer["lookup"])
        return [Argument(name, default) for name, default in answer["arguments"]]

    def _outputs(self, request: Request, answer: Mapping[str, Any]) -> Mapping[str, Array]:
        entries = answer["outputs"]
        truth = true_values(request, self.adjudicator) if any(_is_near(each) for each in entries) else {}
        found: dict[str, Array] = {}
        for name, dtype, shape, *places in entries:
            kept, *far = (self._golden.array(*place) for place in places)
            if not far:
                found[name] = restored(kept, dtype, shape)
            elif name in truth and truth[name].shape == tuple(shape):
                found[name] = away(Near(kept, far[0]), truth[name], dtype)
        if len(found) < len(entries) or fingerprint(*(found[name] for name in sorted(found))) != answer["check"]:
            says = f"the adjudicator gives other true values than that of harness {self._golden.about['harness']} did"
            raise self._not_recorded(_words(request), f"cannot be restored, since {says}")
        left = answer.get("left")
        return Partial(found, left, self._not_recorded(_words(request), "was recorded in part")) if left else found

    def _refusal(self, request: Request) -> NotRecorded:
        """What was not recorded: these inputs, or the call as such."""
        if digest.of_call(request) in self._golden.calls:
            how = "was recorded with other inputs or weights: the case file or the harness is not the one it was then"
            return self._not_recorded(_words(request), how)
        return self._not_recorded(_words(request), "was not recorded: the golden is of another plan")

    def _not_recorded(self, what: str, how: str) -> NotRecorded:
        golden = self._golden
        about = golden.about
        holds = f"(it holds {about['trials']} trials of tier {about['tier']}, shard {about['shard']})"
        return NotRecorded(f"{self.target}: {what} {how} {holds}; {golden.again}")


class Partial(dict[str, Array]):
    """Outputs of which some were left out of the golden, since no recorded trial reads them; to read one is refused."""

    def __init__(self, found: Mapping[str, Array], left: Iterable[str], error: NotRecorded) -> None:
        """Keep the names of those that were left out."""
        super().__init__(found)
        self._left, self._error = frozenset(left), error

    def __contains__(self, name: object) -> bool:
        """Whether the layer has such an output, kept or not."""
        return name in self._left or super().__contains__(name)

    def __missing__(self, name: str) -> Array:
        """Raise NotRecorded for one that was left out."""
        raise self._error if name in self._left else KeyError(name)


def _is_near(entry: Sequence[Any]) -> bool:
    return len(entry) > len(("name", "dtype", "shape", "place"))


def _words(request: Request) -> str:
    """The request in words."""
    given = ", ".join(f"{each.dtype.name} {each.shape}" for each in request.inputs)
    return f"{' >> '.join(map(str, request.steps))} on {given or 'nothing'}"
