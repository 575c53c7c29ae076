"""A device that exists in this file only: calls are kept in order, launches are asynchronous, errors come late.

A fake. It does what the vendors' documentation says of the order of calls, as far as the adapters rely on it, and
computes with NumPy. That an adapter passes here is no sign that it ran on an accelerator.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.model import Array


class FakeDevice:
    """One device: what was called, whether an operator ran, and what has yet to fail.

    Attributes:
        calls: in their order.
        started: whether an operator has been launched.
        failing: the error of the next launch; empty for none.
        broken: whether an error stays, as one that corrupts a context does.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.started = False
        self.failing = ""
        self.broken = False
        self._pending = ""

    def note(self, call: str) -> None:
        self.calls.append(call)

    def configure(self, call: str) -> None:
        """Note a call that has to come before the first operator."""
        if self.started:
            raise RuntimeError(f"{call} after the first operator")
        self.note(call)

    def once(self, call: str, name: str) -> None:
        """The same for one that may be called once only."""
        if any(each.startswith(name) for each in self.calls):
            raise RuntimeError(f"{name} a second time")
        self.configure(call)

    def launch(self) -> None:
        """Start an operator. Its error waits until somebody waits for it."""
        self.started = True
        self.note("launch")
        self._pending, self.failing = self._pending or self.failing, ""

    def synchronise(self) -> None:
        self.note("synchronise")
        pending = self._pending
        self._pending = pending if self.broken else ""
        if pending:
            raise RuntimeError(pending)


class FakeTensor:
    """An array on the host or on the device; arithmetic on the device is a launch."""

    def __init__(self, array: Array, device: FakeDevice, where: str = "cpu") -> None:
        self.array, self.device, self.where = array, device, where
        self.dtype = array.dtype.name

    def to(self, what: str) -> FakeTensor:
        if ":" in what or what == "cpu":
            self.device.note(f"to {what}")
            return FakeTensor(self.array, self.device, what)
        return FakeTensor(self.array.astype(what), self.device, self.where)

    def cpu(self) -> FakeTensor:
        if self.where != "cpu":
            self.device.synchronise()
            self.device.note("fetch")
        return FakeTensor(self.array, self.device)

    def detach(self) -> FakeTensor:
        return self

    def numpy(self) -> Array:
        if self.where != "cpu":
            raise TypeError(f"can't convert {self.where} tensor to numpy")
        return self.array

    def __mul__(self, other: FakeTensor) -> FakeTensor:
        if self.where != other.where:
            raise RuntimeError(f"tensors on {self.where} and {other.where}")
        if self.where != "cpu":
            self.device.launch()
        return FakeTensor(self.array * other.array, self.device, self.where)


class FakeLayer:
    """The input times the weight. A class of its own for each device, since it is built without arguments."""

    device: FakeDevice

    def __init__(self) -> None:
        self.weight = FakeParameter(FakeTensor(np.ones(3, np.float32), self.device))

    def to(self, what: str) -> FakeLayer:
        self.weight.data = self.weight.data.to(what)
        return self

    def named_parameters(self) -> list[tuple[str, Any]]:
        return [("weight", self.weight)]

    def __call__(self, x: FakeTensor) -> FakeTensor:
        return x * self.weight.data


class FakeParameter:
    """A tensor that can be exchanged."""

    def __init__(self, data: FakeTensor) -> None:
        self.data = data

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.array.shape

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    def detach(self) -> FakeTensor:
        return self.data
