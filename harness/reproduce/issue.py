"""A divergence as a report for a framework's tracker, in Markdown."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from harness import isa
from harness.model import AGREEMENT, Expectation, Verdict
from harness.reproduce.bare import Ran
from harness.reproduce.exhibit import Exhibit, Shows, Source
from harness.reproduce.script import TEMPLATES, headline
from harness.written import templates

Versions = Mapping[str, str | None]


def issue(exhibit: Exhibit, script: str, ran: Ran, versions: Versions) -> str:
    """The report.

    Args:
        exhibit: what is shown.
        script: the program that shows it.
        ran: what it printed.
        versions: of each framework, and of NumPy.
    """
    expected, actual = _both(exhibit)
    return (
        templates(TEMPLATES)
        .get_template("issue.md.j2")
        .render(
            title=headline(exhibit),
            sentence=exhibit.sentence,
            environment=_environment(exhibit, versions),
            script=script,
            output=ran.output,
            ending=ran.ending,
            expected=expected,
            actual=actual,
            judged=_judged(exhibit),
            sources=[_source(each) for each in exhibit.sources],
            origin=exhibit.origin,
            known=_made_smaller(exhibit),
        )
    )


def _environment(exhibit: Exhibit, versions: Versions) -> list[tuple[str, str]]:
    trial = exhibit.trial
    devices = {target.framework: target for target in (trial.reference, trial.subject)}
    named = [(name, f"{version or 'unknown'}{_on(devices.get(name))}") for name, version in versions.items()]
    chosen = "".join(f", {name}={value}" for name, value in sorted(isa.chosen().items()))
    kept = f"{isa.cpu()}, kept within {isa.meant(trial.subject.isa)}{chosen}"
    return [*named, ("Python", platform.python_version()), ("platform", platform.platform()), ("CPU", kept)]


def _on(target: Any) -> str:
    return "" if target is None else f", {target.device}" + (f", {target.mode} mode" if target.mode else "")


def _both(exhibit: Exhibit) -> tuple[str, str]:
    """What should be, and what is, in a sentence each."""
    reference, subject = exhibit.frameworks
    stated = _stated(exhibit)
    if exhibit.shows in (Shows.EQUAL, Shows.PRINTED, Shows.SIGNATURE, Shows.STATE):
        return (f"{exhibit.sources[0].claim.says}." if exhibit.sources else stated), _actual(exhibit)
    wanted = {
        Shows.VALUES: f"The values that {reference} gives.",
        Shows.SHAPES: f"The shape that {reference} gives: {_shape(exhibit, 'expected')}.",
        Shows.DTYPES: f"The dtype that {reference} gives.",
        Shows.MISFIT: f"A layer of {subject} that takes {reference}'s weights.",
        Shows.REFUSAL: stated,
    }
    return wanted[exhibit.shows], _actual(exhibit)


def _stated(exhibit: Exhibit) -> str:
    """What the case file expects, and so the document."""
    (reference, subject), refusal = exhibit.frameworks, exhibit.trial.case.refusal
    how = f" at {' or '.join(phase.value for phase in refusal.phases)}" if refusal.phases else ""
    how += f" with {' or '.join(refusal.errors)}" if refusal.errors else ""
    return {
        Expectation.EQUAL: f"{subject} gives what {reference} gives.",
        Expectation.SAME_SHAPE: f"{subject} gives an output of the shape of {reference}'s.",
        Expectation.DIFFERENT: f"{subject} gives another output than {reference}.",
        Expectation.REJECTED_BY_SUBJECT: f"{subject} refuses the call{how}.",
        Expectation.REJECTED_BY_REFERENCE: f"{reference} refuses the call{how}.",
        Expectation.REJECTED_BY_BOTH: f"Both refuse the call{how}.",
    }[exhibit.trial.case.expect]


def _actual(exhibit: Exhibit) -> str:
    compared = [each for each in exhibit.record["comparisons"] if each["tensor"].startswith(exhibit.tensor)]
    text = f"{exhibit.sentence}."
    if exhibit.shows is Shows.VALUES and compared:
        first = next(each for each in compared if each["verdict"] == exhibit.record["verdict"])
        lane = "whole numbers, no tolerance" if exhibit.exact else "reals, beyond the bound of rounding"
        text += f" {first['mismatched']} of {first['size']} elements differ, by up to {first['max_abs']:.6g} ({lane})."
    if exhibit.record["error"] and exhibit.shows is not Shows.MISFIT:
        text += f" The message: {_first_line(exhibit.record['error']['message'])}"
    return text


def _first_line(message: str) -> str:
    """The first line of a message that says something: frameworks draw rules too."""
    return next((line for line in message.splitlines() if line.strip("- ")), "")[:300]


def _shape(exhibit: Exhibit, side: str) -> str:
    compared = exhibit.record["comparisons"]
    return next((str(tuple(each[f"{side}_shape"])) for each in compared), "")


def _judged(exhibit: Exhibit) -> str:
    """What an independent computation says."""
    record, (reference, subject) = exhibit.record, exhibit.frameworks
    if record["adjudicator"] is None:
        return "Nobody computed this independently; the document and both frameworks are held against each other."
    independent = record["adjudicator"] == "numpy"
    kind = "An independent computation from the definitions" if independent else "The reference in high precision"
    how = f"{kind} ({record['adjudicator']})"
    names = {"reference": reference, "subject": subject, "both": f"{reference} and {subject}"}
    if record["disagrees"] is None:
        agrees = Verdict(record["verdict"]) in AGREEMENT
        return f"{how} {'agrees with both sides.' if agrees else 'has no say in this.'}"
    note = " It computes the call of the reference side, by that side's definition." if record["error"] is None else ""
    return f"{how} disagrees with {names[record['disagrees']]}.{note}"


def _source(source: Source) -> dict[str, str]:
    releases = " and ".join(f"{name} {release}" for name, release in sorted(source.releases.items()))
    return {
        "title": source.title,
        "releases": f" (about {releases})" if releases else "",
        "where": source.claim.where,
        "says": source.claim.says,
    }


def _made_smaller(exhibit: Exhibit) -> str:
    return "" if exhibit.trial.id == exhibit.origin else f", made smaller: `{exhibit.trial.id}`"
