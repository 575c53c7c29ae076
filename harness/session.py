"""What one process of a run knows: its options, its backends, its case files."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import environment, isa, known, plan, runner, trial_record
from harness.backends import targets
from harness.casefile import CaseFile
from harness.errors import CaseFileError, HarnessError
from harness.golden.player import NotRecorded
from harness.known import Sides
from harness.model import Lane, Target, Tier, Trial, Verdict
from harness.outcome import Outcome
from harness.protocol import Backend
from harness.remote.near import Unreachable
from harness.watchdog import Death, Died, Watchdog

WORKER_LOGS = ".workers"
DEFAULT_SUBJECTS = ("mindspore@cpu", "mindspore@cpu:graph")
LONGEST_LIMIT = 1e6
PUT_ASIDE_EVERY = 50


@dataclass(frozen=True)
class Setting:
    """One command-line option: its name and how argparse takes it."""

    name: str
    options: Mapping[str, Any]


SETTINGS = (
    Setting("reference", {"default": "torch@cpu", "help": "target to compare against (default: %(default)s)"}),
    Setting(
        "subject",
        {
            "action": "append",
            "metavar": "TARGET",
            "help": f"target to judge, as in mindspore@cpu; repeatable (default: {' and '.join(DEFAULT_SUBJECTS)})",
        },
    ),
    Setting(
        "lane",
        {
            "action": "append",
            "choices": [str(lane) for lane in Lane],
            "help": "exact: small integers, no tolerance; rounding: reals, derived bound; repeatable (default: both)",
        },
    ),
    Setting(
        "tier",
        {
            "default": "default",
            "choices": [str(tier) for tier in Tier],
            "help": "how much to run; full adds the documented sizes (default: %(default)s)",
        },
    ),
    Setting("shard", {"default": "1/1", "metavar": "I/N", "help": "take the I-th of N slices of the plan"}),
    Setting(
        "results",
        {"default": "reports/latest", "metavar": "DIR", "help": "folder for records and pages (default: %(default)s)"},
    ),
    Setting(
        "threads", {"type": int, "default": 1, "metavar": "N", "help": "threads of each worker (default: %(default)s)"}
    ),
    Setting(
        "trial-limit",
        {"type": float, "metavar": "SECONDS", "help": "time limit of a trial (default: 60; tier full: 3600)"},
    ),
)


class BrokenTarget(Exception):
    """A framework that is installed but cannot be imported or set up."""

    def __init__(self, target: Target, error: Exception) -> None:
        """Say it in one line."""
        self.target = target
        reason = " ".join(str(error).split())
        told = f"{target.framework} is installed but cannot be set up: {type(error).__name__}: {reason}"
        super().__init__(reason if isinstance(error, HarnessError) else told)


@dataclass
class Session:
    """Options and, in a worker, what the trials share.

    Attributes:
        isa: the instruction set that this process is kept within; targets of another one have a process of their own.
    """

    selection: plan.Selection
    isa: str
    results: Path
    threads: int
    trial_limit: float
    worker: str | None = None
    core: int | None = None
    files: list[CaseFile] = field(default_factory=list)
    _known: tuple[known.Known, ...] | None = None
    _checked: set[Path] = field(default_factory=set)
    _watchdog: Watchdog | None = None
    _obstacles: dict[Target, str | None] = field(default_factory=dict)
    told: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _unsent: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _opened: set[Target] = field(default_factory=set)
    _until_aside: int = 0

    @classmethod
    def from_options(cls, options: argparse.Namespace, worker: Mapping[str, Any]) -> Session:
        """Parse the options. Raises HarnessError for a bad one."""
        if not 0 < (options.trial_limit or 60.0) < LONGEST_LIMIT:
            raise HarnessError(f"--trial-limit {options.trial_limit}: expected seconds, more than 0")
        if options.threads < 1:
            raise HarnessError(f"--threads {options.threads}: expected 1 or more")
        if not options.results.strip():
            raise HarnessError("--results '': expected the name of a folder")
        tier = Tier(options.tier)
        process, (reference, *others) = targets.together([options.reference, *(options.subject or DEFAULT_SUBJECTS)])
        lanes = tuple(lane for lane in Lane if lane in (options.lane or list(Lane)))
        shard = plan.parse_shard(options.shard)
        selection = plan.Selection(reference, tuple(dict.fromkeys(others)), tier, shard, lanes)
        limit = options.trial_limit or (3600.0 if tier is Tier.FULL else 60.0)
        results = Path(worker.get("results", options.results))
        name, core = worker.get("workerid"), worker.get("core")
        return cls(selection, process, results, options.threads, limit, name, core)

    def learn(self, file: CaseFile) -> None:
        """Keep a case file that was collected; from the first one on, a worker is one for trials."""
        if self.worker is not None and not self.files:
            self._prepare(self.worker)
        self.files.append(file)

    def _prepare(self, worker: str) -> None:
        # Variables and core before anything imports a framework.
        environment.prepare(self.threads, self.isa)
        if self.core is not None and self.threads == 1:
            environment.pin(self.core)
        self._watchdog = Watchdog(self.results / WORKER_LOGS / f"{worker}.log")

    def check_known(self, file: CaseFile) -> None:
        """Raise HarnessError if the accepted divergences beside the file say something wrong; once a folder."""
        folder = file.path.parent
        if folder in self._checked:
            return
        self._checked.add(folder)
        try:
            plan.known_in(folder, self.files)
        except CaseFileError as error:
            if Path(error.place.file).name == plan.KNOWN_FILE:
                raise  # a bad case file beside it has an error of its own

    @property
    def known(self) -> tuple[known.Known, ...]:
        """The accepted divergences; read once the case files are known."""
        if self._known is None:
            self._known = plan.load_known(self.files)
        return self._known

    def run(self, trial: Trial, origin: trial_record.Origin) -> dict[str, Any]:
        """The record of one trial, with its status."""
        self._until_aside -= 1
        if self._until_aside == 0:
            self._put_aside()
        # A worker stays on its core. Without workers a trial is run as in one: what MindSpore does with subnormal
        # numbers depends on the thread that comes to do it.
        alone = self.worker is None and self.threads == 1
        with environment.pinned(environment.cores()[0] if alone and environment.cores() else None):
            return self._run(trial, origin)

    def _run(self, trial: Trial, origin: trial_record.Origin) -> dict[str, Any]:
        self._ask_everyone(trial)
        obstacle = self.obstacle(trial.reference) or self.obstacle(trial.subject)
        if obstacle:
            return self.judged(trial_record.not_run_record(trial, origin, obstacle))
        with self._watchdog.limit(self._patience(trial)) if self._watchdog else nullcontext():
            try:
                outcome = self._outcome(trial)
            except (BrokenTarget, Unreachable) as gone:
                self._obstacles[gone.target] = str(gone)
                return self.judged(trial_record.not_run_record(trial, origin, str(gone)))
            except NotRecorded as missing:  # this trial is; the golden may well have the others
                return self.judged(trial_record.not_run_record(trial, origin, str(missing)))
            except Died as died:
                return self.judged(trial_record.dead_record(trial, origin, died.death, died.target))
            except MemoryError as error:
                death = Death(Verdict.CRASH, f"out of memory: {error}", "")
                return self.judged(trial_record.dead_record(trial, origin, death))
            except Exception as error:  # our own: the trial is red, and none is lost
                outcome = Outcome(Verdict.WEAK, note=f"it could not be set up: {type(error).__name__}: {error}")
        return self.judged(trial_record.to_record(trial, origin, outcome))

    def _patience(self, trial: Trial) -> float:
        """Seconds after which this process ends itself: what runs elsewhere has a limit of its own for each request."""
        # A golden takes no time, and a subject in this process may well hang.
        sides = (trial.reference, trial.subject)
        elsewhere = any(target.where and not target.golden for target in sides)
        return LONGEST_LIMIT if elsewhere else self.trial_limit

    def _outcome(self, trial: Trial) -> Outcome:
        """What the trial showed; tried once more where a process elsewhere died of it. Raises Died if it does again."""
        try:
            return runner.run(trial, self._open, self.selection.lanes)
        except Died as died:
            outcome = runner.run(trial, self._open, self.selection.lanes)
            first = f"tried a second time, since at the first one the process died: {died.death.reason}"
            return replace(outcome, note="; ".join(filter(None, (outcome.note, first))))

    def _ask_everyone(self, trial: Trial) -> None:
        """Open all targets, so that the header, which the first trial writes, tells what took effect on each of them.

        One that cannot be opened says so in its own trials.
        """
        if self._opened:
            return
        with self._watchdog.limit(self._patience(trial)) if self._watchdog else nullcontext():
            for target in self.targets:
                if self.obstacle(target) is None:
                    try:
                        self._open(target)
                    except BrokenTarget as broken:
                        self._obstacles[target] = str(broken)

    def judged(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record with its status against ``known.yaml``."""
        status, entry, departure = known.judge(record, self.known, self.sides(record["reference"], record["subject"]))
        if status is known.Status.VANISHED and not self.selection.every_lane:
            # The divergence may show in the lane that was left out.
            status, entry, departure = known.Status.AS_EXPECTED, None, ""
        record["status"] = str(status)
        record["known"] = entry and {"id": entry.id, "reason": entry.reason, "link": entry.link}
        record["departure"] = departure
        return record

    def sides(self, reference: str, subject: str) -> Sides:
        """What ``known.yaml`` asks of these two targets of the run."""
        both = (self._target(reference), self._target(subject))
        versions = {each.framework: self._version(each) for each in both}
        return Sides(*both, versions, {each.framework: self._isa(each) for each in both})

    def _target(self, name: str) -> Target:
        return next(target for target in self.targets if str(target) == name)

    def _version(self, target: Target) -> str | None:
        """The target's version, as far as it told, or else the one installed here."""
        told = self.told.get(str(target), {}).get("version")
        return told or targets.version(target.framework)

    def _isa(self, target: Target) -> str | None:
        """The instruction set that took effect, by the target itself or by another one in the same process."""
        alike = (each for each in self.targets if _process(each) == _process(target))
        return next((word for each in alike if (word := self.told.get(str(each), {}).get("isa"))), None)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Reference and subjects."""
        return tuple(dict.fromkeys((self.selection.reference, *self.selection.subjects)))

    def obstacle(self, target: Target) -> str | None:
        """Why the target cannot run here; asked once."""
        if target not in self._obstacles:
            self._obstacles[target] = targets.obstacle(target)
        return self._obstacles[target]

    def fresh_provenance(self) -> dict[str, Mapping[str, Any]]:
        """The provenance of targets opened since this was last asked."""
        fresh, self._unsent = self._unsent, {}
        return fresh

    def _put_aside(self) -> None:
        """Keep what lives by now out of the collections that MindSpore asks for at each compilation.

        They walk all that was made since, the frameworks' modules and pytest's reports: 8 ms at first, and half a
        second after some thousand trials.
        """
        gc.collect()
        gc.freeze()
        self._until_aside = PUT_ASIDE_EVERY

    def _open(self, target: Target) -> Backend:
        if target not in self._opened:
            environment.prepare(self.threads, self.isa)
            try:
                backend = targets.backend(target, self.threads, self.trial_limit)
            except Exception as error:  # whatever a broken installation raises
                raise BrokenTarget(target, error) from error
            self._opened.add(target)
            here = {} if target.where else isa.told()  # another process tells of itself
            self.told[str(target)] = self._unsent[str(target)] = {**backend.provenance(), **here}
            self._put_aside()
        return targets.backend(target, self.threads, self.trial_limit)


def _process(target: Target) -> tuple[str, ...]:
    """What targets of one process have in common."""
    return (target.framework, target.device, target.isa, target.where)
