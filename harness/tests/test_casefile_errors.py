"""Every kind of bad case file gets one error, with line, column, key, problem and hint.

A ``§`` in an edit marks the place that the error must name; it is taken out before the file is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.casefile import load
from harness.errors import CaseFileError, HarnessError, Place

FRAMEWORKS = ("torch", "mindspore", "jax")
MARK = "§"
GOOD = """\
layer: Conv2d
documents:
  r2.0: {title: Differences, mindspore: "2.0"}
torch:
  call: torch.nn.Conv2d
  with: {in_channels: =ci, kernel_size: =k, padding: =p}
mindspore:
  call: mindspore.nn.Conv2d
  with:
    in_channels: =ci
    kernel_size: =k
    pads: [0, =p]
state:
  weight: {shape: [=co, =ci, =k, =k]}
inputs:
  x: [=n, =ci, 7, 9]
values: {n: 2, ci: 4, co: 6, k: 3, p: 0}
derive: {span: =k + p}
claims:
  kernel: {document: r2.0, where: Table, says: the kernels agree}
families:
  kernels:
    claims: [kernel]
    sweep: {k: [1, 2, 3], p: [0, 1]}
    exclude:
      - {when: p >= k, because: torch rejects it}
    expect: equal
"""
LAYER_KEYS = (
    "claims, derive, documents, dtypes, families, inputs, jax, layer, mindspore, recipes, state, tolerance, "
    "torch, unchecked, values"
)


def edited(*edits: tuple[str, str]) -> str:
    text = GOOD
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} must occur once"
        text = text.replace(old, new)
    return text


def in_family(line: str) -> tuple[str, str]:
    return "    expect: equal\n", f"    {line}\n    expect: equal\n"


def written(folder: Path, marked: str) -> tuple[Path, Place]:
    """The file without its mark, and the place of the mark."""
    before, found, after = marked.partition(MARK)
    assert found, "the text needs a mark"
    assert MARK not in after
    path = folder / "conv2d.yaml"
    path.write_text(before + after, encoding="utf-8")
    lines = before.split("\n")
    return path, Place(str(path), len(lines), len(lines[-1]) + 1)


def error_of(path: Path) -> CaseFileError:
    with pytest.raises(CaseFileError) as caught:
        load(path, FRAMEWORKS)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, HarnessError)
    return caught.value


def mistake(name: str, key: str, problem: str, hint: str, *edits: tuple[str, str]) -> Any:
    return pytest.param(edited(*edits), key, problem, hint, id=name.replace(" ", "-"))


SCHEMA = [
    mistake("unknown key at the top", "vlaues", "unknown key", "did you mean 'values'?", ("values: {n", "§vlaues: {n")),
    mistake(
        "unknown key unlike any",
        "zzz",
        "unknown key",
        f"known: {LAYER_KEYS}",
        ("values: {n", "§zzz: 1\nvalues: {n"),
    ),
    mistake(
        "unknown key in a family",
        "families.kernels.sweeep",
        "unknown key",
        "did you mean 'sweep'?",
        ("sweep:", "§sweeep:"),
    ),
    mistake("unknown key in a side", "torch.wiht", "unknown key", "did you mean 'with'?", ("with: {", "§wiht: {")),
    mistake(
        "unknown key in a flow side",
        "jax.clal",
        "unknown key",
        "did you mean 'call'?",
        ("state:\n", "jax: {call: jax.conv, §clal: jax.lax}\nstate:\n"),
    ),
    mistake(
        "unknown key in a family's side",
        "families.kernels.torch.onyl",
        "unknown key",
        "did you mean 'only'?",
        in_family("torch: {call: a.b, §onyl: [k]}"),
    ),
    mistake(
        "unknown key in a step",
        "families.kernels.torch.then.1.wtih",
        "unknown key",
        "did you mean 'with'?",
        in_family("torch: {then: [{call: a.b}, {call: a.c, §wtih: {}}]}"),
    ),
    mistake(
        "unknown key in an exclusion",
        "families.kernels.exclude.0.becuase",
        "unknown key",
        "did you mean 'because'?",
        ("because: torch", "§becuase: torch"),
    ),
    mistake(
        "missing key at the top",
        "",
        "the key 'layer' is missing",
        "expected a case file with layer, inputs, families, and one side per framework",
        ("layer: Conv2d\n", "§"),
    ),
    mistake(
        "missing key of a family",
        "families.kernels",
        "the key 'expect' is missing",
        "expected a family with 'expect': what the document says",
        ("  kernels:", "  §kernels:"),
        ("    expect: equal\n", ""),
    ),
    mistake(
        "missing key of a claim",
        "claims.kernel",
        "the key 'says' is missing",
        "expected a claim with document, where and says",
        ("  kernel: {", "  §kernel: {"),
        (", says: the kernels agree", ""),
    ),
    mistake(
        "missing key of a list item",
        "families.kernels.exclude.0",
        "the key 'because' is missing",
        "expected an exclusion with when and because",
        ("{when: p >= k, because: torch rejects it}", "§{when: p >= k}"),
    ),
    mistake(
        "missing key of a side",
        "torch",
        "the key 'call' is missing",
        "expected a side with 'call', a dotted name",
        ("torch:\n  call: torch.nn.Conv2d\n", "§torch:\n"),
    ),
    mistake(
        "missing key of a tolerance",
        "tolerance.float32",
        "the key 'because' is missing",
        "expected a tolerance with rtol, atol and because",
        ("values: {n", "tolerance: {§float32: {rtol: 0, atol: 0}}\nvalues: {n"),
    ),
    mistake(
        "a number for a list",
        "families.kernels.sweep.p",
        "expected a list of values",
        "found 0",
        ("p: [0, 1]", "§p: 0"),
    ),
    mistake(
        "an empty list",
        "families.kernels.sweep.p",
        "expected a list of values",
        "found []",
        ("p: [0, 1]", "§p: []"),
    ),
    mistake(
        "a list for a mapping",
        "values",
        "expected a mapping from name to value",
        "found [3]",
        ("values: {n: 2, ci: 4, co: 6, k: 3, p: 0}", "§values: [3]"),
    ),
    mistake(
        "nothing for a mapping",
        "families.kernels",
        "expected a family with 'expect': what the document says",
        "found null",
        (GOOD[GOOD.index("  kernels:") :], "  §kernels:\n"),
    ),
    mistake(
        "a number for a release",
        "documents.r2.0.mindspore",
        "expected a release in quotes",
        "found 2.0",
        ('mindspore: "2.0"', "§mindspore: 2.0"),
    ),
    mistake(
        "a call without dots",
        "torch.call",
        "expected a dotted name, as in torch.nn.Conv2d",
        'found "Conv2d"',
        ("call: torch.nn.Conv2d", "§call: Conv2d"),
    ),
    mistake(
        "a strength below two",
        "families.kernels.cover",
        "expected the strength t of a covering array",
        "found 1",
        in_family("§cover: 1"),
    ),
    mistake(
        "a number as a key",
        "families.1",
        "expected a name of letters, digits, '.', '_' and '-'",
        "found 1",
        ("  kernels:", "  §1:"),
    ),
    mistake(
        "a document's release as its id",
        "documents.2.0",
        "expected a name of letters, digits, '.', '_' and '-'",
        "found 2.0",
        ("  r2.0: {title", "  §2.0: {title"),
    ),
    mistake(
        "a name that no expression can use",
        "families.kernels.sweep.k-x",
        "expected a name of letters, digits and '_'",
        'found "k-x"',
        ("p: [0, 1]", "p: [0, 1], §k-x: [1]"),
    ),
    mistake(
        "a word for an extent",
        "inputs.x.1",
        "expected an extent: a number, or an expression that starts with '='",
        'found "ci"',
        ("[=n, =ci, 7, 9]", "[=n, §ci, 7, 9]"),
    ),
    mistake(
        "a word for a condition",
        "state.weight.when",
        "expected true, false, or an expression that starts with '='",
        'found "bias"',
        ("[=co, =ci, =k, =k]}", "[=co, =ci, =k, =k], §when: bias}"),
    ),
    mistake(
        "a date for a value",
        "values.day",
        "expected a number, text, true, false, null, or a list of these",
        'found "2020-01-02"',
        ("values: {n: 2", "values: {§day: 2020-01-02, n: 2"),
    ),
    mistake(
        "a mapping for a swept value",
        "families.kernels.sweep.p.1",
        "expected a number, text, true, false, null, or a list of these",
        'found {"a": 1}',
        ("p: [0, 1]", "p: [0, §{a: 1}]"),
    ),
    mistake(
        "unknown expectation",
        "families.kernels.expect",
        "unknown value 'eqaul'",
        "did you mean 'equal'?",
        ("expect: equal", "§expect: eqaul"),
    ),
    mistake(
        "unknown dtype in a list",
        "families.kernels.dtypes.1",
        "unknown value 'flaot16'",
        "did you mean 'float16'?",
        in_family("dtypes: [float32, §flaot16]"),
    ),
    mistake(
        "unknown dtype in a block list",
        "families.kernels.dtypes.1",
        "unknown value 'bfloat'",
        "did you mean 'bfloat16'?",
        in_family("dtypes:\n      - float32\n      - §bfloat"),
    ),
    mistake(
        "unknown lane",
        "families.kernels.lanes.0",
        "unknown value 'exat'",
        "did you mean 'exact'?",
        in_family("lanes: [§exat]"),
    ),
    mistake(
        "unknown tier unlike any",
        "families.kernels.tier",
        "unknown value 'nightly'",
        "known: default, full, smoke",
        in_family("§tier: nightly"),
    ),
    mistake(
        "unknown dtype of a tolerance",
        "tolerance.flaot32",
        "unknown value 'flaot32'",
        "did you mean 'float32'?",
        ("values: {n", "tolerance: {§flaot32: {rtol: 0, atol: 0, because: b}}\nvalues: {n"),
    ),
    mistake(
        "a value of several lines",
        "families.kernels.expect",
        "unknown value 'eq ual'",
        "did you mean 'equal'?",
        ("expect: equal", '§expect: "eq\\nual"'),
    ),
]

TENSORS = [
    *[
        mistake(
            f"derivatives that are {value}",
            "families.kernels.derivatives",
            f"unknown value '{value}'",
            hint,
            in_family(f"§derivatives: {value}"),
        )
        for value, hint in (("3", "known: 0, 1, 2"), ("-1", "did you mean '1'?"), ("two", "known: 0, 1, 2"))
    ],
    mistake(
        "a tensor that is neither input nor state",
        "families.kernels.tensors.wieght",
        "no tensor 'wieght'",
        "did you mean 'weight'?",
        in_family("tensors: {§wieght: {dtype: float16}}"),
    ),
    mistake(
        "a tensor's unknown key",
        "families.kernels.tensors.x.hold",
        "unknown key",
        "did you mean 'holds'?",
        in_family("tensors: {x: {§hold: nan}}"),
    ),
    mistake(
        "a tensor's unknown dtype",
        "families.kernels.tensors.x.dtype",
        "'float23' in conv2d/kernels/k=1,p=0",
        "did you mean 'float32'?",
        in_family("tensors: {x: {§dtype: float23}}"),
    ),
    mistake(
        "a tensor's computed dtype in one combination",
        "families.kernels.tensors.x.dtype",
        "'blfoat16' in conv2d/kernels/k=2,p=0",
        "did you mean 'bfloat16'?",
        in_family("tensors: {x: {§dtype: \"='float16' if k == 1 else 'blfoat16'\"}}"),
    ),
    mistake(
        "a tensor's unknown special value",
        "families.kernels.tensors.weight.holds",
        "'infinity' in conv2d/kernels/k=1,p=0",
        "did you mean 'infinities'?",
        in_family("tensors: {weight: {§holds: infinity}}"),
    ),
    mistake(
        "a tensor's computed special value in one combination",
        "families.kernels.tensors.x.holds",
        "'subnormals' in conv2d/kernels/k=2,p=1",
        "did you mean 'subnormal'?",
        in_family("tensors: {x: {§holds: \"='nan' if p == 0 else 'subnormals'\"}}"),
    ),
    *[
        mistake(
            f"special values in the lanes {lanes}",
            "families.kernels.lanes",
            "special values have an exact lane only",
            "leave 'lanes' out, or give 'lanes: [exact]'",
            in_family(f"tensors: {{x: {{holds: nan}}}}\n    §lanes: {lanes}"),
        )
        for lanes in ("[rounding]", "[exact, rounding]")
    ],
    mistake(
        "an unknown name in a tensor's dtype",
        "families.kernels.tensors.x.dtype",
        "unknown name 'spam' in 'spam'",
        "did you mean 'span'?",
        in_family("tensors: {x: {§dtype: =spam}}"),
    ),
]


MEANING = [
    mistake(
        "unknown document of a claim",
        "claims.kernel.document",
        "unknown document 'r2.1'",
        "did you mean 'r2.0'?",
        ("{document: r2.0", "{§document: r2.1"),
    ),
    mistake(
        "unknown claim in a family",
        "families.kernels.claims.1",
        "unknown claim 'kernle'",
        "did you mean 'kernel'?",
        ("claims: [kernel]", "claims: [kernel, §kernle]"),
    ),
    mistake(
        "a claim that no family tests",
        "claims.stride",
        "no family tests this claim",
        "name it under 'claims:' of the family that could refute it",
        ("the kernels agree}\n", "the kernels agree}\n  §stride: {document: r2.0, where: Table, says: s}\n"),
    ),
    mistake(
        "a family without claim or reason",
        "families.kernels",
        "a family needs a claim or a reason",
        "add 'claims: [id]', or 'because: reason'",
        ("  kernels:\n    claims: [kernel]\n", "  §kernels:\n"),
    ),
    mistake(
        "an exclusion that excludes nothing",
        "families.kernels.exclude.1.when",
        "this exclusion excludes nothing",
        "remove it, or mend its condition",
        ("torch rejects it}\n", "torch rejects it}\n      - {because: b, §when: p > 1}\n"),
    ),
    mistake(
        "exclusions that leave nothing",
        "families.kernels",
        "no combination is left",
        "its exclusions leave out everything",
        ("  kernels:", "  §kernels:"),
        ("torch rejects it}\n", "torch rejects it}\n      - {when: p < k, because: b}\n"),
    ),
    mistake(
        "a covering array of nothing",
        "families.kernels",
        "no combination is left",
        "its exclusions leave out everything",
        ("  kernels:", "  §kernels:"),
        ("sweep: {k: [1, 2, 3]", "cover: 2\n    sweep: {n: [1, 2], k: [1, 2, 3]"),
        ("torch rejects it}\n", "torch rejects it}\n      - {when: p < k, because: b}\n"),
    ),
    mistake(
        "a value twice in a sweep",
        "families.kernels.sweep.k.2",
        "the value 2 stands twice in the sweep",
        "",
        ("k: [1, 2, 3]", "k: [1, 2, §2]"),
    ),
    mistake(
        "a list twice in a block sweep",
        "families.kernels.sweep.k.2",
        "the value 1x2 stands twice in the sweep",
        "",
        (
            "sweep: {k: [1, 2, 3], p: [0, 1]}",
            "sweep:\n      p: [0, 1]\n      k:\n      - [1, 2]\n      - 1\n      - §[1, 2]",
        ),
    ),
    mistake(
        "values that would share an id",
        "families.kernels.sweep.k.1",
        "the value a_b stands twice in the sweep",
        "",
        ("k: [1, 2, 3]", 'k: ["a b", §"a/b"]'),
    ),
    mistake(
        "a swept name that nothing uses",
        "families.kernels.sweep.q",
        "nothing uses the swept name 'q'",
        "",
        ("p: [0, 1]", "p: [0, 1], §q: [1, 2]"),
    ),
    mistake(
        "a swept name in an unused derived one only",
        "families.kernels.sweep.q",
        "nothing uses the swept name 'q'",
        "",
        ("p: [0, 1]}", "p: [0, 1], §q: [1, 2]}\n    derive: {r: =q + 1}"),
    ),
    mistake(
        "a swept name of an argument that is not kept",
        "families.kernels.sweep.q",
        "nothing uses the swept name 'q'",
        "",
        ("p: [0, 1]}", "p: [0, 1], §q: [1]}\n    torch: {only: [kernel_size]}"),
        ("padding: =p}", "padding: =q}"),
        ("values: {n", "values: {q: 0, n"),
    ),
    mistake(
        "a swept name of an argument that is replaced",
        "families.kernels.sweep.q",
        "nothing uses the swept name 'q'",
        "",
        ("padding: =p}", "padding: =q}"),
        ("p: [0, 1]}", "p: [0, 1], §q: [1]}\n    torch: {with: {padding: =p}}"),
        ("values: {n", "values: {q: 0, n"),
    ),
    mistake(
        "unknown argument to keep",
        "families.kernels.torch.only.1",
        "unknown argument 'paddign'",
        "did you mean 'padding'?",
        in_family("torch: {only: [kernel_size, §paddign]}"),
    ),
    mistake(
        "an argument to keep of another call",
        "families.kernels.torch.only.0",
        "unknown argument 'padding'",
        "known: none",
        in_family("torch: {call: a.b, only: [§padding]}"),
    ),
    mistake(
        "unknown state that a side lacks",
        "families.kernels.mindspore.lacks.0",
        "unknown state 'wieght'",
        "did you mean 'weight'?",
        in_family("mindspore: {lacks: [§wieght]}"),
    ),
    mistake(
        "unknown side in state",
        "state.weight.mindspoer",
        "no such side",
        "did you mean 'mindspore'?",
        ("[=co, =ci, =k, =k]}", "[=co, =ci, =k, =k], §mindspoer: {name: w}}"),
    ),
    mistake(
        "a side in state that the file has not",
        "state.weight.jax",
        "no such side",
        "known: mindspore, torch",
        ("[=co, =ci, =k, =k]}", "[=co, =ci, =k, =k], torch: {name: w}, §jax: {name: w}}"),
    ),
    mistake(
        "fewer than two sides",
        "",
        "two sides are needed",
        "frameworks: jax, mindspore, torch",
        ("layer: Conv2d\n", "§layer: Conv2d\n"),
        (GOOD[GOOD.index("torch:\n") : GOOD.index("mindspore:\n")], ""),
    ),
    mistake(
        "a fraction for an extent",
        "inputs.x.2",
        "the extent is 1.5 in conv2d/kernels/k=1,p=0",
        "expected a whole number, zero or more",
        ("[=n, =ci, 7, 9]", "[=n, =ci, §=k + 0.5, 9]"),
    ),
    mistake(
        "an extent below zero",
        "state.weight.shape.1",
        "the extent is -1 in conv2d/kernels/k=3,p=0",
        "expected a whole number, zero or more",
        ("[=co, =ci, =k, =k]", "[=co, §=2 - k, =k, =k]"),
    ),
    mistake(
        "a list for an extent",
        "families.kernels.output_shape.0",
        "the extent is (2, 3) in conv2d/kernels/k=1,p=0",
        "expected a whole number, zero or more",
        in_family("output_shape: [§=pair]\n    values: {pair: [2, 3]}"),
    ),
    mistake(
        "a swept name that expressions use otherwise",
        "families.kernels.sweep.max",
        "'max' means something else in expressions",
        "choose another name",
        ("p: [0, 1]", "p: [0, 1], §max: [1, 2]"),
    ),
    mistake(
        "a value that expressions use otherwise",
        "values.none",
        "'none' means something else in expressions",
        "choose another name",
        ("values: {n", "values: {§none: 3, n"),
    ),
    mistake(
        "a derived name that expressions use otherwise",
        "families.kernels.derive.axis",
        "'axis' means something else in expressions",
        "choose another name",
        in_family("derive: {§axis: =k}"),
    ),
]

# One line of the file with a place for an expression, and the key of that place. A mark stands before whatever the
# error must point at: the key of a mapping, or the item of a list.
PLACES: dict[str, tuple[str, tuple[str, str]]] = {
    "in with": ("torch.with.padding", ("padding: =p}", "§padding: {}}}")),
    "in a block with": ("mindspore.with.kernel_size", ("    kernel_size: =k\n", "    §kernel_size: {}\n")),
    "in a list in with": ("mindspore.with.pads.1", ("[0, =p]", "[0, §{}]")),
    "in a family's with": ("families.kernels.torch.with.padding", in_family("torch: {{with: {{a: 1, §padding: {}}}}}")),
    "beside a family's with": (
        "torch.with.kernel_size",
        ("kernel_size: =k, padding", "§kernel_size: {}, padding"),
    ),
    "in a step": (
        "families.kernels.torch.then.1.with.pads.0.1",
        in_family("torch: {{then: [{{call: a.b}}, {{call: a.c, with: {{pads: [[0, §{}]]}}}}]}}"),
    ),
    "in a layer's step": (
        "torch.before.0.with.q",
        ("torch:\n", "torch:\n  before:\n    - call: a.b\n      with:\n        §q: {}\n"),
    ),
    "in derive": ("derive.span", ("{span: =k + p}", "{{§span: {}}}")),
    "in a family's derive": ("families.kernels.derive.own", in_family("derive: {{§own: {}}}")),
    "in inputs": ("inputs.x.2", ("[=n, =ci, 7, 9]", "[=n, =ci, §{}, 9]")),
    "in a shape of state": ("state.weight.shape.3", ("[=co, =ci, =k, =k]", "[=co, =ci, =k, §{}]")),
    "in a condition of state": ("state.weight.when", ("=k, =k]}", "=k, =k], §when: {}}}")),
    "in output_shape": ("families.kernels.output_shape.1", in_family("output_shape: [1, §{}]")),
}
# What else the file needs for a place.
BESIDE = {"beside a family's with": in_family("torch: {with: {padding: =p}}")}


def everywhere(expression: str, problem: str, hint: str) -> list[Any]:
    """The expression at each place, with the problem that it must give there."""
    found = []
    for name, (key, (old, new)) in PLACES.items():
        shared = "" if key.startswith("families.") else ", in the family 'kernels'"
        edits = [(old, new.format(f"'={expression}'")), *([BESIDE[name]] if name in BESIDE else [])]
        found.append(mistake(name, key, problem.format(shared=shared), hint, *edits))
    return found


EXCLUSIONS = [
    mistake(
        "unknown name in an exclusion",
        "families.kernels.exclude.0.when",
        "unknown name 'kk' in 'p >= kk'",
        "did you mean 'k'?",
        ("when: p >= k", "§when: p >= kk"),
    ),
    mistake(
        "no expression in an exclusion",
        "families.kernels.exclude.0.when",
        "'p >=' is no expression",
        "invalid syntax",
        ("when: p >= k", "§when: =p >="),
    ),
    mistake(
        "an assignment for a comparison",
        "families.kernels.exclude.0.when",
        "'p = k' is no expression",
        "invalid syntax",
        ("when: p >= k", "§when: p = k"),
    ),
    mistake(
        "two expressions",
        "families.kernels.exclude.0.when",
        "'p >= k; p' is no expression",
        "invalid syntax",
        ("when: p >= k", "§when: p >= k; p"),
    ),
    mistake(
        "an exclusion that fails",
        "families.kernels.exclude.0.when",
        "'2 / p > 1' fails for p=0",
        "ZeroDivisionError: division by zero",
        ("when: p >= k", "§when: 2 / p > 1"),
    ),
    mistake(
        "a derived name that fails an exclusion",
        "families.kernels.derive.ratio",
        "'k / p' fails for k=1, p=0",
        "ZeroDivisionError: division by zero",
        ("when: p >= k", "when: ratio > 1"),
        in_family("derive: {§ratio: =k / p}"),
    ),
    mistake(
        "a derived name before its time",
        "derive.first",
        "unknown name 'later' in 'later + 1'",
        "known: ci, co, k, n, p",
        ("{span: =k + p}", "{§first: =later + 1, later: =k}"),
    ),
    mistake(
        "a derived name of another family",
        "torch.with.padding",
        "unknown name 'own' in 'own'",
        "known: ci, co, k, n, p, span",
        ("padding: =p}", "§padding: =own}"),
        ("families:\n", "families:\n  other: {because: b, expect: equal}\n"),
        in_family("derive: {own: =k}"),
    ),
    mistake(
        "an expression of several lines",
        "families.kernels.exclude.0.when",
        "unknown name 'kk' in '(p >= kk)'",
        "did you mean 'k'?",
        ("{when: p >= k, because: torch rejects it}", "§when: |-\n          (p >=\n          kk)\n        because: b"),
    ),
]


def test_the_file_without_a_mistake_loads(tmp_path: Path) -> None:
    path, _ = written(tmp_path, MARK + GOOD)
    assert [len(family.cases()) for family in load(path, FRAMEWORKS).families] == [5]


@pytest.mark.parametrize(("marked", "key", "problem", "hint"), [*SCHEMA, *TENSORS, *MEANING, *EXCLUSIONS])
def test_one_error_with_place_key_problem_and_hint(
    tmp_path: Path, marked: str, key: str, problem: str, hint: str
) -> None:
    path, place = written(tmp_path, marked)
    error = error_of(path)
    assert (error.place, error.key, error.problem, error.hint) == (place, key, problem, hint)
    at, end = f" at '{key}'" if key else "", f" ({hint})" if hint else ""
    assert str(error) == f"{path}:{place.line}:{place.column}: bad case file{at}: {problem}{end}"


def test_a_swept_name_counts_as_used_through_a_derived_one(tmp_path: Path) -> None:
    path, _ = written(
        tmp_path,
        MARK + edited(("p: [0, 1]}", "p: [0, 1], q: [1, 2]}\n    derive: {r: =q + 1}\n    output_shape: [=r]")),
    )
    assert len(load(path, FRAMEWORKS).families[0].cases()) == 10


@pytest.mark.parametrize(
    ("marked", "key", "problem", "hint"),
    everywhere("spam + 1", "unknown name 'spam' in 'spam + 1'", "did you mean 'span'?"),
)
def test_unknown_names(tmp_path: Path, marked: str, key: str, problem: str, hint: str) -> None:
    path, place = written(tmp_path, marked)
    error = error_of(path)
    if key == "derive.span":
        hint = "known: ci, co, k, n, p"
    assert (error.place, error.key, error.problem, error.hint) == (place, key, problem, hint)


@pytest.mark.parametrize(
    ("marked", "key", "problem", "hint"), everywhere("k +", "'k +' is no expression", "invalid syntax")
)
def test_what_is_no_expression(tmp_path: Path, marked: str, key: str, problem: str, hint: str) -> None:
    path, place = written(tmp_path, marked)
    error = error_of(path)
    assert (error.place, error.key, error.problem, error.hint) == (place, key, problem, hint)


@pytest.mark.parametrize(
    ("marked", "key", "problem", "hint"),
    everywhere("n / (k - 2)", "'n / (k - 2)' fails for k=2, n=2{shared}", "ZeroDivisionError: division by zero"),
)
def test_expressions_that_fail_for_some_values(tmp_path: Path, marked: str, key: str, problem: str, hint: str) -> None:
    path, place = written(tmp_path, marked)
    error = error_of(path)
    assert (error.place, error.key, error.problem, error.hint) == (place, key, problem, hint)


def test_what_shows_in_some_combination_only_waits_for_the_expansion(tmp_path: Path) -> None:
    path, _ = written(tmp_path, edited(("[=n, =ci, 7, 9]", "[=n, §=n // (k - 2), 7, 9]")))
    assert load(path, FRAMEWORKS, expand=False).layer == "Conv2d"
    assert error_of(path).key == "inputs.x.1"


def test_what_is_wrong_everywhere_does_not_wait(tmp_path: Path) -> None:
    path, _ = written(tmp_path, edited(("[=n, =ci, 7, 9]", "[=n, §=spam, 7, 9]")))
    with pytest.raises(CaseFileError, match="unknown name 'spam'"):
        load(path, FRAMEWORKS, expand=False)


@pytest.mark.parametrize(
    "marked",
    [
        "layer: [1,\ninputs: §}\n",
        "layer: Conv2d\n§\tinputs: 1\n",
        "layer: §*nowhere\n",
        "layer: Conv2d\n§---\nlayer: Conv1d\n",
        "layer: Conv2d\ninputs: a§\x01b\n",
        "layer: Conv2d\ninputs: {x: [1, 2\n§",
    ],
    ids=["bracket", "tab", "alias", "two-documents", "control-character", "open-list"],
)
def test_what_is_not_yaml(tmp_path: Path, marked: str) -> None:
    path, place = written(tmp_path, marked)
    error = error_of(path)
    assert (error.place, error.key) == (place, "")
    assert error.problem.startswith("not YAML: ")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- layer\n", "Conv2d\n", "3\n"])
def test_what_is_no_mapping(tmp_path: Path, text: str) -> None:
    path, place = written(tmp_path, MARK + text)
    error = error_of(path)
    assert (error.place, error.key, error.problem) == (place, "", "expected a mapping at the top")
    assert error.hint == "see the README, 'Add a layer'"


@pytest.mark.parametrize(
    ("marked", "doubled"),
    [
        (edited(("values: {n", "§layer: Conv1d\nvalues: {n")), 'key "layer"'),
        (
            edited(in_family("claims: [kernel]"), ("    claims: [kernel]\n    sweep", "    sweep"))
            + "    §expect: equal\n",
            'key "expect"',
        ),
        (edited(("k: 3, p: 0}", "k: 3, p: 0, §k: 4}")), 'key "k"'),
        (
            edited(
                ("families:\n", "families:\n  kernels: {because: b, expect: equal}\n"),
                ("  kernels:\n    claims", "  §kernels:\n    claims"),
            ),
            'key "kernels"',
        ),
    ],
    ids=["top", "family", "flow-mapping", "families"],
)
def test_a_doubled_key(tmp_path: Path, marked: str, doubled: str) -> None:
    path, place = written(tmp_path, marked)
    error = error_of(path)
    assert (error.place, error.key, error.problem) == (place, "", "a key stands twice")
    assert doubled in error.hint


def unreadable(folder: Path, kind: str) -> Path:
    path = folder / "conv2d.yaml"
    if kind == "folder":
        path.mkdir()
    if kind == "latin-1":
        path.write_bytes("layer: Größe\n".encode("latin-1"))
    return path


@pytest.mark.parametrize(
    ("kind", "reason"), [("missing", "No such file"), ("folder", "Is a directory"), ("latin-1", "'utf-8' codec")]
)
def test_a_file_that_cannot_be_read(tmp_path: Path, kind: str, reason: str) -> None:
    path = unreadable(tmp_path, kind)
    error = error_of(path)
    assert (error.place, error.key, error.hint) == (Place(str(path), 1, 1), "", "")
    assert error.problem.startswith("cannot be read: ")
    assert reason in error.problem
