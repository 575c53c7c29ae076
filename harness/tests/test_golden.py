"""Goldens: what is recorded and played back says in every trial what the live run does, or says why it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness import dtypes, plan
from harness.backends import targets
from harness.errors import HarnessError
from harness.golden import arrays, digest, near, player, stored
from harness.golden.player import NotRecorded
from harness.model import Array, Check, Initial, Lane, Signature, Target, Tier, Trial, Verdict
from harness.outcome import Open
from harness.plan import Shard
from harness.protocol import Argument, Backend, Observation, Request, Step
from harness.recording import take
from harness.recording.take import REFERENCE, SUBJECT, Taken, Wanted
from harness.runner import run
from harness.tests.mini import FOLDER, HONEST, MINI, dense, open_backend, trial
from harness.tests.test_runner import Spy
from harness.trial_record import Origin, to_record
from harness.watchdog import Death, Died

GRAPH = Target("mini", "cpu", "graph")


def taken(trials: Sequence[Trial], target: Target, side: str, opener: Open = open_backend) -> Taken:
    wanted = Wanted(target, side, Tier.DEFAULT, Shard())
    return take.take([("miniature/x", each) for each in trials], wanted, opener, lambda line: None)


def golden(
    folder: Path, trials: Sequence[Trial], target: Target, side: str = REFERENCE, opener: Open = open_backend
) -> Target:
    """The trials recorded from the target, as a target."""
    # A name of its own for each, since backends are kept by their targets.
    path = folder / str(len(list(folder.iterdir()))) / f"{side}.safetensors"
    path.parent.mkdir()
    found = taken(trials, target, side, opener)
    assert not found.left_out
    found.write(path)
    return targets.parse(f"golden:{path}")


def told(wanted: Trial, lanes: Sequence[Lane] = tuple(Lane)) -> dict[str, Any]:
    """The record of a trial, without what a played-back one may say otherwise: its targets' names and seconds."""
    record = to_record(wanted, Origin("cases/mini.yaml", Tier.DEFAULT), run(wanted, open_backend, lanes))
    for name in ("trial", "reference", "subject", "seconds", "reproducer"):
        del record[name]
    record["comparisons"] = [{**each, "against": bool(each["against"])} for each in record["comparisons"]]
    record["adjudicator"] = record["adjudicator"] and record["adjudicator"].split()[-1]
    return record


def played(wanted: Trial, folder: Path) -> Iterator[Trial]:
    """The trial with a golden as its reference, as its subject, and as both."""
    reference = golden(folder, [wanted], wanted.reference)
    subject = golden(folder, [wanted], wanted.subject, SUBJECT)
    yield replace(wanted, reference=reference)
    yield replace(wanted, subject=subject)
    yield replace(wanted, reference=reference, subject=subject)


WRONG_GRADIENT = [{"of": of, "how": how} for of, how in (("0", "nan"), ("bias", "cropped"), ("0", "fails"))]
TRIALS = [
    *(trial(name) for name in ("Linear", "Shifted", "HalfCast", "WrongDtype", "WrongShape", "TwoOutputs", "NaN")),
    *(trial("Linear", dtype=dtype) for dtype in dtypes.NAMES),
    *(trial("Raises", extra={"at": at}) for at in ("construct", "load", "call", "fetch")),
    *(trial("WrongGradient", extra=extra) for extra in WRONG_GRADIENT),
    *(trial("Linear", derivatives=derivatives) for derivatives in (0, 2)),
    *(replace(trial("Compiled", extra={"how": how}), subject=GRAPH) for how in ("shifted", "next")),
    replace(trial("Raises", extra={"at": "call"}), subject=GRAPH),
    replace(trial("Linear"), again=True),
    trial("Unsupported"),
    trial("Linear", reference="Picky"),
    trial("Linear", align=False),
    trial("Linear", lanes=(Lane.ROUNDING,)),
    Trial(dense(), "float32", HONEST, MINI),
    Trial(dense(check=Check.STATE), "float32", HONEST, MINI),
    Trial(dense(check=Check.STATE, groups=3, ci=6, co=3), "float32", HONEST, MINI),
    *(Trial(dense(check=Check.ROUND_TRIP, mini_load=way), "float32", HONEST, MINI) for way in ("", "strict", "lossy")),
    Trial(dense(check=Check.INIT, stated=Initial("weight"), ci=64, co=512), "float32", HONEST, MINI),
    Trial(dense(check=Check.INIT, stated=Initial("bias"), ci=4, co=8192), "float32", HONEST, MINI),
    Trial(dense("OtherFamily", check=Check.INIT, stated=Initial("weight"), ci=64, co=512), "float32", HONEST, MINI),
]


def named(wanted: Trial) -> str:
    side = str(wanted.case.sides["mini"]).partition(">>")[0]
    return f"{side.removeprefix('mini.')[:40]}-{wanted.dtype}-{wanted.case.check}"


@pytest.mark.parametrize("wanted", TRIALS, ids=named)
def test_a_trial_says_the_same_from_a_golden(wanted: Trial, tmp_path: Path) -> None:
    live = told(wanted)
    for each in played(wanted, tmp_path):
        assert told(each) == live


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize(
    "wanted",
    # The last one has too many terms for one of the lanes.
    [trial("Linear"), trial("Raises", extra={"at": "call"}), trial("Linear", dtype="float16", ci=200, derivatives=0)],
    ids=named,
)
def test_a_run_of_one_lane_finds_its_answers_too(wanted: Trial, lane: Lane, tmp_path: Path) -> None:
    live = told(wanted, [lane])
    for each in played(wanted, tmp_path):
        assert told(each, [lane]) == live


def test_what_moves_is_kept_as_moving(tmp_path: Path) -> None:
    wanted = trial("Noisy", extra={"noise": 1.0})
    live = run(wanted, open_backend)
    assert (live.verdict, live.steady["subject"]) == (Verdict.WEAK, False)
    for each in played(wanted, tmp_path):
        found = run(each, open_backend)
        assert (found.verdict, found.steady) == (live.verdict, live.steady)


@pytest.mark.parametrize("side", ["honest", "mini"])
def test_a_signature_is_kept_for_the_side_that_it_is_of(side: str, tmp_path: Path) -> None:
    stated = Signature("constructor", (Argument("x"),), False, ())
    wanted = Trial(
        dense(check=Check.SIGNATURE, side=side, stated=stated, values={"parameter": "x"}), "float32", HONEST, MINI
    )
    live = told(wanted)
    for each in played(wanted, tmp_path):
        assert told(each) == live
    missing = {**wanted.case.sides, side: replace(wanted.case.sides[side], steps=(Step(f"{side}.Nothing"),))}
    wanted = replace(wanted, case=replace(wanted.case, sides=missing))
    assert told(wanted)["verdict"] == "unsupported"
    for each in played(wanted, tmp_path):
        assert told(each) == told(wanted)


def test_initial_values_that_no_trial_reads_are_left_out_and_not_taken_for_missing(tmp_path: Path) -> None:
    wanted = Trial(dense(check=Check.INIT, stated=Initial("bias"), ci=4, co=8192), "float32", HONEST, MINI)
    reference = golden(tmp_path, [wanted, wanted], HONEST)
    assert not any("again" in each for each in stored.opened(player.path(reference.where)).answers.values())
    other = replace(wanted, reference=reference, case=replace(wanted.case, stated=Initial("weight")))
    with pytest.raises(NotRecorded, match="was recorded in part"):
        run(other, open_backend)


# -- deaths ------------------------------------------------------------------------------------------------------------


class Mortal(Spy):
    """A backend that dies of any input but the first."""

    def observe(self, request: Request) -> Observation:
        self.requests.append(request)
        if request.inputs[0].tobytes() != self.requests[0].inputs[0].tobytes():
            raise Died(Death(Verdict.CRASH, "killed by SIGSEGV", "the stack"), "honest@cpu")
        return self.backend.observe(request)


def test_a_death_is_an_answer_and_costs_one_observation(tmp_path: Path) -> None:
    wanted = trial("Linear", tolerances={})
    backend = Mortal(open_backend(MINI))
    opener: Open = lambda target: backend if target == MINI else open_backend(target)  # noqa: E731
    subject = golden(tmp_path, [wanted], MINI, SUBJECT, opener)
    answers = stored.opened(player.path(subject.where)).answers.values()
    assert sorted("death" in each for each in answers) == [False, True]
    assert len(backend.requests) == 4  # the exact lane twice, and what it died of once more
    with pytest.raises(Died) as died:
        run(replace(wanted, subject=subject), open_backend)
    assert (died.value.death.reason, died.value.target) == ("killed by SIGSEGV", str(subject))


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_another_input_is_never_answered(tmp_path: Path) -> None:
    wanted = trial("Linear")
    reference = golden(tmp_path, [wanted], HONEST)
    other = replace(wanted, reference=reference, case=replace(wanted.case, id="miniature/Linear/other"))
    with pytest.raises(NotRecorded) as refused:
        run(other, open_backend)
    line = str(refused.value)
    assert "honest.Linear(ci=4, co=4) on float64 (2, 3, 5, 4) was recorded with other inputs or weights" in line
    assert f"record it again with: python -m harness record --target honest@cpu -o {REFERENCE}.safetensors" in line
    assert "\n" not in line


def test_another_plan_is_told_from_other_inputs(tmp_path: Path) -> None:
    reference = golden(tmp_path, [trial("Linear")], HONEST)
    with pytest.raises(NotRecorded, match=r"ci=5.* was not recorded: the golden is of another plan"):
        run(replace(trial("Linear", ci=5), reference=reference), open_backend)
    signature = Trial(
        dense(check=Check.SIGNATURE, side="honest", stated=Signature("constructor", (), True, ())),
        *("float32", reference, MINI),
    )
    with pytest.raises(NotRecorded, match=r"the signature of honest.Dense was not recorded"):
        run(signature, open_backend)


REQUEST = Request(
    steps=(Step("a.B", {"c": 1}),),
    layer=0,
    inputs=(np.ones((2, 2), np.float32),),
    state={"w": np.ones(2, np.float32)},
    cotangent=np.ones(2, np.float32),
)
OTHERS: list[dict[str, Any]] = [
    {"steps": (Step("a.B", {"c": 2}),)},
    {"steps": (Step("a.B", {"c": 1.0}),)},
    {"layer": 1},
    {"inputs": (np.ones((2, 2), np.float16),)},
    {"inputs": (np.ones((4, 1), np.float32),)},
    {"inputs": (np.array([[1, 1], [1, 1.5]], np.float32),)},
    {"inputs": (np.ones((2, 2), np.float32),) * 2},
    {"state": None},
    {"state": {}},
    {"state": {"v": np.ones(2, np.float32)}},
    {"state": {"w": -np.ones(2, np.float32)}},
    {"load": "constructor"},
    {"seed": 0},
    {"want": "state"},
    {"cotangent": None},
    {"cotangent": np.zeros(2, np.float32)},
    {"tangents": (np.ones(2, np.float32),)},
]


def test_every_part_of_a_question_counts() -> None:
    questions = [REQUEST, *(replace(REQUEST, **other) for other in OTHERS)]
    found = {digest.of_request(each, mode) for each in questions for mode in ("", "graph")}
    assert len(found) == 2 * len(questions)
    assert digest.of_request(REQUEST, "") == digest.of_request(replace(REQUEST, inputs=(np.ones((2, 2), "f4"),)), "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A sound golden."""
    return player.path(golden(tmp_path, [trial("Linear")], HONEST).where)


def refusal(path: Path) -> str:
    with pytest.raises(HarnessError) as refused:
        targets.parse(f"golden:{path}")
    assert "\n" not in str(refused.value)
    return str(refused.value).removeprefix(f"golden:{path}: ")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_file_that_was_cut_is_refused(file: Path, share: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    assert refusal(file).startswith("damaged, or no golden at all (")


def test_each_flipped_byte_is_seen(file: Path) -> None:
    whole = file.read_bytes()
    for place in range(8, len(whole), max(len(whole) // 60, 1)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        stored._verified.cache_clear()
        assert "damaged" in refusal(file) or "no golden" in refusal(file), place


def test_what_is_no_golden_is_refused(tmp_path: Path, file: Path) -> None:
    other = tmp_path / "other"
    assert refusal(other).startswith(
        "no such file; record one with: python -m harness record --target torch@cpu -o other"
    )
    other.write_text("weights")
    assert refusal(other).startswith("damaged, or no golden at all")
    save_file({"weight": np.ones(3)}, other)
    assert refusal(other).startswith("a safetensors file, but no golden")
    other.write_bytes(file.read_bytes().replace(b'"golden":"1"', b'"golden":"2"'))
    assert refusal(other) == "of format 2, expected 1: record it again with this harness"
    with pytest.raises(HarnessError, match="expected golden:FILE"):
        targets.parse("golden:")


def test_a_golden_that_goes_away_is_an_obstacle(file: Path) -> None:
    target = targets.parse(f"golden:{file}")
    assert targets.obstacle(target) is None
    file.unlink()
    assert "no such file" in (targets.obstacle(target) or "")


def test_a_golden_that_is_replaced_while_it_is_played_back_is_refused(file: Path) -> None:
    wanted = replace(trial("Linear"), reference=targets.parse(f"golden:{file}"))
    open_backend(wanted.reference)
    taken([trial("Linear", ci=6)], HONEST, REFERENCE).write(file)
    with pytest.raises(HarnessError, match="was replaced while it was played back"):
        run(wanted, open_backend)


def test_another_truth_is_no_other_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are kept by their distance from the adjudicator's: where it has changed its mind, nothing is restored."""
    honest = open_backend(HONEST)
    monkeypatch.setattr(targets, "backend", lambda target, threads: honest)
    wanted = trial("Linear")
    path = tmp_path / "near.safetensors"
    opener: Open = lambda target: honest  # noqa: E731
    taken([wanted], HONEST, REFERENCE, opener).write(path)
    assert any(".steps:" in name for name in taken([wanted], HONEST, REFERENCE, opener).tape.streams)
    target = replace(HONEST, name=f"golden:{path}", where=f"golden:{path}")
    faithful, changed = player.Player(target, honest), player.Player(target, Doubled(honest))
    request = Spy(honest)
    run(wanted, lambda each: request if each == HONEST else open_backend(each))
    for each in request.requests:
        live, found = honest.observe(each), faithful.observe(each)
        assert {k: v.tobytes() for k, v in live.outputs.items()} == {k: v.tobytes() for k, v in found.outputs.items()}
    with pytest.raises(NotRecorded, match="cannot be restored, since the adjudicator gives other true values"):
        [changed.observe(each) for each in request.requests]


class Doubled(Spy):
    """Twice what is right."""

    def observe(self, request: Request) -> Observation:
        seen = self.backend.observe(request)
        return replace(seen, outputs={name: 2 * array for name, array in seen.outputs.items()})


# -- arrays ------------------------------------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 127.0, 128.0, np.nan, np.inf, -np.inf, 1e-40, 3e38, 0.1]


def drawn(name: str) -> Iterator[Array]:
    rng = np.random.default_rng(1)
    with np.errstate(over="ignore"):
        for values in (SPECIAL, [1.0, -2.0, 0.0], [300.0, -5.0], [], rng.standard_normal(64), [-0.0, 1.0]):
            yield np.array(values).reshape(1, -1).astype(dtypes.dtype(name))


@pytest.mark.parametrize("name", [*dtypes.NAMES, "int64", "uint8", "bool", "complex64"])
def test_no_bit_of_an_array_is_lost(name: str) -> None:
    with np.errstate(invalid="ignore"):
        wholes = list(drawn("float32"))[1:4]
        found = list(drawn(name)) if name in dtypes.NAMES else [each.astype(name) for each in wholes]
    for array in found:
        kept = arrays.narrowed(array)
        if array.size:
            kept = arrays.expanded(arrays.squeezed([kept, kept]), kept.dtype.name)[: array.size]
        back = arrays.restored(kept, name, array.shape)
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert back.flags.writeable


def test_whole_numbers_take_a_byte_each_and_a_zero_keeps_its_sign() -> None:
    assert arrays.narrowed(np.array([1.0, -3.0, 0.0])).dtype == np.int8
    assert arrays.narrowed(np.array([1.0, -300.0])).dtype == np.int16
    assert arrays.narrowed(np.array([1.0, -0.0])).dtype == np.float64


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_a_number_next_to_the_truth_is_kept_by_its_distance(name: str) -> None:
    rng = np.random.default_rng(2)
    truth = rng.standard_normal((7, 90)) * 100
    truth[0, :3] = 0.0, np.nan, np.inf
    off = rng.integers(-3, 4, truth.size)
    array = near._from_ordered(near._ordered(truth.astype(dtypes.dtype(name)).reshape(-1)) + off, name)
    array = array.reshape(truth.shape)
    array[1, :4] = np.nan, -0.0, np.inf, 6e4
    found = near.near(array, truth)
    assert found is not None
    assert found.far.size < 20
    # Another machine's float64 is off by its last bits.
    for other in (truth, truth * (1 + 1e-14), truth * (1 - 1e-14), np.where(truth == 0, -0.0, truth)):
        back = near.away(found, other, name)
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_what_is_far_from_the_truth_is_kept_as_it_is() -> None:
    truth = np.arange(1.0, 9.0)
    assert near.near((2 * truth).astype(np.float32), truth) is None
    assert near.near(truth.astype(np.float32), truth[:4]) is None
    assert near.near(truth, truth) is None  # float64 has no digits beyond its own
    assert near.near(np.arange(8), truth) is None
    # In the middle between two numbers nobody knows which of them another machine takes.
    middle = np.array([1 + 2.0**-24, *range(2, 9)])
    found = near.near(middle.astype(np.float32), middle)
    assert found is not None
    assert (found.steps == near.ELSEWHERE).tolist() == [True] + 7 * [False]


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_a_plan_is_walked_for_either_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "frameworks", lambda: ("honest", "mini", "numpy"))
    file = plan.load_case_file(FOLDER / "dense.yaml")
    wanted = Wanted(HONEST, REFERENCE, Tier.DEFAULT, Shard())
    trials = take.planned([file], wanted)
    assert {each.reference for _, each in trials} == {HONEST}
    found = taken([each for _, each in trials], HONEST, REFERENCE)
    about = found.about()
    assert about["plan"] == plan.plan_hash(f"{each.case.id},{each.dtype},honest@cpu" for _, each in trials)
    assert (about["target"], about["tier"], about["trials"]) == ("honest@cpu", "default", str(len(trials)))
    shards = [take.planned([file], replace(wanted, shard=Shard(index, 2))) for index in (1, 2)]
    assert sorted(each.id for shard in shards for _, each in shard) == sorted(each.id for _, each in trials)
    subjects = take.planned([file], replace(wanted, target=MINI, side=SUBJECT))
    assert {(each.reference.framework, each.subject) for _, each in subjects} == {("honest", MINI)}
    with pytest.raises(HarnessError, match=r"no side 'numpy', which numpy@cpu needs"):
        take.planned([file], replace(wanted, target=Target("numpy", "cpu")))


def test_a_trial_that_cannot_be_set_up_is_left_out_and_counted() -> None:
    found = taken([trial("Linear"), trial("Linear", dtype="float23")], HONEST, REFERENCE)
    assert (len(found.trials), list(found.left_out.values())) == (1, [1])


def test_provenance_is_that_of_the_recording(file: Path) -> None:
    target = targets.parse(f"golden:{file}")
    backend: Backend = targets.backend(target, 1)
    live = dict(open_backend(HONEST).provenance())
    about = stored.about(file)
    assert dict(backend.provenance()) == {**live, "golden": file.name, "sha256": about["sha256"]}
    assert json.loads(json.dumps(targets.provenance(target))) == dict(targets.provenance(target))


def test_a_golden_of_a_mode_has_its_plain_answers_too(tmp_path: Path) -> None:
    wanted = replace(trial("Compiled", extra={"how": "shifted"}), subject=GRAPH)
    subject = golden(tmp_path, [wanted], GRAPH, SUBJECT)
    assert (subject.mode, subject.kind) == ("graph", "mini@cpu:graph")
    found = run(replace(wanted, subject=subject), open_backend)
    assert [each.verdict for each in found.comparisons if each.against] == [
        each.verdict for each in run(wanted, open_backend).comparisons if each.against
    ]
