"""The command line: ``python -m harness COMMAND``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from harness import __version__
from harness.commands import claims, compare, doctor, explore, port, record, report, repro
from harness.errors import HarnessError

DESCRIPTION = """\
Differential conformance testing: torch layers against MindSpore layers.

The case files are run by pytest:  pytest -n auto            all of them
                                   pytest cases/conv2d.yaml  one layer
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command: 0 all is as expected, 1 a divergence, 2 a usage or input error, said in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m harness", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (doctor, compare, port, record, claims, repro, explore, report):
        command.register(commands)
    arguments = parser.parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away, which is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {error.filename or ''}: {error.strerror}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
