"""How training time and memory of the n-gram grow with the text: nearly linear in tokens and distinct n-grams.

    python benchmarks/scale.py [--corpus books] [--order 5] [--steps 7] [--save]

Each point is a training in a process of its own on the first 1/64 … 1 of the corpus's training text (words separated by
white space), with and without a memory limit. `--save` writes benchmarks/results/DATE-scale.{json,png}.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from ngram import peak_memory, text_of

from lmzoo.interface import Data


def train(path: Path, tokens: int, order: int, memory: int) -> dict[str, Any]:
    """Fit on the first `tokens` of the ids in `path`, in this process."""
    from lmzoo.interface import Run
    from lmzoo.models.ngram import Ngram

    ids = np.load(path, mmap_mode="r")
    vocab_size, ids = int(ids[0]), ids[1 : 1 + tokens]
    model = Ngram(order=order)
    model.warm_up()
    before = peak_memory()
    began = time.perf_counter()
    model.fit(Data.of(ids, ids[:0], vocab_size), Run(memory=memory or None))
    seconds = time.perf_counter() - began
    peak = peak_memory()
    return {"tokens": len(ids), "ngrams": model.size()[0], "seconds": seconds, "peak": peak,
            "grown": peak - before}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="books")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--train", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        path, tokens, memory = arguments.train
        print(json.dumps(train(Path(path), int(tokens), arguments.order, int(memory))))
        return
    points: dict[str, list[dict[str, Any]]] = {"no limit": [], "1 GiB": []}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "ids.npy"
        ids = encode(arguments.corpus)
        np.save(path, ids)
        for step in reversed(range(arguments.steps)):
            for limit, memory in (("no limit", 0), ("1 GiB", 1 << 30)):
                run = [sys.executable, __file__, "--order", str(arguments.order), "--train"]
                run += [str(path), str((len(ids) - 1) >> step), str(memory)]
                done = subprocess.run(run, capture_output=True, text=True, check=True)
                point = json.loads(done.stdout)
                points[limit].append(point)
                print(
                    f"{limit:9} {point['tokens']:12,} tokens {point['ngrams']:12,} n-grams {point['seconds']:7.2f} s "
                    f"({point['seconds'] / point['tokens'] * 1e6:.2f} us a token), peak {point['peak'] / 2**20:,.0f} "
                    f"MiB ({point['grown'] / point['ngrams']:.0f} bytes an n-gram)"
                )
    if arguments.save:
        save(points, arguments.corpus, arguments.order)


def encode(corpus: str) -> np.ndarray:
    """V, then the ids of the training text: words as they first appear, `end` last."""
    numbers: dict[str, int] = {}
    lines = []
    for line in text_of(corpus, "train").split("\n")[:-1]:
        lines.append([numbers.setdefault(word, len(numbers)) for word in line.split()] + [-1])
    ids = np.concatenate([np.array(line, dtype=np.int32) for line in lines])
    ids[ids < 0] = len(numbers)
    return np.concatenate([[len(numbers) + 1], ids]).astype(np.int32)


def save(points: dict[str, list[dict[str, Any]]], corpus: str, order: int) -> None:
    from lmzoo.runs import provenance

    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    stem = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}-scale"
    facts = {**provenance.provenance(), "corpus": corpus, "order": order, "points": points}
    (folder / f"{stem}.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    draw(points, f"order {order}, {corpus}").savefig(folder / f"{stem}.png", dpi=100)
    print(f"saved {folder / stem}.json and .png")


def draw(points: dict[str, list[dict[str, Any]]], what: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    styles = {"no limit": ("#0072b2", "o", 10), "1 GiB": ("#d55e00", "s", -46)}
    for limit, rows in points.items():
        colour, marker, above = styles[limit]
        tokens = [row["tokens"] / 1e6 for row in rows]
        for axes, values in ((left, [r["seconds"] for r in rows]), (right, [r["peak"] / 2**30 for r in rows])):
            axes.plot(tokens, values, color=colour, marker=marker, linewidth=2.5, markersize=8)
            axes.annotate(limit, (tokens[-1], values[-1]), (-10, above), textcoords="offset points", color=colour,
                          fontsize=14, ha="right")  # fmt: skip
    for axes, title in ((left, "seconds to train"), (right, "peak memory, GiB")):
        axes.set_title(f"{title}: {what}", fontsize=16, loc="left")
        axes.set_xlabel("million tokens", fontsize=14)
        axes.tick_params(labelsize=13)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.spines[["top", "right"]].set_visible(False)
    right.axhline(1, color="#999999", linestyle=":", linewidth=2)
    return figure


if __name__ == "__main__":
    main()
