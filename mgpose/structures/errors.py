"""Bad input from outside, and how a command line tool ends on it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn


class InputError(ValueError):
    """A file, folder, config or argument that the user gave cannot be used.

    The message is one line: what was given, what was expected, what was found, what to do.
    """


class CollapseError(RuntimeError):
    """A training was stopped because the encoder no longer tells clips apart.

    The message is one line: what was seen, which setting to change, where to go on from.
    """


def run_tool(main: Callable[[], int]) -> NoReturn:
    """Run a tool's ``main`` and exit; bad input and failing disks become one line and code 2."""
    try:
        code = main()
    except (InputError, OSError, FloatingPointError, CollapseError) as error:
        # A full disk, a folder that cannot be written, a diverged or collapsed training name their
        # cause too.
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)
