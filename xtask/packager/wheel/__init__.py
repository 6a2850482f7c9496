"""The installed tool of Scorebox. The program in this package does everything."""

import os
import sys


def main():
    """Runs the program in place of this process."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "scorebox")
    try:
        os.execv(program, [program, *sys.argv[1:]])
    except OSError as error:
        fix = "install the wheel again with pip, on Linux on x86-64"
        sys.exit(f"error: {program}: cannot be run: {error.strerror}\n  fix: {fix}")
