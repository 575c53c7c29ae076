"""Reading, writing and merging ``results.jsonl``: a header, one line per trial, a footer.

A run that was cut short leaves a file without a footer or with a half-written last line. Such a file is still read,
so that no result is lost; what is wrong with it is kept beside the results, and they are never taken for whole.
"""

from harness.records.line import Record
from harness.records.merging import Results, merge
from harness.records.reader import OUTPUT, RESULTS, Run, check, read
from harness.records.writer import Writer, dump, replacing, write_atomic

__all__ = [
    "OUTPUT",
    "RESULTS",
    "Record",
    "Results",
    "Run",
    "Writer",
    "check",
    "dump",
    "merge",
    "read",
    "replacing",
    "write_atomic",
]
