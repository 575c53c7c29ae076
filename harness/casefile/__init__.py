"""Case files: YAML in, validated families and cases out. Nothing here knows a framework."""

from harness.casefile.families import CaseFile, Document, Family, Recipe, word
from harness.casefile.reader import load

__all__ = ["CaseFile", "Document", "Family", "Recipe", "load", "word"]
