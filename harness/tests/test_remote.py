"""Targets in another process: the same answers as here, and a death that costs one trial."""

from __future__ import annotations

import ast
import gc
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness.backends import targets
from harness.model import Array, Target, Verdict
from harness.protocol import Argument, Failure, Observation, Phase, Request, Step
from harness.remote import near, shipped, wire
from harness.remote.near import Remote, Unreachable
from harness.tests import mini
from harness.watchdog import Died

# execnet leaves the sockets of connections that come to nothing to the garbage collection.
execnets_sockets = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
HERE = f"popen//python={sys.executable}"
ARRAYS = [
    np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    np.arange(24, dtype=np.float32).reshape(2, 3, 4).swapaxes(0, 2),
    np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 1e-45], np.float32),
    np.array(-0.0, np.float64),
    np.empty((0, 3), np.float16),
    np.array([[1, -2]], np.int64),
    np.array([True, False]),
    np.array([[1.5, -0.0], [np.nan, 3e38]], ml_dtypes.bfloat16),
    np.array(1.5, ml_dtypes.bfloat16),
]


def remote(framework: str = "mini", where: str = HERE, limit: float = 20.0) -> Remote:
    target = Target(framework, "cpu", name="over-there", where=where)
    return Remote(target, f"harness.backends.adapter_{framework}", {"OMP_NUM_THREADS": "1"}, 1, limit)


@pytest.fixture(scope="module")
def there() -> Iterator[Remote]:
    backend = remote()
    yield backend
    backend.close()


def request(call: str, **kwargs: Any) -> Request:
    x = np.arange(2 * 3 * 5 * 4, dtype=np.float32).reshape(2, 3, 5, 4)
    state = {"weight": np.eye(4, dtype=np.float32), "bias": np.arange(4, dtype=np.float32)}
    return Request((Step(f"mini.{call}", {"ci": 4, "co": 4, **kwargs}),), 0, (x,), state, cotangent=np.ones_like(x))


def same(left: Array, right: Array) -> bool:
    return (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


# -- what travels ------------------------------------------------------------------------------------------------------


def carried(value: Any) -> Any:
    """The value after it went through execnet's own bytes."""
    import execnet

    return wire.unpack(execnet.loads(execnet.dumps(wire.pack(value))))


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_arrive_bit_for_bit_and_can_be_written_to(array: Array) -> None:
    arrived = carried(array)
    assert same(arrived, array)
    assert arrived.flags.writeable


def test_records_arrive_as_they_are() -> None:
    inner = Step("a.B", {"init": (1, (2.5, None)), "on": True}, ("x", [1, 2]))
    sent = Request((Step("a.C", {"of": inner}, (float("inf"), 1 << 40)), inner), 1, (), {}, "way", 7, "state", None, ())
    assert carried(sent) == sent
    failure = Failure(Phase.BACKWARD, "TypeError", "no, neither \N{SNOWMAN}", True, False)
    assert carried(Observation({}, failure, 0.25)) == Observation({}, failure, 0.25)
    assert type(carried(failure).phase) is Phase
    assert carried([Argument("k", "3"), Argument("s")]) == [Argument("k", "3"), Argument("s")]


def test_what_is_of_no_known_kind_does_not_travel() -> None:
    with pytest.raises(TypeError, match="object is none of the kinds that travel"):
        wire.pack({"a": object()})


@pytest.mark.parametrize("framework", ["mindspore", "torch"])
def test_what_is_sent_is_of_python_3_9_and_needs_only_numpy_and_its_framework(framework: str) -> None:
    files = shipped.sources(f"harness.backends.adapter_{framework}")
    allowed = set(sys.stdlib_module_names) | {"numpy", "ml_dtypes", framework, "harness"}
    for path, text in files.items():
        for node in ast.walk(ast.parse(text, path, feature_version=(3, 9))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed, path
            for name in names:
                if name.startswith("harness."):
                    inside = {f"{name.replace('.', '/')}{end}" for end in (".py", "/__init__.py")}
                    assert inside & files.keys(), f"{path} needs {name}, which is not sent"


def test_without_a_library_for_it_bfloat16_is_kept_as_bits() -> None:
    code = """
import sys
sys.modules["ml_dtypes"] = None
import numpy as np
from harness import dtypes
from harness.remote import wire
bits = np.array([0x3FC0, 0x8000, 0x7FC0], np.uint16).view(dtypes.dtype("bfloat16"))
back = wire.unpack(wire.pack(bits))
print(dtypes.is_bfloat16(back), dtypes.floating(back), dtypes.name_of(back), dtypes.widened(back).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True True bfloat16 [1.5, -0.0, nan]\n"


# -- the other side ----------------------------------------------------------------------------------------------------


def test_another_process_answers_as_this_one(there: Remote) -> None:
    here = mini.open_backend(mini.MINI)
    for asked in (request("Linear"), request("WrongDtype"), request("Raises", at="call"), request("Nothing")):
        expected, actual = here.observe(asked), there.observe(asked)
        assert (actual.failure, actual.outputs.keys()) == (expected.failure, expected.outputs.keys())
        assert all(same(actual.outputs[name], array) for name, array in expected.outputs.items())
    assert there.observe(request("Linear")).outputs.keys() >= {"output", "grad.0", "grad.weight"}


def test_it_tells_signatures_and_what_it_has_not_got(there: Remote) -> None:
    here = mini.open_backend(mini.MINI)
    assert list(there.signature("mini.Linear", "constructor")) == list(here.signature("mini.Linear", "constructor"))
    with pytest.raises(LookupError, match=r"mini\.Nothing does not tell its signature"):
        there.signature("mini.Nothing", "constructor")


def test_it_tells_where_and_what_it_is(there: Remote) -> None:
    told = there.provenance()
    assert (told["where"], told["target"]) == (HERE, "mini@cpu")
    assert told["python"] == "{}.{}.{}".format(*sys.version_info)
    assert told.keys() >= mini.open_backend(mini.MINI).provenance().keys()


# -- deaths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("abort", "killed by SIGABRT"),
        ("segv", "killed by SIGSEGV"),
        ("kill", "killed by SIGKILL, as the system does when memory runs out"),
        ("exit", "it exited with code 3"),
        ("quit", r"it exits: no such input \(adapter_mini\.py:\d+\)"),
        ("memory", "out of memory: .*Unable to allocate"),
        ("disconnect", "the connection broke"),
    ],
)
def test_a_death_is_told_and_the_next_request_is_answered(there: Remote, how: str, reason: str) -> None:
    with pytest.raises(Died) as caught:
        there.observe(request("Crash", how=how))
    death = caught.value.death
    assert death.verdict is Verdict.CRASH and caught.value.target == "over-there"
    assert re.match(reason, death.reason)
    if how in ("abort", "segv"):
        assert "Fatal Python error" in death.trace and "in compute" in death.trace
    if how in ("segv", "kill"):
        assert "about to die" in death.trace
    assert there.observe(request("Linear")).failure is None


@pytest.mark.parametrize("how", ["locked", "unlocked"])
def test_a_hang_is_ended_with_its_stack(how: str) -> None:
    backend = remote(limit=1.0)
    start = time.monotonic()
    with pytest.raises(Died) as caught:
        backend.observe(request("Hang", how=how))
    assert time.monotonic() - start < near.GRACE, "the other side ends itself"
    assert (caught.value.death.verdict, caught.value.death.reason) == (Verdict.TIMEOUT, "no answer within 1 s")
    assert "in compute" in caught.value.death.trace
    backend.close()


def test_one_that_does_not_even_end_itself_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "GRACE", 0.5)
    backend = remote(limit=1.0)
    assert backend._connection is not None
    process: Any = backend._connection._gateway._io
    process.popen.send_signal(19)  # stopped, as by a debugger
    with pytest.raises(Died) as caught:
        backend.observe(request("Linear"))
    assert caught.value.death.reason == "no answer within 1 s"
    assert process.popen.wait(5) == -9
    backend.close()


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    backend = remote()
    with pytest.raises(Died):
        backend.observe(request("Crash", how="abort"))
    backend.observe(request("Linear"))
    backend.close()
    assert not list(tmp_path.iterdir())


# -- that cannot be reached --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("popen//python=/no/such/python", "cannot be started: FileNotFoundError"),
        ("socket=127.0.0.1:9", "cannot be started: ConnectionRefusedError"),
        ("popen//python=/bin/false", "cannot be started: "),
        ("telepathy=someone", "cannot be started: "),
    ],
)
@execnets_sockets
def test_who_cannot_be_started_is_told_in_a_line(where: str, words: str) -> None:
    with pytest.raises(Unreachable) as caught:
        remote(where=where)
    gc.collect()
    assert f"over-there ({where}): {words}" in str(caught.value)
    assert "\n" not in str(caught.value) and "look at its line in targets.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "raise ValueError('built for another processor')",
            "cannot set it up: ValueError: built for another processor",
        ),
        ("import no_such_package", "cannot set it up: ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit(4)", "cannot set it up: SystemExit: 4"),
        ("import os; print('loading', flush=True); os.abort()", "it died while it was set up: killed by SIGABRT"),
    ],
)
def test_an_adapter_that_fails_on_import_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    sent = dict(shipped.sources("harness.backends.adapter_mini"))
    sent["harness/backends/adapter_mini.py"] = body
    monkeypatch.setattr(near, "sources", lambda module: sent)
    with pytest.raises(Unreachable, match=re.escape(words)) as caught:
        remote()
    assert "\n" not in str(caught.value)


@execnets_sockets
def test_over_a_socket_whose_server_goes_away(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "execnet.script.socketserver", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            backend = _reached(f"socket=127.0.0.1:{port}")
            assert backend.observe(request("Linear")).failure is None
            server.kill()
            with pytest.raises(Died) as caught:
                backend.observe(request("Linear"))
            assert caught.value.death.reason == "the connection broke"
            with pytest.raises(Unreachable, match="ConnectionRefusedError"):
                backend.observe(request("Linear"))
        finally:
            server.kill()
    gc.collect()


def test_over_ssh_by_a_stand_in_for_its_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "ssh"
    # As the real one it hands the last argument to a shell over there, and ends as that does.
    client.write_text('#!/bin/sh\nfor last; do :; done\nsh -c "$last"\nexit $?\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    backend = remote(where=f"ssh=me@host//python={sys.executable}")
    assert backend.observe(request("Linear")).failure is None
    with pytest.raises(Died) as caught:
        backend.observe(request("Crash", how="abort"))
    assert caught.value.death.reason == "killed by SIGABRT"
    assert "in compute" in caught.value.death.trace
    assert backend.observe(request("Linear")).failure is None
    backend.close()


def _reached(where: str) -> Remote:
    for _ in range(50):
        try:
            return remote(where=where)
        except Unreachable:
            time.sleep(0.1)
    return remote(where=where)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-11, "killed by SIGSEGV"),
        (139, "killed by SIGSEGV"),
        (255, "the connection broke"),
        (1, "it exited with code 1"),
    ],
)
def test_what_an_exit_status_says(code: int, words: str) -> None:
    assert near.exit_words(code) == words


def test_a_target_elsewhere_has_a_backend_elsewhere() -> None:
    target = Target("mini", "cpu", name="there", where=HERE)
    backend = targets.backend(target, 1)
    assert isinstance(backend, Remote)
    assert isinstance(targets.backend(mini.MINI, 1), type(mini.open_backend(mini.MINI)))
    backend.close()
