"""Instruction sets: the words, what a process is kept within, what a user has chosen, and what took effect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import isa
from harness.backends import cpu_isa, targets
from harness.errors import HarnessError
from harness.model import Target
from harness.tests import test_plugin
from harness.tests.test_plugin import Project, family

pytest_plugins = ["pytester"]
project = test_plugin.project

on_x86 = pytest.mark.skipif(isa.machine() != "x86_64", reason="there is nothing to pin on another architecture")
AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
}
FLAGS = {
    word: " ".join(sorted({flag for each in list(isa.ISAS)[: place + 1] for flag in isa.ISAS[each].flags}))
    for place, word in enumerate(isa.ISAS)
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable is set, neither by a user of the tests nor by the process that they run in."""
    for name in (*isa.VARIABLES, isa.MARK):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """An x86-64 CPU with AVX-512, and without float16 and AMX."""
    become(monkeypatch, FLAGS["avx512"])


def become(monkeypatch: pytest.MonkeyPatch, flags: str, machine: str = "x86_64", **facts: str) -> None:
    """Have this process see another CPU."""
    monkeypatch.setattr(isa, "_cpuinfo", lambda: {**({"flags": flags} if flags else {}), **facts})
    monkeypatch.setattr("platform.machine", lambda: machine)


# -- a process ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cpu")
def test_the_baseline_is_avx2_for_all_three_libraries() -> None:
    environ = {"PATH": "/bin"}
    isa.keep_within(environ=environ)
    assert {name: value for name, value in environ.items() if name != isa.MARK} == {"PATH": "/bin", **AVX2}
    assert (isa.asked(environ), isa.chosen(environ)) == ("avx2", {})


@pytest.mark.usefixtures("cpu")
def test_a_process_can_be_told_otherwise_by_the_one_that_starts_it() -> None:
    environ: dict[str, str] = {}
    for word, values in isa.ISAS.items():
        isa.keep_within(word, environ)
        assert [environ[name] for name in isa.VARIABLES] == [values.onednn, values.onednn, values.aten, values.mkl]
    isa.keep_within(isa.NATIVE, environ)
    assert (list(environ), isa.asked(environ)) == ([isa.MARK], "native")
    isa.keep_within("", environ)
    assert isa.asked(environ) == "avx2"


@pytest.mark.usefixtures("cpu")
def test_who_sets_one_of_ours_anew_has_chosen_it() -> None:
    environ: dict[str, str] = {}
    isa.keep_within(environ=environ)
    environ["ONEDNN_MAX_CPU_ISA"] = "SSE41"  # as `env:` of a target in targets.toml does in the process that it starts
    isa.keep_within("avx512", environ)
    assert (environ["ONEDNN_MAX_CPU_ISA"], isa.chosen(environ)) == ("SSE41", {"ONEDNN_MAX_CPU_ISA": "SSE41"})


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize(
    ("theirs", "word", "left"),
    [
        ({"MKL_CBWR": "AVX"}, "", {**AVX2, "MKL_CBWR": "AVX"}),
        # oneDNN reads two names, and the older one only where the newer is not set.
        (
            {"DNNL_MAX_CPU_ISA": "SSE41"},
            "avx2",
            {"DNNL_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "COMPATIBLE"},
        ),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, "native", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}),
    ],
)
def test_what_a_user_has_set_wins_and_is_told(theirs: dict[str, str], word: str, left: dict[str, str]) -> None:
    environ = dict(theirs)
    for _ in range(2):  # a process of ours inherits what the first one set
        isa.keep_within(word, environ)
        assert {name: environ[name] for name in isa.VARIABLES if name in environ} == left
        assert isa.chosen(environ) == theirs
    isa.keep_within(isa.NATIVE, environ)
    assert {name: environ[name] for name in isa.VARIABLES if name in environ} == theirs


@pytest.mark.parametrize(
    ("flags", "machine", "aten"),
    [
        (FLAGS["amx_fp16"], "x86_64", "avx2"),
        (FLAGS["avx2"], "AMD64", "avx2"),
        (FLAGS["avx"], "x86_64", "default"),  # ATen takes its word for it, and would meet an illegal instruction
        (FLAGS["sse41"], "x86_64", "default"),
        ("", "x86_64", "avx2"),
        (FLAGS["avx2"], "aarch64", None),
    ],
)
def test_the_baseline_is_what_the_cpu_has(
    monkeypatch: pytest.MonkeyPatch, flags: str, machine: str, aten: str | None
) -> None:
    become(monkeypatch, flags, machine)
    assert isa.variables().get("ATEN_CPU_CAPABILITY") == aten
    assert isa.variables(isa.NATIVE) == {}
    assert isa.meant("") == ("native" if machine == "aarch64" else "avx2")


@pytest.mark.usefixtures("cpu")
def test_what_this_cpu_has_not_is_said() -> None:
    assert isa.available() == ("sse41", "avx", "avx2", "avx512")
    assert [isa.lacking(word) for word in ("", "native", "sse41", "avx512")] == [None] * 4
    assert isa.lacking("amx") == "this CPU has no amx (it has: sse41, avx, avx2, avx512)"


def test_elsewhere_nothing_is_pinned_and_the_cpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    become(monkeypatch, "", "aarch64", **{"CPU implementer": "0x41", "CPU part": "0xd0c"})
    assert (isa.available(), isa.cpu()) == ((), "CPU implementer 0x41, CPU part 0xd0c")
    assert isa.lacking("native") is None
    assert isa.lacking("avx2") == "this CPU is of aarch64, which has no avx2: nothing is pinned here"
    assert isa.lines() == []
    become(monkeypatch, "", "x86_64")
    assert (isa.available(), isa.lacking("amx")) == (None, None)


@on_x86
def test_a_program_keeps_itself_within_it_unless_its_user_says_otherwise() -> None:
    program = "\n".join(["import os", *isa.lines("sse41"), 'print(os.environ["ONEDNN_MAX_CPU_ISA"])'])
    for given, wanted in (({}, "SSE41"), ({"ONEDNN_MAX_CPU_ISA": "AVX"}, "AVX")):
        done = subprocess.run(
            [sys.executable, "-I", "-c", program], env=given, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == wanted
    assert isa.lines(isa.NATIVE) == []


# -- what took effect --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("Intel SSE4.1", "sse41"),
        ("Intel AVX", "avx"),
        ("Intel AVX2", "avx2"),
        ("Intel AVX2 with Intel DL Boost", "avx2"),
        ("Intel AVX2 with Intel DL Boost, float16, and bfloat16 support", "avx2_vnni_2"),
        ("Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions", "avx512"),
        ("Intel AVX-512 with Intel DL Boost and bfloat16 support", "avx512"),
        ("Intel AVX-512 with float16, Intel DL Boost and bfloat16 support", "avx512_fp16"),
        ("Intel AVX 10.1", "avx512_fp16"),
        ("Intel AVX10.1 and Intel AMX with bfloat16 and 8-bit integer support", "amx"),
        ("Intel AVX10.1 and Intel AMX with bfloat16, float16 and 8-bit integer support", "amx_fp16"),
        ("Intel AVX10.2", None),
        ("Intel AVX10.2 and Intel AMX with bfloat16, float16 and 8-bit integer support", None),
        ("Something newer", None),
    ],
)
def test_onednns_names_have_words_here(monkeypatch: pytest.MonkeyPatch, sentence: str, word: str | None) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert cpu_isa.word_of(sentence) == (word or sentence), "what has no word is named as it is, and is known nowhere"
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert cpu_isa.word_of(sentence) == sentence


@pytest.mark.parametrize(("machine", "told"), [("x86_64", "avx2"), ("aarch64", "0x7")])
def test_onednns_masks_are_of_one_architecture(monkeypatch: pytest.MonkeyPatch, machine: str, told: str) -> None:
    class Library:
        dnnl_get_effective_cpu_isa = staticmethod(lambda: 7)  # 256 bits of SVE on Arm

    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(cpu_isa, "_library", lambda *_: Library)
    assert cpu_isa.of_mindspore(pytest) == {"isa": told, "onednn_isa": "0x7"}


def test_a_release_that_cannot_be_asked_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TypeError("no such library on this platform")

    monkeypatch.setattr(cpu_isa, "_library", fail)
    monkeypatch.setattr(cpu_isa, "_printed", fail)
    assert {name for name, value in cpu_isa.of_torch(pytest).items() if value not in (None, "None")} == set()


TELL = """
import json, sys
from harness import environment, isa
from harness.backends import targets
process, (target,) = targets.together([sys.argv[1]])
environment.prepare(1, process)
print(json.dumps({**targets.backend(target, 1).provenance(), **isa.told()}))
"""


@on_x86
@pytest.mark.parametrize("framework", ["torch", "mindspore"])
@pytest.mark.parametrize("word", ["sse41", "avx2", "avx512"])
def test_a_framework_tells_what_it_was_kept_within(framework: str, word: str) -> None:
    pytest.importorskip(framework, reason="the framework is not installed")
    target = Target(framework, "cpu", isa=word)
    reason = targets.obstacle(target)
    if reason:
        pytest.skip(reason)
    for given, wanted in (({}, word), ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, "sse41")):
        command = [sys.executable, "-c", TELL, str(target)]
        done = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        assert (told["isa"], told["isa_asked"], told["isa_variables"]) == (wanted, word, given)
        assert told["cpu"] == isa.cpu()
        if framework == "torch":
            assert (told["aten_isa"], told["mkl_cbwr"]) == {
                "sse41": ("DEFAULT", "COMPATIBLE"),
                "avx2": ("AVX2", "COMPATIBLE"),
                "avx512": ("AVX512", "AVX512"),
            }[word]


# -- targets -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize(
    ("names", "process", "own"),
    [
        ("torch@cpu mindspore@cpu", "", ""),
        ("torch@cpu mindspore@cpu+avx512", "", "mindspore@cpu+avx512"),
        ("torch@cpu mindspore@cpu+avx2", "", ""),  # the baseline under its other name
        ("torch@cpu+native mindspore@cpu+native mindspore@cpu+native:graph", "native", ""),
        ("torch@cpu+native mindspore@cpu", "native", "mindspore@cpu"),
        ("torch@gpu mindspore@cpu+sse41", "sse41", "torch@gpu"),
    ],
)
def test_a_process_has_one_instruction_set(names: str, process: str, own: str) -> None:
    found, placed = targets.together(names.split())
    assert found == process
    assert " ".join(str(each) for each in placed if each.where) == own


@pytest.mark.usefixtures("cpu")
def test_one_that_this_cpu_has_not_is_told() -> None:
    assert targets.obstacle(targets.parse("numpy@cpu+amx")) == isa.lacking("amx")
    assert targets.obstacle(targets.parse("numpy@cpu+avx512")) is None
    with pytest.raises(HarnessError, match="unknown instruction set"):
        targets.parse("numpy@cpu+neon")


# -- a run: a framework is planted whose answer depends on the instruction set -----------------------------------------

RIGHT, WRONG = family("right", "Linear"), family("dispatched", "Dispatched")
COLUMNS = ("--subject=mini@cpu", "--subject=mini@cpu+sse41")


def run(project: Project, *arguments: str) -> tuple[int, list[str]]:
    result = project.run(*arguments)
    return int(result.ret), result.outlines


def statuses(project: Project) -> dict[str, str]:
    return {each["trial"].removeprefix("affine/"): each["status"] for each in project.trials.values()}


@on_x86
@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_answer_that_depends_on_it_is_found_and_named(project: Project, workers: str) -> None:
    project.layer("Affine", RIGHT, WRONG)
    code, lines = run(project, "-n", workers, *COLUMNS)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert {name for name, status in statuses(project).items() if status == "new"} == {
        f"dispatched/ci={ci},float32,mini@cpu+sse41" for ci in (3, 4)
    }
    header = project.lines[0]
    told = {
        name: (each["isa"], each["isa_asked"]) for name, each in header["targets"].items() if name in header["subjects"]
    }
    assert told == {"mini@cpu": ("avx2", "avx2"), "mini@cpu+sse41": ("sse41", "sse41")}
    assert any(line.startswith("conformance: instruction set avx2 and sse41, on ") for line in lines)
    [heading] = [line for line in lines if line.startswith("new: ")]
    assert heading.endswith("2 of 4 trials of dispatched")
    page = (project.results.parent / "report.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| Affine | dispatched | 2 | 2 |"))
    assert "agree 2" in row and "value 2" in row, "the families in which the columns differ stand side by side"
    assert "isa: sse41" in page and f"cpu: {isa.cpu()}" in page


@on_x86
@pytest.mark.parametrize(("words", "code"), [(["sse41"], 0), (["sse41", "avx"], 0), (["avx2"], 1), (["amx"], 1)])
def test_it_is_known_where_it_was_seen_and_new_elsewhere(project: Project, words: list[str], code: int) -> None:
    project.layer("Affine", RIGHT, WRONG)
    project.known({"id": "rolls", "families": ["dispatched"], "isa": {"mini": words}})
    assert run(project, "-n", "0", *COLUMNS)[0] == code
    # On the baseline alone nothing is missed that is known of another instruction set.
    assert run(project, "-n", "0")[0] == (0 if "avx2" not in words else 1)


@on_x86
def test_a_user_who_has_set_it_is_told_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    project.layer("Affine", WRONG)
    project.known({"id": "rolls", "families": ["dispatched"], "isa": {"mini": ["sse41"]}})
    code, lines = run(project, "-n", "0")
    assert code == 0, "what took effect counts, and not what was asked for"
    assert "conformance: ONEDNN_MAX_CPU_ISA=SSE41 is set in the environment, and wins over that" in lines
    told = project.lines[0]["targets"]["mini@cpu"]
    assert (told["isa"], told["isa_asked"]) == ("sse41", "avx2")
    end = "instruction set  sse41: honest@cpu, which was to keep within avx2, mini@cpu, which was to keep within avx2"
    assert end in lines


@on_x86
def test_a_framework_against_itself_has_no_document(project: Project) -> None:
    call = "{call: mini.Raises, with: {ci: =ci, co: =ci, at: call}}"
    refused = f"  refused: {{because: b, mini: {call}, expect: rejected_by_subject}}\n"
    stated = "  stated: {because: b, check: state, side: mini, expect: equal}\n"
    project.layer("Affine", RIGHT, WRONG, family("other", "Shifted"), refused, stated)
    sides = ("--reference=mini@cpu", "--subject=mini@cpu+sse41")
    code, _ = run(project, "-n", "0", *sides)
    found = {name.removesuffix(",float32,mini@cpu+sse41"): each for name, each in project.trials.items()}
    assert {name: each["status"] for name, each in found.items()} == {
        **{f"affine/{name}/ci={ci}": "as_expected" for name in ("right", "other") for ci in (3, 4)},
        **{f"affine/dispatched/ci={ci}": "new" for ci in (3, 4)},
        "affine/refused/as-given": "as_expected",
    }
    assert found["affine/refused/as-given"]["verdict"] == "rejected_by_both"
    assert {each["expected"] for each in found.values()} == {"equal"}
    says = found["affine/dispatched/ci=3"]["diagnosis"]["says"]
    assert says.startswith("mini@cpu+sse41's output is mini@cpu's")
    assert found["affine/dispatched/ci=3"]["reproducer"].endswith("--reference mini@cpu --subject mini@cpu+sse41")
    assert code == pytest.ExitCode.TESTS_FAILED
    # It is accepted by what names the reference, and by no entry that was written about two frameworks.
    entry = {"id": "rolls", "families": ["dispatched"]}
    project.known(entry)
    assert run(project, "-n", "0", *sides)[0] == pytest.ExitCode.TESTS_FAILED
    project.known({**entry, "references": ["mini@cpu"], "isa": {"mini": ["sse41"]}})
    assert run(project, "-n", "0", *sides)[0] == 0


@on_x86
def test_that_both_cannot_derive_is_no_excuse_for_outputs_that_differ(project: Project) -> None:
    call = "{call: mini.Opaque, with: {ci: =ci, co: =ci}}"
    project.layer("Affine", f"  opaque: {{because: b, mini: {call}, expect: equal}}\n")
    code, _ = run(project, "-n", "0", "--reference=mini@cpu", "--subject=mini@cpu+sse41")
    trials = [line for line in project.lines if line["type"] == "trial"]
    found = {each["subject"]: (each["verdict"], each["status"]) for each in trials}
    assert found == {"mini@cpu": ("unsupported", "as_expected"), "mini@cpu+sse41": ("value", "new")}
    assert code == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_header_tells_of_all_though_the_first_trials_are_not_run(project: Project, workers: str) -> None:
    project.layer("Affine", RIGHT)
    run(project, "-n", workers, "--subject=mini@ascend", "--subject=mini@cpu:graph")
    told = {name: each.get("isa") for name, each in project.lines[0]["targets"].items() if name != "numpy@cpu"}
    taken = isa.NATIVE if isa.machine() != "x86_64" else "avx2"
    assert told == {"honest@cpu": taken, "mini@ascend": None, "mini@cpu": taken, "mini@cpu:graph": taken}


def test_one_that_is_not_here_is_not_run_with_its_reason(project: Project) -> None:
    word = next((each for each in isa.ISAS if isa.lacking(each)), None)
    if word is None:
        pytest.skip("this CPU has every instruction set that has a word")
    project.layer("Affine", RIGHT)
    _, lines = run(project, "-n", "0", f"--subject=mini@cpu+{word}")
    assert set(statuses(project).values()) == {"as_expected", "not_run"}
    assert f"NOT RUN: mini@cpu+{word}: {isa.lacking(word)}" in lines


def test_the_readme_and_the_schema_know_the_words() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert all(f"`{word}`" in readme for word in isa.WORDS)


def test_a_misspelled_choice_is_told() -> None:
    assert isa.choice({}) == []
    assert isa.choice({"MKL_CBWR": "AVX2"}) == ["MKL_CBWR=AVX2 is set in the environment, and wins over that"]
    assert isa.choice({"ONEDNN_MAX_CPU_ISA": "avx512_core_bf16"})[1:] == []
    assert isa.choice({"ONEDNN_MAX_CPU_ISA": "AXV2"})[1:] == [
        "oneDNN knows no ONEDNN_MAX_CPU_ISA=AXV2, and takes what the CPU has"
    ]
