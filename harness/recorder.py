"""The controlling process's part of a run: records to disk, progress, and the summary at the end."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from harness import __version__, environment, isa, report, summary, trial_record, watchdog
from harness.backends import targets
from harness.classes import DivergenceClass, classes
from harness.determinism import threads
from harness.errors import HarnessError
from harness.failures import FailureBlocks
from harness.known import Status
from harness.ledger import seek
from harness.ledger.claims import conditional
from harness.ledger.findings import Finding
from harness.model import Target
from harness.outline import Outline
from harness.records import Record, Results, Writer, merge
from harness.session import WORKER_LOGS, Session

SECONDS_BETWEEN_LINES = 10.0


class Recorder:
    """Writes ``results.jsonl`` as the reports come in, and the pages when the run is over."""

    def __init__(self, config: pytest.Config, session: Session, serves_cases: bool, blocks: FailureBlocks) -> None:
        """Keep the configuration; nothing is written before there is a plan."""
        self.config, self.session, self._serves_cases, self._blocks = config, session, serves_cases, blocks
        self.path = (config.invocation_params.dir / session.results).absolute() / "results.jsonl"
        session.results = self.path.parent
        given = [argument.split("::")[0] for argument in config.args]
        self.outline = Outline(config.rootpath, session, [config.invocation_params.dir / each for each in given])
        self.counts: Counter[str] = Counter()
        self._writer: Writer | None = None
        self._results: Results | None = None
        self._classes: tuple[DivergenceClass, ...] = ()
        self._provenance: dict[str, Mapping[str, Any]] = {}
        self._cores: dict[str, int] = {}
        self._last_line = time.monotonic()
        self._interrupted = False
        self._uncollected = 0
        self._repeated: list[Record] = []

    # -- what pytest and xdist tell ------------------------------------------------------------------------------

    def pytest_report_header(self) -> list[str]:
        """Targets and settings; what cannot run here is said at the start."""
        session = self.session
        lines = [
            f"conformance: reference {session.selection.reference}, subject "
            f"{', '.join(map(str, session.selection.subjects))}, tier {session.selection.tier}, "
            f"shard {session.selection.shard}, {session.threads} thread(s) a worker"
        ]
        lines += [f"conformance: {each}" for each in _instruction_sets(session.targets)]
        lines += [f"NOT RUN: {target}: {reason}" for target, reason in self._not_run().items()]
        if not self.config.getoption("numprocesses", None):
            lines.append("conformance: in one process; a crash or hang ends the run (use -n 1 to contain it)")
        return lines

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a new worker where to write, and give it a core that no living worker has."""
        node.workerinput["results"] = str(self.session.results)
        free = [core for core in environment.cores() if core not in self._cores.values()]
        if free:
            self._cores[node.gateway.id] = node.workerinput["core"] = free[0]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Free the core of a worker that ended."""
        self._cores.pop(node.gateway.id, None)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count what could not be collected."""
        self._uncollected += report.failed

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Take the plan from the first worker that has it; after an error run nothing, as without workers."""
        if self._uncollected and not self.config.option.continue_on_collection_errors:
            raise pytest.Session.Interrupted(f"{self._uncollected} error(s) during collection")
        self.outline.plan(ids)
        self._claim()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take the plan where there are no workers."""
        self.outline.plan(item.nodeid for item in session.items)
        self._claim()

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Give the trial that a worker died in its own record."""
        found = self.outline.trial(crashitem)
        if found is None:
            return
        death = watchdog.autopsy(self.session.results / WORKER_LOGS / f"{report.node.gateway.id}.log")
        record = self.session.judged(trial_record.dead_record(*found, death))
        report.harness = json.dumps({"record": record, "targets": {}})  # type: ignore[attr-defined]
        report.when, report.location = "call", (crashitem.partition("::")[0], None, found[0].id)
        report.longrepr = trial_record.story(record)
        if record["status"] == Status.KNOWN:
            report.outcome, report.wasxfail = "skipped", record["known"]["reason"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the record and show progress."""
        if not hasattr(report, "harness"):
            return
        sent = json.loads(report.harness)
        record = sent["record"]
        self._provenance.update(sent["targets"])
        self.session.told.update(sent["targets"])
        if self._writer is None:
            return
        if not self.counts:
            self._writer.header(self._header())
        self._writer.trial(record)
        self.counts[record["status"]] += 1
        self._repeated += threads.wanted([record])
        self._progress()

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that the run did not end by itself."""
        self._interrupted = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Close the records and write the pages; a whole run that left a known divergence unmatched is red."""
        if self._is_empty_shard(session):
            self._write_empty_shard(session)
        if self._writer is None or not self.counts:
            return
        if self._interrupted or self.counts.total() < len(self.outline.planned):
            self._writer.close()
        else:
            self._writer.footer(self._threads())
        results = self._results = merge([self.path])
        report.write(results, self.path.parent, found=self._conditions(results))
        self._classes = classes(results.trials)
        self._blocks.lead(summary.leading(self._classes, results))
        if session.exitstatus == pytest.ExitCode.OK:
            # Green has to mean that something was measured, and that known.yaml is true.
            if not results.measured:
                session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
            elif results.unmatched:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One line per layer and subject, the new divergences, and what to do next."""
        if self._results is not None:
            here, verbose = self.config.invocation_params.dir, self.config.option.verbose > 0
            summary.write(terminalreporter, self._results, self._classes, self.path.parent, here, verbose=verbose)
        elif self._writer is not None and not self.outline.planned:
            shard, path = self.session.selection.shard, os.path.relpath(self.path, self.config.invocation_params.dir)
            terminalreporter.write_line(f"no trial fell to shard {shard}: {path} says so, for the report to merge")
        elif self._serves_cases and not self.outline.planned:
            terminalreporter.write_line("no trial was selected: look at the path, the family's name, -k, -m and --tier")
        self._blocks.before_lines(terminalreporter)

    # -- what follows from it ------------------------------------------------------------------------------------

    def _is_empty_shard(self, session: pytest.Session) -> bool:
        """Whether no trial fell to this shard; a single trial or family that was asked for by name is not there."""
        named = any("::" in argument for argument in self.config.args)
        nothing = session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and not self.outline.planned
        return nothing and self._serves_cases and not named and self.session.selection.shard.count > 1

    def _write_empty_shard(self, session: pytest.Session) -> None:
        """Leave results without a trial, so that the shard is not missed; whoever merges them sees all shards empty."""
        try:
            self._writer = Writer(self.path)
        except HarnessError as error:
            self._say(str(error))
            return
        self._writer.header(self._header())
        self._writer.footer()
        report.write(merge([self.path]), self.path.parent)
        session.exitstatus = pytest.ExitCode.OK

    def _progress(self) -> None:
        if time.monotonic() - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = time.monotonic()
        done, red = self.counts.total(), sum(self.counts[status] for status in Status if status.red)
        known = self.counts[Status.KNOWN]
        self._say(f"{done} of {len(self.outline.planned)} trials, {red} new divergences, {known} known")

    def _say(self, line: str) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(line)

    def _threads(self) -> dict[str, Any] | None:
        """What two threads change in the trials that were run on one; looked at now."""
        if self.session.threads != 1 or not self._repeated:
            return None
        self._say("")  # pytest's own progress leaves its line open
        try:
            return threads.compare(self._repeated, self.config.rootpath, self._say, self.session.selection.lanes)
        except KeyboardInterrupt:  # the trials are all recorded
            self._say("interrupted: what two threads change was not looked at")
            return None

    def _conditions(self, results: Results) -> dict[str, Finding]:
        """The conditions of the conditional claims of a run that is whole; sought now."""
        if not results.complete:
            return {}
        wanted = conditional(results)
        if wanted:
            self._say("")  # pytest's own progress leaves its line open
        try:
            found = seek.seek(wanted, self.config.rootpath, self._say, whole=self.outline.whole)
        except KeyboardInterrupt:  # the trials are all recorded; it is the search that somebody is tired of
            return {}
        seek.keep(self.path.parent, found)
        return found

    def _claim(self) -> None:
        """Take the results file before anything is run."""
        if self.outline.planned and self._writer is None:
            try:
                self._writer = Writer(self.path)
            except HarnessError as error:
                raise pytest.Session.Interrupted(str(error)) from None

    def _narrowed(self) -> str:
        """How the user narrowed the plan; the same for every shard of a run."""
        option, selection = self.config.option, self.session.selection
        given = self.config.invocation_params.args
        parts = [argument for argument in self.config.args if argument in given]
        parts += [f"{flag} {value}" for flag, value in (("-k", option.keyword), ("-m", option.markexpr)) if value]
        parts += ["--lf"] if self.config.getoption("lf", False) else []  # -p no:cacheprovider takes it away
        parts += [] if selection.every_lane else [f"--lane {lane}" for lane in selection.lanes]
        return " ".join(parts)

    def _header(self) -> dict[str, Any]:
        session = self.session
        by_metadata = {str(target): targets.provenance(target) for target in session.targets}
        return {
            **self.outline.describe(self._narrowed()),
            "targets": {**by_metadata, **self._provenance},
            "harness": __version__,
            **environment.describe(),
            "settings": {
                "threads": session.threads,
                "workers": self.config.getoption("numprocesses", None) or 0,
                "pinned": session.threads == 1 and bool(environment.cores()),
                "lanes": [str(lane) for lane in session.selection.lanes],
                "trial_limit": session.trial_limit,
            },
            "not_run": self._not_run(),
        }

    def _not_run(self) -> dict[str, str]:
        reasons = {str(target): self.session.obstacle(target) for target in self.session.targets}
        return {target: reason for target, reason in reasons.items() if reason}


def _instruction_sets(found: Sequence[Target]) -> list[str]:
    """What the CPU's targets are kept within, and what the user has set instead."""
    words = dict.fromkeys(isa.meant(target.isa) for target in found if target.device == "cpu" and not target.golden)
    return [*([f"instruction set {' and '.join(words)}, on {isa.cpu()}"] if words else []), *isa.choice()]
