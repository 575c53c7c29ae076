"""Lays a view out as HTML or Markdown. All text of the records is escaped, whatever it holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.matrix import text
from harness.report.groups import STATUS
from harness.report.picture import LEGEND, shade
from harness.report.view import View

MEANING = {
    "bitwise": "both sides give the same bits",
    "within_bound": "the sides differ by rounding only, within a bound derived for the layer",
    "value": "the values differ by more than rounding",
    "shape": "the shapes differ",
    "dtype": "the dtypes differ",
    "rejected_by_subject": "only the subject raises an error",
    "rejected_by_reference": "only the reference raises an error",
    "rejected_by_both": "both sides raise an error",
    "unsupported": "the backend says that it lacks this on this device",
    "crash": "a side ended its process",
    "timeout": "a side did not finish in time",
    "weak": "the comparison could not have failed, so it proves nothing and counts in no rate",
    "not_run": "no such device or framework here; counts in no rate",
}
# Light enough for black text on each of them. The colour repeats a word that stands beside it, and never replaces it.
_GOOD, _FAIR, _BAD, _WORST, _GREY = "#d9f2d9", "#fff2cc", "#fbdcd7", "#f5b7b1", "#e8e8e8"
_COLOURS = {
    **dict.fromkeys(("bitwise", "within_bound", "confirmed", "fixed"), _GOOD),
    **dict.fromkeys(("weak", "conditional", "known", "unexpected_pass", "diverges differently"), _FAIR),
    **dict.fromkeys(("crash", "timeout", "new", "changed"), _WORST),
    **dict.fromkeys(("unsupported", "not_run", "untested", "as_expected", "no longer measured", "absent"), _GREY),
}
NOTHING = "\N{EN DASH}"


class _Safe(str):
    """Markdown that a filter has already made safe."""


def html(view: View) -> str:
    """The page as one HTML file that needs nothing else: no network, no scripts, no style sheet."""
    return _page(Environment(autoescape=True), "report.html.j2", view)


def markdown(view: View) -> str:
    """The page in Markdown, for release notes."""
    # HTML escapes would show up inside code spans, so Markdown has an escape of its own on every expression.
    return _page(Environment(autoescape=False, finalize=_markdown), "report.md.j2", view)


def _page(environment: Environment, template: str, view: View) -> str:
    environment.loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment.undefined = StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = environment.keep_trailing_newline = True
    environment.filters.update(
        number=_number, percent=_percent, shape=_shape, colour=_colour, words=_words, code=_code, cell=_cell, web=_web
    )
    environment.filters["shade"] = shade
    return environment.get_template(template).render(view=view, status=STATUS, meaning=MEANING, legend=LEGEND)


def _number(value: Any) -> str:
    """A number for reading: ``1,234``, ``0.00125``; a dash where there is none. NaN and infinities are text."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(text(value))


def _percent(share: Any) -> str:
    """A share as a percentage that never rounds up to 100; anything but a share stays as it is."""
    if not isinstance(share, float) or not 0 <= share <= 1:
        return _number(share)
    return f"{int(share * 1000) / 10:.1f} %"


def _shape(value: Any) -> str:
    return NOTHING if value is None else str(text(value))


def _colour(name: str) -> str:
    return _COLOURS.get(name, _BAD)


def _words(name: str) -> str:
    return STATUS.get(name, name.replace("_", " "))


def _markdown(value: Any) -> str:
    """Escape what Markdown or the HTML within it would take for markup."""
    if isinstance(value, _Safe):
        return value
    line = re.sub(r"\s+", " ", str(value)).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*\[\]|#~])", r"\\\1", line)


def _code(value: Any) -> _Safe:
    """A code span, with a fence longer than any run of backticks within."""
    line = " ".join(str(value).split())
    longest = max(map(len, re.findall(r"`+", line)), default=0)
    fence, gap = "`" * (longest + 1), " " if longest else ""
    return _Safe(f"{fence}{gap}{line}{gap}{fence}")


def _web(address: str) -> _Safe:
    """A link; the view lets only web addresses through, and they need no escape between angle brackets."""
    return _Safe(f"<{address}>")


def _cell(value: _Safe) -> _Safe:
    """A code span in a table, where a bar would end the cell."""
    return _Safe(value.replace("|", r"\|"))
