"""pytest hooks: options, collection of case files, and the trial item. Thin; see session.py for what a run keeps."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import marks, plan, trial_record
from harness.casefile import Family, word
from harness.errors import HarnessError, did_you_mean
from harness.failures import FailureBlocks
from harness.known import Status
from harness.model import Tier, Trial
from harness.plan import CASES_FOLDER
from harness.session import SETTINGS, Session

# These give a crashed worker's trial to another worker, again and again.
RETRYING = ("loadscope", "loadfile", "loadgroup", "each")
# xdist gives up after a few lost workers; here each loss is a trial's result, and trials are finite.
ALWAYS_RESTART = "1000000"
SESSION = pytest.StashKey[Session]()


class TrialFailure(Exception):
    """A trial that is not as its case file and ``known.yaml`` say."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a conformance run."""
    group = parser.getgroup("conformance", "differential conformance of torch and MindSpore layers (cases/*.yaml)")
    for setting in SETTINGS:
        group.addoption(f"--{setting.name}", **setting.options)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run case files in a worker even without ``-n``: a crash then costs one trial and not the run."""
    option = config.option
    if hasattr(config, "workerinput") or not hasattr(option, "numprocesses") or not _takes_cases(config):
        return
    if option.numprocesses is None and not option.usepdb:
        option.numprocesses = 1
    if option.maxworkerrestart is None:
        option.maxworkerrestart = ALWAYS_RESTART


def _takes_cases(config: pytest.Config) -> bool:
    paths = [config.invocation_params.dir / argument.split("::")[0] for argument in config.args]
    patterns = ("*.yaml", f"{CASES_FOLDER}/*.yaml")
    # A path that is not there is left to pytest, which says so; a worker would not.
    return all(path.exists() for path in paths) and any(
        path.suffix == ".yaml" or any(path.glob(pattern)) for path in paths for pattern in patterns
    )


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, set the process up, and keep records where the run is controlled from."""
    for mark, says in marks.described():
        config.addinivalue_line("markers", f"{mark}: {says}")
    try:
        session = Session.from_options(config.option, getattr(config, "workerinput", {}))
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[SESSION] = session
    if _takes_cases(config):
        _check_marks(config)
    if config.getoption("dist", "no") in RETRYING:
        raise pytest.UsageError(f"--dist {config.option.dist} runs a crashed trial again; use --dist load or worksteal")
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        from harness.recorder import Recorder  # noqa: PLC0415  (brings pandas; workers start faster without it)

        blocks = FailureBlocks(config)
        config.pluginmanager.register(blocks, "conformance-failures")
        config.pluginmanager.register(Recorder(config, session, _takes_cases(config), blocks), "conformance-recorder")


def _check_marks(config: pytest.Config) -> None:
    """Raise a usage error for an unknown mark in ``-m``; of a worker, pytest would make it an internal one."""
    known = {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")}
    words = re.sub(r"\([^()]*=[^()]*\)", "", config.option.markexpr)  # what a mark is asked for by keyword
    for mark in re.findall(r"[A-Za-z_]\w*", words):
        if mark not in known | {"and", "or", "not", "True", "False"}:
            raise pytest.UsageError(f"-m: no mark '{mark}' ({did_you_mean(mark, known)})")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """``cases/*.yaml``, but for the list of known divergences, which is checked along with the first of them."""
    if file_path.parent.name != CASES_FOLDER or file_path.suffix != ".yaml" or file_path.name == plan.KNOWN_FILE:
        return None
    return CaseFileCollector.from_parent(parent, path=file_path)


class CaseFileCollector(pytest.File):
    """One case file; its children are families."""

    def collect(self) -> Iterator[pytest.Collector]:
        """Read the file. A bad one is a collection error of one line."""
        session = self.config.stash[SESSION]
        try:
            file = plan.load_case_file(self.path)
            plan.check_sides(file, session.selection)
            session.learn(file)
            session.check_known(file)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for family in file.families:
            yield FamilyCollector.from_parent(self, name=family.name, family=family)


class FamilyCollector(pytest.Collector):
    """One family; its children are trials."""

    def __init__(self, *, family: Family, **rest: Any) -> None:
        """Keep the family."""
        super().__init__(**rest)
        self.family = family

    def collect(self) -> Iterator[pytest.Item]:
        """The trials of the selected tier, shard and targets."""
        session = self.config.stash[SESSION]
        origin = trial_record.Origin(self.nodeid.split("::")[0], self.family.tier)
        for trial in plan.trials(self.family, session.selection):
            yield TrialItem.from_parent(self, name=plan.item_name(trial), trial=trial, origin=origin)


class TrialItem(pytest.Item):
    """One trial."""

    record: dict[str, Any] | None = None

    def __init__(self, *, trial: Trial, origin: trial_record.Origin, **rest: Any) -> None:
        """Keep the trial, and mark it with what people select by."""
        super().__init__(**rest)
        self.trial, self.origin = trial, origin
        for mark in marks.of(Tier(origin.tier), trial.dtype, trial.subject.device):
            self.add_marker(mark)
        # For -k, whose grammar has no '=': -k "k:3 and s:2".
        swept = {name: trial.case.values[name] for name in trial.case.swept}
        self.extra_keyword_matches.update(f"{name}:{word(value)}" for name, value in swept.items())

    def runtest(self) -> None:
        """Run the trial, keep its record, and fail, xfail or skip as its status asks."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            record = self.config.stash[SESSION].run(self.trial, self.origin)
        self.record = record
        status = Status(record["status"])
        if status is Status.NOT_RUN:
            pytest.skip(record["error"]["message"])
        if status is Status.KNOWN:
            pytest.xfail(record["known"]["reason"])
        if status.red:
            raise TrialFailure

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The reason first, the reproducer last."""
        if excinfo.errisinstance(TrialFailure) and self.record:
            return trial_record.story(self.record)
        if excinfo.errisinstance((HarnessError, pytest.xfail.Exception)):
            return str(excinfo.value)  # no traceback of our own code, which takes longer to print than the trial
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where and what, for the failure's heading."""
        return self.path, None, self.trial.id


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the record along with the report."""
    report = yield
    if isinstance(item, TrialItem) and item.record is not None and report.when == "call":
        # As text: the channel between the processes takes no subclass of str, which versions often are.
        sent = {"record": item.record, "targets": item.config.stash[SESSION].fresh_provenance()}
        report.harness = json.dumps(sent)  # type: ignore[attr-defined]
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """No dots for trials: the recorder prints its own progress."""
    if not hasattr(report, "harness"):
        return None
    category = "xfailed" if hasattr(report, "wasxfail") else report.outcome
    return category, "", json.loads(report.harness)["record"]["verdict"]
