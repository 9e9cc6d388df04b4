"""What another busy process costs a network, under several ways for OpenMP's threads to wait at barriers.

    python benchmarks/busy.py [--models lstm gpt] [--steps 300] [--rounds 3] [--cores 2] [--others 1] [--save]

OpenMP's threads meet at a barrier after each parallel operation, and wait for each other there by spinning. Where
another process has one of the cores, the thread that it displaced is what all others spin for. Compared are OpenMP's
own default (spinning), lmzoo's choice from step to step (`lmzoo.neural.barriers`), sleeping at once, and one thread.

Each case is a process of its own on `--cores` cores, alone and beside `--others` processes that only compute; the
cases take turns, so that other work on the machine meets all of them. Figures are tokens a second in training (and
in scoring), the median of the rounds, and the ratio to spinning alone; "-" is longer than `--timeout`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# Case → environment. GOMP_SPINCOUNT is how many turns GNU's OpenMP waits before it sleeps: 300,000 is its own default.
CASES = {
    "spinning": {"GOMP_SPINCOUNT": "300000"},
    "lmzoo": {},
    "sleeping": {"OMP_WAIT_POLICY": "passive"},
    "1 thread": {"OMP_NUM_THREADS": "1"},
}
SPUN = "import os\nwhile os.getppid() == {parent}:\n    sum(range(100_000))"


def speeds(model: str, steps: int) -> list[float]:
    """Tokens a second of a training of so many steps on the built-in corpus, and of scoring its validation text."""
    import lmzoo.models
    from lmzoo.data import corpus, tokenizers
    from lmzoo.interface import Data, Run

    source = corpus.load("storyworld:2MB")
    tokenizer = tokenizers.train(source.tokenizer, source.train)
    data = Data(tokenizer.encode(source.train), tokenizer.encode("")[:0], tokenizer.vocabulary)
    network = lmzoo.models.find(model)()
    network.fit(data, Run(seed=1, steps=steps, device="cpu"))
    ids = tokenizer.encode(source.valid)[:20_000]
    began = time.perf_counter()
    network.log_probs(ids)
    return [
        network.facts["tokens_read"] / network.facts["training_seconds"],
        len(ids) / (time.perf_counter() - began),
    ]


def measure(
    model: str, steps: int, environment: dict[str, str], cores: int, others: int, timeout: float
) -> list[float]:
    """`speeds` in a process of its own beside `others`, all on the same cores."""
    chosen = sorted(os.sched_getaffinity(0))[:cores]
    pinned = {"preexec_fn": lambda: os.sched_setaffinity(0, chosen)}
    spinning = [
        subprocess.Popen([sys.executable, "-c", SPUN.format(parent=os.getpid())], **pinned) for _ in range(others)
    ]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    try:
        command = [sys.executable, __file__, "--child", model, "--steps", str(steps)]
        done = subprocess.run(
            command, env={**clean, **environment}, capture_output=True, text=True, timeout=timeout, **pinned
        )
        if done.returncode:
            sys.exit(done.stderr)
        return list(map(float, done.stdout.split()))
    except subprocess.TimeoutExpired:
        return [0.0, 0.0]
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["lstm", "gpt"])
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--others", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    o = parser.parse_args()
    if o.child:
        print(*speeds(o.child, o.steps))
        return
    figures: dict[str, list[list[float]]] = {}
    for _ in range(o.rounds):
        for model in o.models:
            for case in o.cases:
                for others in (0, o.others):
                    both = measure(model, o.steps, CASES[case], o.cores, others, o.timeout)
                    print(f"{model}, {case}, beside {others}: {both}", file=sys.stderr)
                    figures.setdefault(f"{model} {case} {others}", []).append(both)
    print(f"{'tokens/s':20} {'case':9} {'alone':>9} {'ratio':>6} {f'beside {o.others}':>9} {'ratio':>6}")
    for model in o.models:
        for place, work in enumerate(("training", "scoring")):
            quiet = statistics.median(both[place] for both in figures[f"{model} {o.cases[0]} 0"])
            for case in o.cases:
                line = f"{model + ', ' + work:20} {case:9}"
                for others in (0, o.others):
                    speed = statistics.median(both[place] for both in figures[f"{model} {case} {others}"])
                    line += f" {speed:9,.0f} {speed / quiet:6.2f}" if speed else f" {'-':>9} {'-':>6}"
                print(line)
    if o.save:
        record = {"date": time.strftime("%Y-%m-%d"), "cores": o.cores, "others": o.others, "tokens_per_second": figures}
        o.save.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
