"""Videos to a store of poses.

A run that was killed is resumed by running it again; several runs may work on one store at a
time. Exit code 0 when each video is in the store, 2 when one failed (the others are done).
"""

import argparse
import logging

from mgpose.extraction.jobs.command import add_arguments, run
from mgpose.structures import run_tool


def main() -> int:
    """Parse, extract, say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    return run(parser.parse_args())


if __name__ == "__main__":
    run_tool(main)
