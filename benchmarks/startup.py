"""How long the command line takes to answer: seconds from the shell to the last line of help.

    python benchmarks/startup.py [--runs 9]

Each is a process of its own; Python's own start, which no program can go below, stands first.
"""

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = ("-c pass", "-m lmzoo --help", "-m lmzoo models", "-m lmzoo corpora", "-m lmzoo train ngram --help")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    for command in COMMANDS:
        seconds = []
        for _ in range(runs):
            began = time.perf_counter()
            subprocess.run([sys.executable, *command.split()], capture_output=True, check=True)
            seconds.append(time.perf_counter() - began)
        print(f"{command:30} {statistics.median(seconds):6.3f} s  ({min(seconds):.3f} to {max(seconds):.3f})")


if __name__ == "__main__":
    main()
