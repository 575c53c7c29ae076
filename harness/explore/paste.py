"""A find as a family of its case file, ready to be pasted."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from harness.casefile.expressions import plain
from harness.casefile.source import Source
from harness.explore.search import Find

# Leaves in a line, keys in the order of the case file.
LOOKS = {"width": 110, "default_flow_style": None, "sort_base_mapping_type_on_output": False}
# What the find replaces, or what means nothing for a single case.
_REPLACED = ("sweep", "values", "exclude", "cover", "tier", "because", "claims")


def family(find: Find, source: Source, seed: int) -> str:
    """The family as YAML, indented as the families of a case file are.

    Args:
        find: what was found.
        source: the case file as it is written.
        seed: of the search, for the reason.
    """
    written, own = _plain(source.data["families"][find.family.name]), find.family.sweep
    row = find.smallest.row
    values = {**written.get("values", {}), **{name: _listed(each) for name, each in row.items() if name not in own}}
    because = f"explore (seed {seed}) found here, beyond the sweep of '{find.family.name}': {find.signature}"
    entry = {
        **{key: written[key] for key in ("claims",) if key in written},
        "because": because,
        **{key: value for key, value in written.items() if key not in _REPLACED},
        **({"values": values} if values else {}),
        **({"sweep": {name: [_listed(row[name])] for name in own}} if own else {}),
    }
    return _dumped({name(find): entry})


def name(find: Find) -> str:
    """What the family is called: the one that it was found in, and what is found."""
    return "-".join([find.family.name, "explored", find.signature.verdict.replace("_", "-")])


def _dumped(tree: Mapping[str, Any]) -> str:
    yaml, text = YAML(typ="safe", pure=True), StringIO()
    for option, value in LOOKS.items():
        setattr(yaml, option, value)
    yaml.dump(tree, text)
    return "".join(f"  {line}" for line in text.getvalue().splitlines(keepends=True))


def _plain(node: Any) -> Any:
    """A YAML tree without marks and anchors."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(each) for each in node]
    return plain(node)


def _listed(value: Any) -> Any:
    return [_listed(each) for each in value] if isinstance(value, tuple) else value
