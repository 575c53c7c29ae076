"""Real calls carried over, both ways: what ``port`` finds, and what checks of a real layer say."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.__main__ import main
from harness.backends import targets
from harness.model import AGREEMENT, OTHERS, Check, Initial, Parameter, Refusal, Side, Signature, Target, Trial, Verdict
from harness.outcome import Outcome
from harness.protocol import Argument, Backend, Phase, Request, Step
from harness.runner import run
from harness.tests import mini
from harness.tests.test_frameworks import MINDSPORE, ROOT, TORCH, pytestmark

__all__ = ["pytestmark"]
CASES = ("--cases", str(ROOT / "cases"))


def port(capsys: pytest.CaptureFixture[str], call: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["port", call, *CASES, *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("call", "recipe"),
    [
        ("torch.nn.Conv1d(3, 8, 3, padding=1)", "zeros"),
        ("torch.nn.Conv1d(3, 8, 3, padding=1, padding_mode='reflect')", "padding-modes"),
        ("torch.nn.Conv1d(3, 8, 4, padding=2, padding_mode='replicate', bias=False)", "padding-modes"),
        ("torch.nn.Conv1d(4, 8, 3, 2, padding=(2,), padding_mode='circular', groups=2)", "padding-modes"),
        ("torch.nn.Conv1d(3, 8, 4, padding='same', padding_mode='reflect')", "same-by-padding-modes"),
        (
            "torch.nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1)",
            "output-padding-by-uneven-padding",
        ),
        ("torch.nn.ConvTranspose2d(3, 4, 3, stride=3, padding=0, output_padding=2)", "output-padding-by-longer-input"),
        ("mindspore.nn.Conv1d(3, 8, 3, pad_mode='pad', padding=1, has_bias=True)", "pad"),
        ("mindspore.nn.Conv1d(3, 8, 3, pad_mode='valid', weight_init='zeros')", "pad-mode-valid"),
        ("mindspore.nn.Conv1d(3, 8, 3)", "pad-mode-same"),
        ("mindspore.nn.Conv1d(3, 8, 4, stride=3)", "pad-mode-same-with-stride"),
    ],
)
def test_a_call_has_an_equivalent(capsys: pytest.CaptureFixture[str], call: str, recipe: str) -> None:
    code, found = port(capsys, call)
    assert (code, found["equivalent"], found["recipe"]) == (0, True, recipe)
    assert found["verified"]["lanes"]["exact"] == "bitwise"
    assert found["verified"]["versions"].keys() == {"torch", "mindspore"}
    assert found["depends_on_input"] == (["l"] if recipe.endswith("with-stride") else [])
    assert all(each["counterexample"] for each in found["tried"] if not each["holds"])


def test_an_input_grows_and_words_stay_where_they_are_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = port(capsys, "torch.nn.Conv1d(3, 8, 5, dilation=4, padding='same')")
    assert (code, found["recipe"]) == (0, "same")
    assert found["steps"] == ['mindspore.nn.Conv1d(3, 8, 5, pad_mode="same", dilation=4, has_bias=True)']


def test_what_torch_refuses_has_no_equivalent(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = port(capsys, "torch.nn.Conv1d(3, 8, 3, stride=2, padding='same')")
    assert (code, found["equivalent"], found["code"]) == (1, False, None)
    assert found["why"].startswith("torch itself refuses it at construct: ValueError")


@pytest.mark.parametrize(
    ("giver", "taker", "arguments"),
    [
        ("torch", "mindspore", "3, 8, 3, padding=1, padding_mode='reflect'"),
        ("mindspore", "torch", "3, 8, 4, stride=3, has_bias=True"),
    ],
)
def test_the_code_runs_as_it_stands(capsys: pytest.CaptureFixture[str], giver: str, taker: str, arguments: str) -> None:
    call = f"{giver}.nn.Conv1d({arguments})"
    scope: dict[str, Any] = {giver: importlib.import_module(giver)}
    exec(f"source = {call}", scope)
    exec(port(capsys, call, "--input", "2,3,11")[1]["code"], scope)
    x = np.random.default_rng(0).normal(size=(2, 3, 11)).astype(np.float32)
    backends: dict[str, Any] = {name: targets.backend(Target(name, "cpu"), 1) for name in (giver, taker)}
    expected, actual = (
        backends[name].to_array(layer(backends[name].to_tensor(x)))
        for name, layer in ((giver, scope["source"]), (taker, scope["forward"]))
    )
    assert actual.shape == expected.shape
    assert np.allclose(actual, expected, atol=1e-5)


def bare(script: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(script)]
    return subprocess.run(
        command, cwd=script.parent, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_script_shows_it_in_a_bare_process(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = tmp_path / "compare.py"
    call = "torch.nn.Conv1d(3, 8, 3, padding=1, padding_mode='reflect')"
    assert port(capsys, call, "--script", str(script))[0] == 0
    done = bare(script)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "equal in every bit"), done.stderr
    text = script.read_text(encoding="utf-8")
    damaged, count = re.subn(r"(mindspore_layer\.weight\.set_data\(mindspore\.Tensor\()", r"\g<1>-", text)
    assert count == 1
    script.write_text(damaged, encoding="utf-8")
    done = bare(script)
    assert done.returncode == 1, done.stderr
    assert "elements differ" in done.stdout


# -- checks of a real layer --------------------------------------------------------------------------------------------

WEIGHT, BIAS = Parameter("weight", (6, 2, 3), expand_dims={"mindspore": 2}), Parameter("bias", (6,))


def open_backend(target: Any) -> Backend:
    return targets.backend(target, 1)


def check(kind: Check, load: tuple[str, str] = ("", ""), **changes: Any) -> Outcome:
    own = {"in_channels": 4, "out_channels": 6, "kernel_size": 3}
    sides = {
        "torch": Side((Step("torch.nn.Conv1d", {**own, "groups": 2}),), 0, load[0]),
        "mindspore": Side(
            (Step("mindspore.nn.Conv1d", {**own, "group": 2, "has_bias": True, "pad_mode": "valid"}),), 0, load[1]
        ),
    }
    given = {"inputs": {"x": (2, 4, 7)}, "state": (WEIGHT, BIAS), "sides": sides, "check": kind, **changes}
    return run(Trial(mini.case(**given), "float32", TORCH, MINDSPORE), open_backend)


def test_the_state_of_a_real_layer() -> None:
    assert check(Check.STATE).verdict is Verdict.BITWISE
    without = check(Check.STATE, state=(Parameter("weight", (6, 2, 3)), BIAS))
    assert without.verdict is Verdict.SHAPE
    assert without.undocumented.startswith("mindspore has bias (6,), weight (6, 2, 1, 3)")


@pytest.mark.parametrize("way", ["", "set_data", "load_param_into_net"])
def test_a_real_state_survives_every_way_to_load_it(way: str) -> None:
    assert check(Check.ROUND_TRIP, ("load_state_dict" if way else "", way)).verdict is Verdict.BITWISE


def test_a_constructor_that_takes_initial_values_is_a_way_to_load_them() -> None:
    bare = (Parameter("weight", (6, 2, 3)), BIAS)  # the constructor adds the axis by itself
    ways = ("load_state_dict", "constructor")
    found = check(Check.OUTPUT, ways, state=bare)
    assert {each.tensor for each in found.comparisons if each.verdict not in AGREEMENT} == {"grad.weight"}
    assert check(Check.OUTPUT, ways, state=bare, derivatives=0).verdict in AGREEMENT
    refused = check(Check.OUTPUT, ways)
    assert (refused.verdict, refused.failures["subject"].phase) == (Verdict.REJECTED_BY_SUBJECT, Phase.CONSTRUCT)


def test_an_unknown_way_to_load_is_lacking() -> None:
    assert check(Check.ROUND_TRIP, ("", "load_state_dict")).verdict is Verdict.UNSUPPORTED
    assert check(Check.ROUND_TRIP, ("constructor", "")).verdict is Verdict.UNSUPPORTED


def test_the_signature_of_a_real_layer() -> None:
    def said(side: str, name: str, *parameters: Argument, complete: bool = False) -> Outcome:
        stated = Signature("constructor", parameters, complete, ())
        return check(Check.SIGNATURE, side=side, stated=stated, values={"parameter": name})

    assert said("torch", "bias", Argument("bias", "True")).verdict is Verdict.BITWISE
    assert said("mindspore", "has_bias", Argument("has_bias", "False")).verdict is Verdict.BITWISE
    wrong = said("mindspore", "has_bias", Argument("has_bias", "True"))
    assert wrong.undocumented == "documented is has_bias=True, installed is has_bias=False"
    assert "also takes" in said("torch", OTHERS, Argument("in_channels"), complete=True).undocumented


@pytest.mark.parametrize("side", ["torch", "mindspore"])
def test_the_initial_values_of_a_real_layer(side: str) -> None:
    wide = {"in_channels": 4, "out_channels": 65536, "kernel_size": 1}
    sides = {name: Side((Step(f"{name}.nn.Conv1d", wide),), 0) for name in ("torch", "mindspore")}
    state = (Parameter("weight", (65536, 4, 1), expand_dims={"mindspore": 2}),)

    def said(bound: float) -> Verdict:
        stated = Initial("weight", "uniform", (-bound, bound))
        return check(Check.INIT, side=side, state=state, sides=sides, stated=stated).verdict

    assert said(0.5) is Verdict.WITHIN_BOUND
    assert said((6 / 4) ** 0.5) is Verdict.VALUE


@pytest.mark.parametrize("target", [TORCH, MINDSPORE], ids=str)
def test_a_seed_makes_a_build_repeatable(target: Any) -> None:
    def built(seed: int) -> bytes:
        step = Step(f"{target.framework}.nn.Conv1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3})
        x = np.zeros((1, 4, 5), np.float32)
        return (
            open_backend(target).observe(Request((step,), 0, (x,), None, "", seed, "state")).outputs["weight"].tobytes()
        )

    assert built(3) == built(3)
    assert built(3) != built(4)


def test_a_refusal_has_its_phase_and_class() -> None:
    def refused(*phases: Phase, error: str) -> str:
        own = {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "padding": "same"}
        sides = {
            "torch": Side((Step("torch.nn.Conv1d", own),), 0),
            "mindspore": Side(
                (Step("mindspore.nn.Conv1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3}),), 0
            ),
        }
        state = (Parameter("weight", (6, 4, 3), expand_dims={"mindspore": 2}),)
        return check(Check.OUTPUT, sides=sides, state=state, refusal=Refusal(phases, (error,))).undocumented

    assert refused(Phase.CONSTRUCT, error="ValueError") == ""
    assert "at construct, stated is call" in refused(Phase.CALL, error="ValueError")
    assert "with ValueError, stated is TypeError" in refused(Phase.CONSTRUCT, error="TypeError")
