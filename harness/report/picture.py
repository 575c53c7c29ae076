"""A small picture of where two tensors differ, from the characters that a diagnosis draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROWS, COLUMNS = 12, 32
EQUAL, MISSING = ".", "!"
_DIGITS = "0123456789"
# Pale to dark; the equal ones recede, and what is no number stands out from all of them.
_SHADES = {
    EQUAL: "#eeeeee",
    MISSING: "#5b2a86",
    **dict(zip(_DIGITS, ("#fde0dd", "#fbd0cb", "#f9bfb8", "#f5a79f", "#ef8f86"), strict=False)),
    **dict(zip(_DIGITS[5:], ("#e6766e", "#d95c57", "#c84341", "#b02a2c", "#8b1118"), strict=True)),
}
LEGEND = (
    (EQUAL, "equal"),
    (_DIGITS[0], "a small difference"),
    (_DIGITS[-1], "the largest"),
    (MISSING, "not finite, or missing on one side"),
)


@dataclass(frozen=True)
class Picture:
    """|actual - expected|, one character an element or a block of them."""

    rows: tuple[str, ...]

    @property
    def says(self) -> str:
        """The picture in words, for who cannot see it."""
        cells = "".join(self.rows)
        return f"{len(cells) - cells.count(EQUAL)} of {len(cells)} cells differ"


def picture(record: Mapping[str, Any]) -> Picture | None:
    """The picture of a trial's record; ``None`` where it has none, or none that can be shown."""
    drawn = (record.get("diagnosis") or {}).get("picture")
    if not isinstance(drawn, list | tuple) or not drawn or not all(isinstance(row, str) for row in drawn):
        return None
    rows = tuple(row[:COLUMNS] for row in drawn[:ROWS])
    return Picture(rows) if any(rows) and set("".join(rows)) <= _SHADES.keys() else None


def shade(character: str) -> str:
    """The colour of a cell."""
    return _SHADES[character]
