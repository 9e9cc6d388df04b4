"""How long the command line takes to answer: CPU and wall-clock seconds of a process that prints help.

    python benchmarks/startup.py [--runs 9]

Python's own start, below which no program can go, stands first. CPU seconds are user and system time of the process:
unlike wall-clock time they hardly depend on what else the machine is doing.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

COMMANDS = (
    "-c pass",
    "-m lmzoo --help",
    "-m lmzoo models",
    "-m lmzoo corpora",
    "-m lmzoo train ngram --help",
    "-m lmzoo train lstm --help",
)


def measure(command: str) -> tuple[float, float]:
    """CPU seconds and wall-clock seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    # NumPy starts a thread for each core, of BLAS, which spin for a moment: that is not what is measured.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *command.split()], capture_output=True, check=True, env=environment)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    print(f"{'medians of ' + str(runs) + ' runs':30}  CPU s  (least to most)   wall-clock s")
    for command in COMMANDS:
        cpu, wall = zip(*(measure(command) for _ in range(runs)), strict=True)
        print(f"{command:30} {statistics.median(cpu):6.3f}  ({min(cpu):.3f} to {max(cpu):.3f})"
              f"   {statistics.median(wall):6.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
