"""A YAML file with the position of every key, checked against the published schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from harness.errors import CaseFileError, Place, did_you_mean

Key = Sequence[str | int]


@dataclass(frozen=True)
class Source:
    """A parsed YAML file: its data, and where each part of it stands."""

    file: str
    data: Any

    def place(self, key: Key) -> Place:
        """The position of the key, or of its nearest ancestor that has one."""
        node, place = self.data, Place(self.file, 1, 1)
        for part in key:
            marks = getattr(node, "lc", None)
            if marks is None:
                break
            try:
                line, column = marks.item(part) if isinstance(part, int) else marks.key(part)
                node = node[part]
            except (KeyError, IndexError, TypeError):
                break
            place = Place(self.file, line + 1, column + 1)
        return place

    def error(self, key: Key, problem: str, hint: str = "") -> CaseFileError:
        """The one error for something wrong at this key."""
        return CaseFileError(self.place(key), ".".join(map(str, key)), problem, hint)


def read(path: Path, schema: str, names: Iterable[str] = ()) -> Source:
    """Parse a YAML file and check it against a schema of this package.

    Args:
        path: the file.
        schema: name of the schema file beside this module, without suffix.
        names: framework names that are allowed as sides, where the schema has sides.

    Raises:
        CaseFileError: not YAML, a doubled key, or not as the schema says; with line and column.
    """
    source = Source(str(path), _parse(path))
    error = best_match(_validator(schema, tuple(names)).iter_errors(source.data))
    if error is not None:
        raise _explain(source, error)
    return source


def _parse(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseFileError(Place(str(path), 1, 1), "", f"cannot be read: {error}") from None
    try:
        data = YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        raise CaseFileError(_mark(path, error), "", "a key stands twice", _first_line(error.problem)) from None
    except MarkedYAMLError as error:
        raise CaseFileError(_mark(path, error), "", f"not YAML: {_first_line(error.problem)}") from None
    except ReaderError as error:
        before = text[: error.position]
        place = Place(str(path), before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise CaseFileError(place, "", f"not YAML: a character that it forbids, U+{error.character:04X}") from None
    if not isinstance(data, Mapping):
        hint = "see the README, 'Add a layer'"
        raise CaseFileError(Place(str(path), 1, 1), "", "expected a mapping at the top", hint)
    return data


def _mark(path: Path, error: MarkedYAMLError) -> Place:
    mark = error.problem_mark
    return Place(str(path), mark.line + 1, mark.column + 1) if mark else Place(str(path), 1, 1)


def _first_line(text: object) -> str:
    return str(text or "").strip().splitlines()[0] if text else ""


@cache
def _validator(schema: str, names: tuple[str, ...]) -> Draft202012Validator:
    text = (Path(__file__).parent / f"{schema}.schema.json").read_text(encoding="utf-8")
    tree = json.loads(text)
    # A framework is known by its adapter file, so the schema learns the side names here.
    for owner, reference in (("", "side"), ("family", "side_change"), ("recipe", "side_change")):
        holder = tree.get("$defs", {}).get(owner, tree) if owner else tree
        for name in names:
            holder["properties"].setdefault(name, {"$ref": f"#/$defs/{reference}"})
    return Draft202012Validator(tree)


def _explain(source: Source, error: ValidationError) -> CaseFileError:
    key, found, demanded = list(error.absolute_path), cast(Any, error.instance), cast(Any, error.validator_value)
    rule: Mapping[str, Any] = error.schema if isinstance(error.schema, Mapping) else {}
    if "propertyNames" in error.absolute_schema_path:
        key.append(found)
    if error.validator == "additionalProperties":
        known = rule["properties"]
        unknown = next(name for name in found if name not in known)
        return source.error([*key, unknown], "unknown key", did_you_mean(str(unknown), known))
    if error.validator == "required":
        missing = next(name for name in demanded if name not in found)
        return source.error(key, f"the key '{missing}' is missing", f"expected {rule['description']}")
    if error.validator == "enum":
        hint = did_you_mean(str(found), map(str, demanded))
        return source.error(key, f"unknown value '{found}'", hint)
    expected = rule.get("description") or f"{error.validator}: {demanded}"
    return source.error(key, f"expected {expected}", f"found {json.dumps(found, default=str)[:80]}")
