"""The pages: what they say, that nothing in a record can break them, and that they are the same every time."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.classes import classes
from harness.ledger.claims import conditional
from harness.ledger.findings import Finding, State
from harness.matrix import frame
from harness.records import Record, Results, merge
from harness.report import write
from harness.report.changes import ABSENT, CHANGED, FIXED, LOST, NEW, changes
from harness.report.groups import gather
from harness.report.picture import picture, shade
from harness.report.render import html, markdown
from harness.report.view import build, checks_sentence, verdict_sentence
from harness.tests.sample import (
    KNOWN,
    NEWER,
    TARGETS,
    UNCHECKED,
    checked,
    comparison,
    divergent,
    known,
    not_run,
    results,
    store,
    trial,
)

EXPECTED = {"expected": "different", "as_expected": True, "status": "as_expected"}
HOSTILE = "<script>alert('x')</script> & \"q\" | `b` [l](http://evil.example)\n# h"
_VOID = {"meta", "br"}


class Page(HTMLParser):
    """Collects links, anchors and text, and insists on well-formed nesting."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.words = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "data", "poster")]
        self.anchors += [value or "" for name, value in attrs if name == "id"]
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def mixed(tmp_path: Path) -> Results:
    trials = [trial(3), known(4), known(6), divergent(2, family="pad", claims=["same-even"])]
    trials += [not_run(3, subject="mindspore@ascend")]
    return results(tmp_path / "mixed", trials, not_run={"mindspore@ascend": "no Ascend device here"})


@pytest.mark.parametrize(
    ("trials", "sentence"),
    [
        ([], "No trial gave a result."),
        ([not_run()], "No trial gave a result."),
        ([trial(1), trial(2)], "None of 2 trials diverges."),
        ([trial(1), known(2), known(3)], "2 of 3 trials diverge, all 2 as recorded in known.yaml; 0 new."),
        ([trial(1), divergent(2), not_run(3)], "1 of 2 trials diverges; 1 new."),
        (
            [trial(1), known(2), known(3, status="changed")],
            "2 of 3 trials diverge, 1 as recorded in known.yaml; 0 new, 1 no longer as recorded in known.yaml.",
        ),
        (
            [divergent(1, **EXPECTED), known(2), divergent(3)],
            "3 of 3 trials diverge: 1 as the case files expect, 1 as recorded in known.yaml; 1 new.",
        ),
    ],
)
def test_the_first_sentence_counts(tmp_path: Path, trials: list[dict[str, object]], sentence: str) -> None:
    assert verdict_sentence(trials) == sentence


def test_what_the_first_sentence_leaves_out_follows_it(tmp_path: Path) -> None:
    trials = [
        trial(1, status="new", as_expected=False),
        trial(2, status="unexpected_pass"),
        not_run(3),
        trial(4, verdict="weak"),
    ]
    notes = build(results(tmp_path, trials, selected="-k same")).notes
    assert len(notes) == 5
    assert all(": 1." in note for note in notes[:4])
    assert "-k same" in notes[4]


def test_six_files_are_written_and_nothing_else(tmp_path: Path, mixed: Results) -> None:
    paths = write(mixed, tmp_path / "out")
    assert [path.name for path in paths] == [
        *("report.html", "report.md", "matrix.csv", "claims.csv", "classes.csv", "trials.parquet"),
    ]
    assert sorted(paths) == sorted((tmp_path / "out").iterdir())
    matrix = list(csv.DictReader(paths[2].read_text().splitlines()))
    assert [(row["family"], row["subject"], row["diverging"]) for row in matrix] == [
        ("pad", "mindspore@cpu", "1"),
        ("same", "mindspore@ascend", "0"),
        ("same", "mindspore@cpu", "2"),
    ]
    claims = list(csv.DictReader(paths[3].read_text().splitlines()))
    assert [(row["id"], row["verdict"], row["agreeing"], row["counted"]) for row in claims] == [
        ("same-even", "refuted", "0", "1"),
        ("same-odd", "conditional", "1", "3"),
    ]
    assert claims[1]["condition"].startswith("not sought")
    assert (claims[0]["about"], claims[0]["measured"]) == (
        "mindspore 2.1, torch 1.8.1",
        "mindspore 2.10.0, torch 2.13.0",
    )
    assert claims[0]["reproducer"].startswith("python -m harness compare")


def test_the_page_stands_alone_and_its_links_lead_somewhere(mixed: Results) -> None:
    page = Page(html(build(mixed, mixed)))
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.seen)
    outside = [link for link in page.links if not link.startswith("#")]
    assert set(outside) == {KNOWN["link"]}
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.anchors)
    assert len(page.anchors) == len(set(page.anchors))


def test_the_page_can_be_read_aloud(mixed: Results) -> None:
    source = html(build(mixed))
    assert '<html lang="en">' in source
    assert source.count("<th ") == source.count("<th scope=")
    assert source.count("<table") == source.count("<caption>")
    assert Page(source).seen.count("h1") == 1


def test_the_page_tells_both_calls_numbers_and_reasons(mixed: Results) -> None:
    words = Page(html(build(mixed))).words
    for part in (
        "3 of 4 trials diverge",
        "torch.nn.Conv2d(4, 6, 4)",
        "mindspore.nn.Conv2d(4, 6, 4)",
        "python -m harness compare",
        "pads on the other side",
        "shifted by one column",
        "subject, by numpy",
        "no Ascend device here",
        "Differences with torch.nn.Conv2d",
        "2.13.0",
        "setting deterministic",
    ):
        assert part in words, part


def test_incomplete_results_say_so_first(tmp_path: Path) -> None:
    broken = merge([store(tmp_path, [trial(3)], planned=9)])
    for page in (html(build(broken)), markdown(build(broken))):
        assert page.index("INCOMPLETE") < page.index("None of 1 trials diverges")
        assert "1 of 9 planned trials recorded" in page


def test_complete_results_do_not_say_incomplete(mixed: Results) -> None:
    assert "INCOMPLETE" not in html(build(mixed)) + markdown(build(mixed))


def hostile(tmp_path: Path) -> Results:
    trials = [
        divergent(
            HOSTILE,
            layer=HOSTILE,
            family=HOSTILE,
            subject=HOSTILE,
            claims=[HOSTILE],
            comparisons=[comparison(tensor=HOSTILE, verdict="value")],
            diagnosis={"kind": HOSTILE, "says": HOSTILE},
            known={"id": HOSTILE, "reason": HOSTILE, "link": "javascript:alert(1)"},
            calls={"reference": HOSTILE, "subject": HOSTILE},
            error={"side": "subject", "phase": "call", "type": HOSTILE, "message": HOSTILE},
            reproducer=HOSTILE,
        )
    ]
    documents = {HOSTILE: {HOSTILE: {"title": HOSTILE, "language": HOSTILE, "mindspore": HOSTILE, "torch": HOSTILE}}}
    claims = [{"id": HOSTILE, "layer": HOSTILE, "document": HOSTILE, "where": HOSTILE, "says": HOSTILE}]
    unchecked = [{"layer": HOSTILE, "document": HOSTILE, "where": HOSTILE, "says": HOSTILE, "because": HOSTILE}]
    stated = {"documents": documents, "claims": claims, "unchecked": unchecked}
    return results(tmp_path, trials, not_run={"other": HOSTILE}, platform=HOSTILE, selected=HOSTILE, **stated)


def test_nothing_in_a_record_becomes_markup(tmp_path: Path) -> None:
    page = Page(html(build(hostile(tmp_path))))
    assert "script" not in page.seen
    assert not [link for link in page.links if not link.startswith("#")]
    assert page.words.count("<script>alert('x')</script>") > 10


def test_nothing_in_a_record_becomes_markdown(tmp_path: Path) -> None:
    page = markdown(build(hostile(tmp_path)))
    lines = page.splitlines()
    assert not [line for line in lines if line.startswith("# h")]
    plain = [line for line in lines if "``" not in line]
    assert not [line for line in plain if "<script" in line or re.search(r"[^\\]\]\(", line)]
    tables = "\n".join(line.replace(r"\|", "") if line.startswith("|") else "" for line in lines)
    for table in re.findall(r"(?:^\|.*\n)+", tables, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


@pytest.mark.parametrize("link", ["javascript:alert(1)", "http://x y", 'https://x"onclick', "data:text/html,x", None])
def test_only_web_addresses_become_links(link: str | None) -> None:
    [group] = gather([{**known(known={**KNOWN, "link": link}), "subject_version": "", "reference_version": ""}])
    assert group.link == ""


def test_two_shards_make_the_page_of_one_run(tmp_path: Path) -> None:
    trials = [trial(3), known(4), divergent(2)]
    whole = build(results(tmp_path / "whole", trials))
    parts = [store(tmp_path / str(n), each, shard=f"{n}/2") for n, each in ((1, trials[1:]), (2, trials[:1]))]
    merged = build(merge(parts))
    assert (merged.verdict, merged.matrix, merged.groups) == (whole.verdict, whole.matrix, whole.groups)
    assert (merged.claims, merged.coverage, merged.problems) == (whole.claims, whole.coverage, ())


def test_the_order_of_files_and_lines_changes_nothing(tmp_path: Path) -> None:
    trials = [trial(3), known(4), divergent(2), known(6, family="pad")]
    first = store(tmp_path / "a", trials[:2], shard="1/2")
    second = store(tmp_path / "b", trials[2:], shard="2/2")
    pages = [path.read_bytes() for path in write(merge([first, second]), tmp_path / "x")]
    store(tmp_path / "a", trials[1::-1], shard="1/2")
    store(tmp_path / "b", trials[:1:-1], shard="2/2")
    assert [path.read_bytes() for path in write(merge([second, first]), tmp_path / "y")] == pages


def test_groups_show_what_sets_them_apart_and_new_ones_come_first(tmp_path: Path) -> None:
    first, second = gather(results(tmp_path, [trial(3), trial(5), known(4), known(10), divergent(9)]).trials)
    assert (first.status, first.count, first.of) == ("new", 1, 5)
    assert (second.status, second.count, second.known, second.max_abs) == ("known", 2, "CONV-1", 40.0)
    assert second.example == known(4)["trial"]
    assert [(each.name, each.here, each.tested) for each in second.parameters] == [
        ("k", "4, 10", "3, 4, 5, 9, 10"),
        ("s", "1", "1"),
    ]
    assert first.anchor != second.anchor


def test_an_unexpected_pass_is_a_group_though_nothing_diverges(tmp_path: Path) -> None:
    [group] = gather(results(tmp_path, [trial(3, status="unexpected_pass", known=KNOWN), trial(5)]).trials)
    assert (group.status, group.count) == ("unexpected_pass", 1)


def test_groups_with_names_alike_keep_their_own_anchors(tmp_path: Path) -> None:
    groups = gather(results(tmp_path, [divergent(family="a_b"), divergent(family="a-b")]).trials)
    assert len({group.anchor for group in groups}) == 2


@pytest.mark.parametrize("status", ["new", "changed", "unexpected_pass"])
def test_whatever_makes_a_run_red_is_explained(tmp_path: Path, status: str) -> None:
    view = build(results(tmp_path, [trial(3, status=status, departure="the accepted one has gone")]))
    assert [group.status for group in view.groups] == [status]
    for page in (html(view), markdown(view)):
        assert "the accepted one has gone" in page


def test_changes_tell_new_fixed_changed_and_lost(tmp_path: Path) -> None:
    before = [trial(1), divergent(2), divergent(3), trial(4), trial(5), trial(6, verdict="within_bound"), divergent(8)]
    after = [divergent(1), trial(2), divergent(3, verdict="shape"), not_run(4), trial(6), divergent(7), divergent(8)]
    found = changes(results(tmp_path / "b", after, targets=NEWER), results(tmp_path / "a", before))
    assert found.older == "mindspore 2.10.0 against torch 2.13.0"
    assert [(row.kind, row.before, row.after, row.count) for row in found.rows] == [
        (NEW, ABSENT, "value", 1),
        (NEW, "bitwise", "value", 1),
        (FIXED, "value", "bitwise", 1),
        (CHANGED, "value", "shape", 1),
        (LOST, "bitwise", ABSENT, 1),
        (LOST, "bitwise", "not_run", 1),
    ]
    assert dict(found.counts) == {NEW: 2, FIXED: 1, CHANGED: 1, LOST: 2}


def test_the_newest_version_counts_in_changes(tmp_path: Path) -> None:
    older = {**TARGETS, "mindspore@cpu": {"version": "2.9.0"}}
    both = merge([store(tmp_path / "a", [divergent()], targets=older), store(tmp_path / "b", [trial()])])
    assert not changes(both, results(tmp_path / "c", [trial()])).rows


def test_the_pages_tell_the_changes(tmp_path: Path) -> None:
    view = build(results(tmp_path / "b", [trial(2)], targets=NEWER), results(tmp_path / "a", [divergent(2)], planned=2))
    for page in (html(view), markdown(view)):
        assert "Since mindspore 2.10.0 against torch 2.13.0" in page
        assert "fixed 1" in " ".join(page.split())
        assert "The older results are INCOMPLETE" in page


def one_line(page: str) -> str:
    return " ".join(page.split())


DRAWN = {"diagnosis": {"kind": "shifted", "says": "shifted by one", "picture": ["..0", ".9!"]}}


def test_classes_are_counted_first_and_red_ones_stand_before_the_matrix(tmp_path: Path) -> None:
    trials = [trial(1), divergent(2), divergent(4), known(2, family="pad"), known(4, family="pad")]
    view = build(results(tmp_path, trials))
    assert view.counted == "1 new class (2 trials), 1 known class (2 trials)."
    assert [len(view.red), len(view.accepted)] == [1, 1]
    parts = (view.counted, view.verdict, "when k != 1")
    for page, later in (
        (html(view), ['id="matrix"', 'id="known-classes"']),
        (markdown(view), ["## Matrix", "## Known classes"]),
    ):
        places = [page.index(part) for part in (*parts, *later)]
        assert places == sorted(places)
        assert "of same" in page or "in same" in page
    assert "New classes" not in html(build(results(tmp_path / "calm", [trial(1), known(2)])))
    assert "Known classes" not in html(build(results(tmp_path / "red", [trial(1), divergent(2)])))


def test_a_class_leads_to_its_smallest_trial_and_tells_how_to_see_it(mixed: Results) -> None:
    view = build(mixed)
    page = Page(html(view))
    [row] = view.red
    assert (row.found.families, row.found.reproducer) == (("pad",), divergent(2)["reproducer"])
    assert row.group in page.anchors and row.anchor in page.anchors
    assert page.words.count(row.found.reproducer) == 2
    [row] = view.accepted
    assert (row.reason, row.link) == (KNOWN["reason"], KNOWN["link"])
    assert page.words.count(row.found.reproducer) == 1  # where the smallest trial is told in full


def test_the_picture_of_a_difference_is_made_of_coloured_cells_and_told_in_words(tmp_path: Path) -> None:
    source = html(build(results(tmp_path, [trial(1), divergent(2, **DRAWN)])))
    page = Page(source)
    assert "3 of 6 cells differ" in page.words
    cells = re.findall(r'<td bgcolor="(#\w+)" width="6" height="6"></td>', source)
    assert cells == [shade(cell) for cell in "..0.9!"]
    assert len(set(cells)) == 4
    assert source.count("not finite, or missing") == 1
    assert "not finite" not in html(build(results(tmp_path / "plain", [trial(1), divergent(2), known(3)])))
    assert source.count("<table") == source.count("<caption>")


@pytest.mark.parametrize("drawn", [None, [], "..0", [1, 2], ["..<script>"], ["", ""], {"rows": ["."]}])
def test_what_is_no_picture_is_not_shown(drawn: object) -> None:
    assert picture({"diagnosis": {"kind": "x", "says": "x", "picture": drawn}}) is None
    assert picture({"diagnosis": None}) is None and picture({}) is None


def test_a_picture_is_cut_to_its_size() -> None:
    drawn = picture({"diagnosis": {"picture": ["." * 40] * 20}})
    assert drawn is not None
    assert [len(drawn.rows), *map(len, drawn.rows)] == [12, *[32] * 12]


def test_classes_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    trials = [trial(1), divergent(2), divergent(4), known(6, 2), known(7, 2)]
    paths = write(results(tmp_path / "in", trials), tmp_path / "out")
    table = list(csv.DictReader(paths[4].read_text().splitlines()))
    assert [(row["status"], row["layer"], row["verdict"], row["tensor"], row["looks"]) for row in table] == [
        ("new", "Conv2d", "value", "output", "shifted"),
        ("known", "Conv2d", "value", "output", "shifted"),
    ]
    assert [(row["trials"], row["of"], row["wrong"], row["known"]) for row in table] == [
        ("2", "5", "0", ""),
        ("2", "5", "0", "CONV-1"),
    ]
    assert table[0]["condition"] and table[0]["when"] == f"when {table[0]['condition']}"
    assert table[0]["smallest"] == trials[1]["trial"] and table[0]["reproducer"] == trials[1]["reproducer"]
    assert [row["id"] for row in table] == [each.id for each in classes(trials)]


def test_classes_that_came_or_went_are_changes(tmp_path: Path) -> None:
    border = {"diagnosis": {"kind": "border", "says": "only the border"}}
    before = [
        divergent(1),
        divergent(2),
        *(known(k, family="stays") for k in (1, 2)),
        known(1, family="goes", **border),
    ]
    before += [divergent(1, family="turns"), known(1, family="lost", layer="Conv1d")]
    after = [
        trial(1),
        trial(2),
        divergent(1, family="stays", s=1),
        divergent(3, family="stays"),
        trial(1, family="goes"),
    ]
    after += [divergent(1, family="turns", **border), divergent(1, family="fresh", verdict="shape", diagnosis=None)]
    found = changes(results(tmp_path / "b", after), results(tmp_path / "a", before))
    assert [(each.kind, each.found.families) for each in found.classes] == [
        (NEW, ("fresh",)),
        (NEW, ("turns",)),
        (FIXED, ("goes",)),
        (CHANGED, ("same", "turns")),
        (LOST, ("lost",)),
    ]
    assert dict(found.class_counts) == {NEW: 2, FIXED: 1, CHANGED: 1, LOST: 1}


def test_a_class_that_has_become_known_is_neither_new_nor_fixed(tmp_path: Path) -> None:
    before, after = [trial(1), divergent(2), divergent(4)], [trial(1), known(2), known(4), known(6)]
    assert changes(results(tmp_path / "b", after), results(tmp_path / "a", before)).classes == ()


def test_the_pages_tell_classes_that_came_and_went(tmp_path: Path) -> None:
    view = build(results(tmp_path / "b", [trial(2), known(3)]), results(tmp_path / "a", [divergent(2), trial(3)]))
    assert view.changes is not None
    assert [each.kind for each in view.changes.classes] == [NEW, FIXED]
    for page in (html(view), markdown(view)):
        assert "classes: new 1, fixed 1, diverges differently 0, no longer measured 0; trials:" in " ".join(
            page.split()
        )


def test_a_target_that_did_not_run_has_no_part_in_the_title(mixed: Results) -> None:
    assert build(mixed).title == "Conformance of mindspore 2.10.0 against torch 2.13.0"


def test_no_trials_still_make_a_page(tmp_path: Path) -> None:
    view = build(results(tmp_path, []))
    assert "No trial gave a result." in Page(html(view)).words
    assert "No trial gave a result." in markdown(view)


def test_a_rate_never_rounds_up_to_all(tmp_path: Path) -> None:
    trials = [trial(k) for k in range(3000)] + [divergent(5000)]
    assert "99.9 %" in html(build(results(tmp_path, trials)))


def test_claims_show_condition_releases_and_links(mixed: Results) -> None:
    [claim] = conditional(mixed)
    view = build(mixed, found={claim.key: Finding(State.CHECKED, "s <= k", 38, 40, 21, 20)})
    for page in (html(view).replace("&lt;", "<"), markdown(view).replace("&lt;", "<")):
        assert "holds iff s <= k: right on 38 of 40 fresh cases, 21 of them beyond the sweep" in page
        assert "mindspore 2.1, torch 1.8.1" in page and "mindspore 2.10.0, torch 2.13.0" in page
    parsed = Page(html(view))
    places = [row.anchor for row in view.coverage]
    assert places == ["coverage-conv2d-pad", "coverage-conv2d-same"]
    assert set(places) <= set(parsed.anchors) and {f"#{place}" for place in places} <= set(parsed.links)


def test_what_cannot_be_checked_has_a_table(tmp_path: Path) -> None:
    view = build(results(tmp_path, [trial()], unchecked=UNCHECKED))
    for page in (html(view), markdown(view)):
        assert "it is faster there" in page and "time is not compared" in page
    assert "Unchecked" not in html(build(results(tmp_path, [trial()])))


def test_checks_of_anything_but_outputs_have_a_sentence_of_their_own(tmp_path: Path) -> None:
    signatures = [checked("k", agrees=True), checked("s", agrees=False), checked("d", agrees=False, status="new")]
    found = results(tmp_path, [trial(1), divergent(2), *signatures, checked("w", agrees=True, verdict="weak")])
    assert verdict_sentence(found.trials) == "1 of 2 trials diverges; 1 new."
    sentence = "2 of 3 checks of signatures, states and initial values depart from the documents, 1 new."
    assert checks_sentence(found.trials) == sentence
    assert checks_sentence([trial(1)]) == ""
    view = build(found)
    assert (view.total.trials, view.total.diverging, view.total.rate) == (2, 1, 0.5)
    assert len(frame(found)) == 2
    assert any(group.family == "signature" for group in view.groups)
    for page in (html(view), markdown(view)):
        assert page.index("1 of 2 trials diverges") < page.index(sentence)


def test_subjects_stand_side_by_side_where_they_differ(tmp_path: Path) -> None:
    def of(subject: str, *verdicts: str, family: str = "same") -> list[Record]:
        made = (trial if verdict in ("bitwise", "within_bound") else divergent for verdict in verdicts)
        return [
            make(k, family=family, verdict=verdict, subject=subject, trial=f"conv2d/{family}/k={k},float32,{subject}")
            for k, (make, verdict) in enumerate(zip(made, verdicts, strict=True), 3)
        ]

    old, new = of("ms-2.9", "bitwise", "value", "shape"), of("ms-2.10", "within_bound", "bitwise", "value", "value")
    calm = [*of("ms-2.9", "bitwise", family="calm"), *of("ms-2.10", "within_bound", family="calm")]
    targets = {"ms-2.9": {"version": "2.9.0"}, "ms-2.10": {"version": "2.10.0"}, "torch@cpu": {"version": "2.13.0"}}
    view = build(results(tmp_path / "two", [*old, *new, *calm], targets=targets))
    assert view.beside is not None
    assert (view.beside.subjects, view.beside.cases) == (("ms-2.9 2.9.0", "ms-2.10 2.10.0"), 4)
    [row] = view.beside.rows
    # The fourth case was run by one alone, and says nothing here.
    assert (row.family, row.cases, row.differing) == ("same", 3, 2)
    assert row.verdicts == ("agree 1, value 1, shape 1", "agree 2, value 1")
    for page in (html(view), markdown(view)):
        assert "4 cases, counted by dtype, were run on each of 2 subjects; 2 of them went otherwise" in one_line(page)
        assert "agree 1, value 1, shape 1" in page
    assert build(results(tmp_path / "one", old, targets=targets)).beside is None
