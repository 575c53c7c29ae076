"""Our side of a target in another interpreter or on another host: a backend that asks, and replaces what dies."""

from __future__ import annotations

import builtins
import re
import signal
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import execnet

from harness.errors import HarnessError
from harness.model import Target, Verdict
from harness.protocol import Argument, Observation, Request
from harness.remote.shipped import BOOT, sources
from harness.remote.wire import pack, unpack
from harness.watchdog import TIMEOUT_MARK, Death, Died

# Seconds: for an import, for an answer beyond the limit that the other side sees to, and for a process to be gone.
OPEN_LIMIT, GRACE, GONE = 300.0, 10.0, 3.0
FATAL = {"MemoryError": "out of memory", "SystemExit": "it exits", "DeviceLost": "the device is lost"}
# A shell adds this to the number of a signal; ssh ends with this where it lost the other side.
SHELL_ADDS, SSH_FAILED = 128, 255


class Unreachable(HarnessError):
    """The other side cannot be started, or cannot open the framework: why, and what to do."""

    def __init__(self, target: Target, reason: str) -> None:
        """Say it in one line."""
        self.target = target
        super().__init__(f"{target} ({target.where}): {' '.join(reason.split())}")


class Remote:
    """A backend in another process. It is started when it is first asked, and again after it died.

    A death is raised as :class:`harness.watchdog.Died`, at the request that met it.
    """

    def __init__(self, target: Target, module: str, environment: Mapping[str, str], threads: int, limit: float) -> None:
        """Start it.

        Args:
            target: what runs, and where.
            module: the adapter's, which is sent over.
            environment: variables that are set there before anything is imported.
            threads: for the framework.
            limit: seconds that one request may take.

        Raises:
            Unreachable: it cannot be started, or says on opening the framework why it cannot run.
            Died: it died at that.
        """
        self.target, self.limit = target, limit
        self._setup = {
            "module": module,
            "arguments": [target.device, target.mode, threads],
            "environment": dict(environment),
            "isa": target.isa,
            "sources": sources(module),
        }
        self._connection: _Connection | None = None
        self._provenance = dict(self._open().opened)

    def provenance(self) -> Mapping[str, Any]:
        """See the protocol; and where it runs."""
        return {**self._provenance, "target": self.target.kind, "where": self.target.where}

    def observe(self, request: Request) -> Observation:
        """See the protocol. Raises Died."""
        seen: Observation = self._ask("observe", request)
        return seen

    def signature(self, call: str, of: str) -> Sequence[Argument]:
        """See the protocol. Raises Died."""
        found: Sequence[Argument] = self._ask("signature", call, of)
        return found

    def describe(self, request: Request) -> list[dict[str, tuple[int, ...]]]:
        """See :meth:`harness.backends.pipeline.PipelineBackend.describe`. Raises Died."""
        described: list[dict[str, tuple[int, ...]]] = self._ask("describe", request)
        return described

    def close(self) -> None:
        """End it."""
        if self._connection is not None:
            self._connection.leave()
            self._connection = None

    def _ask(self, method: str, *arguments: Any) -> Any:
        connection = self._connection or self._open()
        try:
            connection.channel.send([method, [pack(each) for each in arguments], self.limit])
            kind, *rest = connection.channel.receive(self.limit + GRACE)
        except (EOFError, OSError, connection.channel.TimeoutError, connection.channel.RemoteError) as error:
            raise Died(self._bury(error), str(self.target)) from None
        if kind == "ok":
            return unpack(rest[0])
        name, text = rest
        if name in FATAL:  # what is left of such a process is not to be trusted
            self.close()
            raise Died(Death(Verdict.CRASH, f"{FATAL[name]}: {text}", ""), str(self.target))
        known = getattr(builtins, name, RuntimeError)
        raise known(text) if issubclass(known, Exception) else RuntimeError(f"{name}: {text}")

    def _open(self) -> _Connection:
        connection = self._connection = _Connection(self.target)
        try:
            connection.send(self._setup)
            kind, *rest = connection.channel.receive(OPEN_LIMIT)
        except (EOFError, OSError, connection.channel.TimeoutError, connection.channel.RemoteError) as error:
            death = self._bury(error)
            said = f"; it printed last: {last_line(death.trace)}" if death.trace else ""
            raise Unreachable(self.target, f"it died while it was set up: {death.reason}{said}") from None
        if kind != "ok":
            self.close()
            raise Unreachable(self.target, f"Python {connection.python} cannot set it up: {rest[0]}: {rest[1]}")
        connection.opened = unpack(rest[0]) | {"python": connection.python}
        return connection

    def _bury(self, error: BaseException) -> Death:
        """How it ended, and what it printed last, which another process is asked for."""
        connection, self._connection = self._connection, None
        assert connection is not None
        waited = type(error).__name__ == "TimeoutError"
        reason = f"no answer within {self.limit:g} s" if waited else connection.ending(error)
        connection.end()
        trace = _last_words(self.target, connection.folder)
        if TIMEOUT_MARK in trace:
            waited, reason = True, f"no answer within {self.limit:g} s"
        return Death(Verdict.TIMEOUT if waited else Verdict.CRASH, reason, trace)


class _Connection:
    """A process over there, and the channel to it."""

    def __init__(self, target: Target) -> None:
        self.folder = f"conformance-{uuid.uuid4().hex}"
        self.opened: dict[str, Any] = {}
        self.python = "of an unknown version"
        self._group = execnet.Group()
        try:
            self._gateway = self._group.makegateway(_in_main_thread(target.where))
            self.channel = self._gateway.remote_exec(BOOT)
        except Exception as error:  # execnet raises what the system raises, and more
            self._group.terminate(timeout=GONE)
            told = f"{type(error).__name__}: {error}"
            raise Unreachable(target, f"cannot be started: {told}; look at its line in targets.toml") from None

    def send(self, setup: Mapping[str, Any], before: str = "") -> str:
        """Send what the other side needs; what the process with that folder printed last."""
        self.channel.send({**setup, "folder": self.folder, "before": before})
        self.python, words = self.channel.receive(OPEN_LIMIT)
        return str(words)

    def ending(self, error: BaseException) -> str:
        """How the process ended, in words."""
        if isinstance(error, self.channel.RemoteError):
            return last_line(str(error))
        if self._process is None:
            return "the connection broke"
        try:
            code = self._process.wait(GONE)
        except Exception:  # it lives, but nothing comes from it any more
            return "the connection broke"
        return exit_words(code)

    def leave(self) -> None:
        """Let the process end by itself, so that it leaves nothing behind, and end it if it does not."""
        with suppress(Exception):
            self.channel.close()
            self._gateway.exit()
            self._process and self._process.wait(GONE)
        self.end()

    def end(self) -> None:
        """End the process, whatever it does."""
        if self._process:
            self._process.kill()
        self._group.terminate(timeout=GONE)
        over_socket = getattr(self._gateway._io, "sock", None)
        if over_socket is not None:  # execnet leaves it to the garbage collection
            over_socket.close()

    @property
    def _process(self) -> Any:
        """What runs here: the other side, or the one that talks to another host; ``None`` over a socket."""
        return getattr(self._gateway._io, "popen", None)


def exit_words(code: int) -> str:
    """What an exit status says: ``killed by SIGSEGV``."""
    if code == SSH_FAILED:
        return "the connection broke"
    number = -code if code < 0 else max(code - SHELL_ADDS, 0)
    if number:
        name = next((each.name for each in signal.Signals if each == number), f"signal {number}")
        memory = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return f"killed by {name}{memory}"
    return f"it exited with code {code}"


def last_line(text: str) -> str:
    """The last line that says something."""
    return ([line.strip() for line in text.splitlines() if line.strip()] or [""])[-1]


def _in_main_thread(where: str) -> str:
    """The specification with the framework in the main thread, where its signals and fault handlers belong."""
    return where if re.search(r"//execmodel=", where) else f"{where}//execmodel=main_thread_only"


def _last_words(target: Target, folder: str) -> str:
    """What the process with this folder printed last; empty where nobody can be asked any more."""
    try:
        connection = _Connection(target)
    except Unreachable:
        return ""
    try:
        setup = {"environment": {}, "isa": "", "sources": sources("harness.remote.far"), "module": ""}
        return connection.send(setup, folder)
    except Exception:
        return ""
    finally:
        connection.leave()
