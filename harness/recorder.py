"""The controlling process's part of a run: records to disk, progress, and the summary at the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import __version__, environment, plan, report, summary, trial_record, watchdog
from harness.backends import targets
from harness.known import Known, Status
from harness.model import Trial
from harness.records import Writer, merge
from harness.session import WORKER_LOGS, Session

SECONDS_BETWEEN_LINES = 10.0


class Recorder:
    """Writes ``results.jsonl`` as the reports come in, and the pages when the run is over."""

    def __init__(self, config: pytest.Config, session: Session) -> None:
        """Keep the configuration; nothing is written before the first record."""
        self.config, self.session = config, session
        self.path = (config.invocation_params.dir / session.results).absolute() / "results.jsonl"
        session.results = self.path.parent
        self.planned: list[str] = []
        self.counts: Counter[str] = Counter()
        self.unmatched: tuple[Known, ...] = ()
        self.pages: Sequence[Path] = ()
        self._writer: Writer | None = None
        self._provenance: dict[str, Mapping[str, Any]] = {}
        self._trials: dict[str, tuple[Trial, trial_record.Origin]] | None = None
        self._cores: dict[str, int] = {}
        self._matched: set[str] = set()
        self._reached: set[str] = set()
        self._last_line = time.monotonic()
        self._interrupted = False
        self._uncollected = 0

    # -- what pytest and xdist tell ------------------------------------------------------------------------------

    def pytest_report_header(self) -> list[str]:
        """Targets and settings; what cannot run here is said at the start."""
        session = self.session
        lines = [
            f"conformance: reference {session.selection.reference}, subject "
            f"{', '.join(map(str, session.selection.subjects))}, tier {session.selection.tier}, "
            f"shard {session.selection.shard}, {session.threads} thread(s) a worker"
        ]
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
        self.planned = self.planned or [nodeid for nodeid in ids if _case_file_of(nodeid)]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take the plan where there are no workers."""
        self.planned = self.planned or [item.nodeid for item in session.items if _case_file_of(item.nodeid)]

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Give the trial that a worker died in its own record."""
        found = self._trial_of(crashitem)
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
        writer = self._writer = self._writer or self._start()
        writer.trial(record)
        self.counts[record["status"]] += 1
        if record["status"] != Status.NOT_RUN:
            self._reached.add(record["subject"])
        if record["known"]:
            self._matched.add(record["known"]["id"])
        self._progress()

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that the run did not end by itself."""
        self._interrupted = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Close the records and write the pages; a whole run that left a known divergence unmatched is red."""
        if self._writer is None:
            return
        if self._interrupted or sum(self.counts.values()) < len(self.planned):
            self._writer.close()
        else:
            self._writer.footer()
            self.unmatched = self._unmatched()
        self.pages = report.write(merge([self.path]), self.path.parent)
        if self.unmatched and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One line per layer and subject, the new divergences, and what to do next."""
        if self._writer is not None:
            results = merge([self.path])
            here = self.config.invocation_params.dir
            summary.write(terminalreporter, results, self.unmatched, self.path.parent, here)

    # -- what follows from it ------------------------------------------------------------------------------------

    def _progress(self) -> None:
        if time.monotonic() - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = time.monotonic()
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            done, red = sum(self.counts.values()), sum(self.counts[status] for status in Status if status.red)
            known = self.counts[Status.KNOWN]
            reporter.write_line(f"{done} of {len(self.planned)} trials, {red} new divergences, {known} known")

    def _start(self) -> Writer:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        writer = Writer(self.path)
        writer.header(self._header())
        return writer

    def _header(self) -> dict[str, Any]:
        session, files = self.session, self._files()
        known_provenance = {str(target): targets.provenance(target) for target in session.targets}
        return {
            "plan": plan.plan_hash(self.planned),
            "planned": len(self.planned),
            "selected": self._selected(),
            "shard": str(session.selection.shard),
            "tier": str(session.selection.tier),
            "targets": {**known_provenance, **self._provenance},
            "harness": __version__,
            **environment.describe(),
            "settings": {
                "threads": session.threads,
                "workers": self.config.getoption("numprocesses", None) or 0,
                "pinned": session.threads == 1 and bool(environment.cores()),
                "lanes": [str(lane) for lane in session.lanes],
                "trial_limit": session.trial_limit,
            },
            "not_run": self._not_run(),
            "coverage": [summary.coverage_row(family) for file in files for family in self._taken(file)],
            "claims": [
                {"id": each.id, "layer": each.layer, "document": each.document, "where": each.where, "says": each.says}
                for file in files
                for each in file.claims
            ],
            "documents": plan.documents_of(files),
        }

    def _taken(self, file: Any) -> list[Any]:
        return [family for family in file.families if self.session.selection.tier.holds(family.tier)]

    def _files(self) -> list[Any]:
        """The case files of the planned trials; in a run with workers this process has collected none of them."""
        learned = {file.path: file for file in self.session.files}
        paths = [self.config.rootpath / name for name in sorted({_case_file_of(nodeid) for nodeid in self.planned})]
        for path in paths:
            if path not in learned:
                learned[path] = plan.load_case_file(path)
                self.session.learn(learned[path])
        return [learned[path] for path in paths]

    def _selected(self) -> str:
        return "all" if self._whole() else " ".join(self.config.invocation_params.args) or "part"

    def _whole(self) -> bool:
        """Whether nothing of the folders' case files was left out, but for tier and shard."""
        files = self._files()
        read, folders = {file.path for file in files}, {file.path.parent for file in files}
        if any(path not in read for folder in folders for path in plan.case_paths(folder)):
            return False
        selection = self.session.selection
        counts = (sum(1 for _ in plan.trials(family, selection)) for file in files for family in file.families)
        return sum(counts) == len(self.planned)

    def _unmatched(self) -> tuple[Known, ...]:
        if not self._reached or not self._whole() or str(self.session.selection.shard) != "1/1":
            return ()
        run = {(file.layer, family.name) for file in self._files() for family in self._taken(file)}
        return tuple(
            entry
            for entry in self.session.known
            if entry.id not in self._matched
            and entry.applies(self._reached, self.session.versions)
            and any((entry.layer, family) in run for family in entry.families)
        )

    def _not_run(self) -> dict[str, str]:
        reasons = {str(target): self.session.obstacle(target) for target in self.session.targets}
        return {target: reason for target, reason in reasons.items() if reason}

    def _trial_of(self, nodeid: str) -> tuple[Trial, trial_record.Origin] | None:
        if self._trials is None:
            self._trials = {
                f"{path}::{family.name}::{trial.id.split('/', 2)[2]}": (trial, trial_record.Origin(path, family.tier))
                for file in self._files()
                for path in [file.path.relative_to(self.config.rootpath).as_posix()]
                for family in file.families
                for trial in plan.trials(family, self.session.selection)
            }
        return self._trials.get(nodeid)


def _case_file_of(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    return path if path.endswith(".yaml") else ""
