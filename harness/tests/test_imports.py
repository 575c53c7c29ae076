"""Which room imports which: data moves one way, and no framework comes along unasked."""

from __future__ import annotations

import ast
import graphlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
ROOT = PACKAGE.parent
FRAMEWORKS = ("torch", "mindspore")
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "tests" not in path.relative_to(PACKAGE).parts
}


def named(module: str, node: ast.AST) -> Iterator[str]:
    """The modules that an import statement, or a call of importlib, names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, f"{module} imports relatively"
        origin = node.module or ""
        yield from (f"{origin}.{alias.name}" if f"{origin}.{alias.name}" in FILES else origin for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        yield from (str(word.value) for word in node.args if isinstance(word, ast.Constant))


def imports(module: str) -> frozenset[str]:
    """What the module names anywhere in its text, in functions too."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    return frozenset(name for node in ast.walk(tree) for name in named(module, node))


IMPORTS = {module: imports(module) for module in FILES}
OWN = {module: frozenset(name for name in found if name in FILES) for module, found in IMPORTS.items()}


def reached(module: str) -> frozenset[str]:
    """The modules of the harness that come along with this one."""
    found, waiting = set[str](), [module]
    while waiting:
        for name in OWN[waiting.pop()] - found:
            found.add(name)
            waiting.append(name)
    return frozenset(found)


def rooms(*names: str) -> frozenset[str]:
    """The modules of these rooms: a module, or a package with all that is in it."""
    wanted = [f"harness.{name}" for name in names]
    found = frozenset(module for module in FILES if any(f"{module}.".startswith(f"{room}.") for room in wanted))
    assert found, names
    return found


ADAPTERS = frozenset(module for module in FILES if ".adapter_" in module)
RUNNING = rooms(
    *(
        "runner",
        "lane",
        "adjudicate",
        "fills",
        "session",
        "plugin",
        "recorder",
        "plan",
        "watchdog",
        "checks",
        "porting",
        "reproduce",
        "explore",
    ),
    *("ledger.probe", "ledger.seek", "ledger.child", "apart"),
)


def test_the_modules_are_found() -> None:
    assert {
        "harness.model",
        "harness.backends.adapter_torch",
        "harness.casefile",
        "harness.report.view",
    } <= FILES.keys()
    assert "harness.protocol" in IMPORTS["harness.model"]
    assert "mindspore" in IMPORTS["harness.backends.adapter_mindspore"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_only_its_adapter_imports_a_framework(framework: str) -> None:
    users = {
        module for module, found in IMPORTS.items() if any(f"{name}.".startswith(f"{framework}.") for name in found)
    }
    assert users == {f"harness.backends.adapter_{framework}"}


def test_no_module_imports_itself_in_a_circle() -> None:
    order = list(graphlib.TopologicalSorter(OWN).static_order())
    assert order.index("harness.model") < order.index("harness.runner")


@pytest.mark.parametrize("module", sorted(FILES))
def test_no_room_imports_an_adapter(module: str) -> None:
    assert not OWN[module] & ADAPTERS


SHARED = ("pipeline", "convolution", "layers", "accelerator", "cpu_isa", "torch_devices", "mindspore_devices")


@pytest.mark.parametrize("module", sorted(rooms("backends") - {"harness.backends.targets"}))
def test_backends_know_the_protocol_and_no_more(module: str) -> None:
    allowed = {f"harness.backends.{name}" for name in SHARED}
    assert OWN[module] <= allowed | rooms("protocol", "dtypes", "isa", "model", "errors")


def test_targets_know_backends_and_records_only() -> None:
    allowed = {"harness.backends", *rooms("protocol", "model", "errors", "environment", "isa")}
    places = {"harness.backends.named", "harness.remote.near", "harness.golden.player"}
    assert OWN["harness.backends.targets"] <= allowed | places


SENT = ("harness.remote.wire", "harness.remote.far")


@pytest.mark.parametrize("module", SENT)
def test_what_is_sent_to_another_interpreter_needs_only_what_is_sent_along(module: str) -> None:
    assert OWN[module] <= {"harness.protocol", "harness.dtypes", "harness.isa", *SENT}


def test_who_plays_a_golden_back_knows_no_run() -> None:
    running = rooms("runner", "session", "plan", "lane", "adjudicate", "fills", "checks", "casefile")
    assert not reached("harness.golden.player") & (running | ADAPTERS)


JUDGES = rooms("compare", "tolerance", "mutants", "diagnosis")


@pytest.mark.parametrize("module", sorted(JUDGES))
def test_who_judges_sees_arrays_and_records_only(module: str) -> None:
    assert OWN[module] <= JUDGES | {"harness.model", "harness.dtypes"}


# The language of conditions is pure; to speak it is not to read a case file.
READING = rooms("casefile") - {"harness.casefile.expressions"}
PAGES = rooms("matrix", "report", "records", "divergence", "classes", "ledger.claims", "ledger.findings")


@pytest.mark.parametrize("module", sorted(PAGES))
def test_pages_are_made_of_records_alone(module: str) -> None:
    assert not reached(module) & (RUNNING | JUDGES | ADAPTERS | READING | rooms("backends.targets"))


@pytest.mark.parametrize("module", sorted(rooms("divergence", "classes", "ledger.separate")))
def test_classes_know_nothing_of_pages_and_files(module: str) -> None:
    assert not reached(module) & rooms("report", "matrix", "known", "summary", "commands")


@pytest.mark.parametrize("module", sorted(rooms("casefile")))
def test_case_files_are_read_without_running_anything(module: str) -> None:
    assert not reached(module) & (RUNNING | JUDGES | ADAPTERS | rooms("backends.targets", "records", "report"))


def test_conditions_are_learned_from_values_alone() -> None:
    assert reached("harness.ledger.conditions") <= rooms("casefile", "model", "errors", "protocol")


def test_what_is_asked_of_the_frameworks_is_decided_without_them() -> None:
    allowed = rooms("casefile", "ledger.conditions", "ledger.findings", "records", "model", "errors", "protocol")
    allowed |= rooms("divergence")
    assert reached("harness.ledger.probe") <= allowed | rooms("dtypes")


def test_shrinking_and_writing_code_know_no_framework_and_no_runner() -> None:
    assert not reached("harness.shrink")
    assert reached("harness.written") <= rooms("model", "protocol")
    for module in rooms("reproduce.exhibit", "reproduce.script", "reproduce.issue"):
        assert not reached(module) & rooms("runner", "session", "plan", "backends", "apart")


def test_only_the_search_beyond_the_sweeps_knows_hypothesis() -> None:
    users = {module for module, found in IMPORTS.items() if any(f"{name}.".startswith("hypothesis.") for name in found)}
    assert users == {"harness.explore.search"}
    assert {module for module, found in OWN.items() if found & rooms("explore")} <= rooms("explore", "commands.explore")
    assert not reached("harness.explore.search") & (rooms("runner", "session", "plan", "backends") | ADAPTERS)


def test_only_the_process_that_seeks_runs_anything() -> None:
    within = rooms("runner", "adjudicate", "session", "plugin", "recorder", "plan", "ledger.probe", "ledger.child")
    assert not reached("harness.ledger.seek") & (within | rooms("apart.bench", "apart.child") | JUDGES | ADAPTERS)
    assert not reached("harness.apart.judge") & (within | rooms("apart.bench", "apart.child"))


@pytest.mark.parametrize(
    "module", ["harness.model", "harness.errors", "harness.inputs", "harness.isa", "harness.watchdog"]
)
def test_the_ground_floor_stands_on_itself(module: str) -> None:
    assert reached(module) <= {"harness.model", "harness.protocol"}


IMPORT_ALL = """
import importlib, sys
for name in {names}:
    importlib.import_module(name)
print(sorted({{'torch', 'mindspore'}} & set(sys.modules)))
"""


def test_importing_everything_but_the_adapters_imports_no_framework(tmp_path: Path) -> None:
    for framework in FRAMEWORKS:
        (tmp_path / f"{framework}.py").write_text("raise AssertionError('a framework was imported')\n")
    names = [module for module in FILES if module.removeprefix("harness.backends.adapter_") not in FRAMEWORKS]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL.format(names=names)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (found.stdout, found.stderr, found.returncode) == ("[]\n", "", 0)
