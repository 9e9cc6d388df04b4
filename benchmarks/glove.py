"""GloVe beside its authors' program, in one run on one machine: counting, training, and the quality of the vectors.

    python benchmarks/glove.py [--glove FOLDER] [--rounds 3] [--epochs 3] [--quality] [--share 0.5] [--save]

The text is the `books` corpus in lower case, with all but a-z and line ends replaced by spaces. Settings are those of
the program's demonstration: minimum count 5, window 10, x-max 10; 100 dimensions, and 2 threads for both. The programs
(vocab_count, cooccur, shuffle, glove) are found in the folder named, or on the PATH; without them only our lines are
shown. The two alternate. Compare ratios, not seconds, and those of processor time if the machine is busy.

Counting is, for `cooccur`, from text and a vocabulary to a file, for us from ids to a matrix; counting from text
includes `vocab_count`, and for us reading, finding the vocabulary and encoding. An epoch updates once for each cell;
theirs is the time of several epochs less that of one, so that neither start-up nor writing vectors counts. With
--quality both train 15 epochs with three seeds each, and are scored by gensim's evaluators (needs gensim). Both use the
first --share of the text's lines.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.interface import Data

PROGRAMS = ("vocab_count", "cooccur", "shuffle", "glove")
MIN_COUNT, WINDOW, X_MAX, DIMENSIONS, THREADS, EPOCHS, SEEDS = 5, 10, 10, 100, 2, 15, (1, 2, 3)
PAIRS = {"WordSim-353": "EN-WS-353-ALL", "SimLex-999": "EN-SIMLEX-999", "MEN": "EN-MEN-TR-3k"}


def programs(folder: Path | None) -> dict[str, str] | None:
    """The paths of the authors' programs; None, and a printed line, if one is missing."""
    found = {name: shutil.which(name, path=None if folder is None else str(folder)) for name in PROGRAMS}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        print(f"Stanford's GloVe is left out: {', '.join(missing)} not found (name their folder with --glove)")
        return None
    return {name: path for name, path in found.items() if path}


def text_of(share: float) -> str:
    """The first `share` of the books' lines: lower case, a-z, single blanks."""
    from lmzoo.data import corpus

    lines = re.sub(r"[^a-z\n]", " ", corpus.load("books").train.lower()).split("\n")
    return "".join(" ".join(line.split()) + "\n" for line in lines[: int(len(lines) * share)])


def encoded(path: Path) -> tuple[Any, Any]:
    """Text file → ids and the tokenizer."""
    from lmzoo.data import tokenizers

    text = path.read_text(encoding="utf-8")
    words = tokenizers.train("split", text)
    return words.encode(text), words


class Theirs:
    """The authors' programs at work in a folder."""

    def __init__(self, found: dict[str, str], folder: Path) -> None:
        self.found, self.folder = found, folder
        self.vocabulary()

    def vocabulary(self) -> None:
        self.run("vocab_count", ["-min-count", MIN_COUNT], "text.txt", "vocab.txt")

    def run(self, program: str, options: list[Any], source: str, target: str) -> None:
        command = [self.found[program], "-verbose", "0", *map(str, options)]
        with (self.folder / source).open("rb") as stdin, (self.folder / target).open("wb") as stdout:
            subprocess.run(command, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, cwd=self.folder, check=True)

    def count(self) -> None:
        options = ["-memory", 4, "-window-size", WINDOW, "-vocab-file", "vocab.txt"]
        self.run("cooccur", options, "text.txt", "cells.bin")

    def shuffle(self, seed: int) -> None:
        self.run("shuffle", ["-memory", 4, "-seed", seed], "cells.bin", "shuffled.bin")

    def train(self, epochs: int, seed: int) -> None:
        options = {
            "save-file": "vectors", "input-file": "shuffled.bin", "vocab-file": "vocab.txt", "x-max": X_MAX,
            "seed": seed, "threads": THREADS, "iter": epochs, "vector-size": DIMENSIONS, "binary": 0,
        }  # fmt: skip
        command = [self.found["glove"], *(str(part) for key, value in options.items() for part in (f"-{key}", value))]
        subprocess.run(command, stderr=subprocess.DEVNULL, cwd=self.folder, check=True)

    def cells(self) -> int:
        return (self.folder / "cells.bin").stat().st_size // 16

    def vectors(self) -> tuple[list[str], Any]:
        rows = [line.split(" ") for line in (self.folder / "vectors.txt").read_text("utf-8").splitlines()]
        rows = [row for row in rows if row[0] != "<unk>"]
        return [row[0] for row in rows], np.array([row[1:] for row in rows], dtype=np.float32)


def speed(path: Path, theirs: Theirs | None, rounds: int, epochs: int) -> dict[str, Any]:
    """Rates of counting and of training, alternating: medians, and all measured seconds."""
    from lmzoo.embeddings import adagrad
    from lmzoo.interface import Run
    from lmzoo.models.glove import GloVe
    from lmzoo.ngrams.out_of_core import Scratch

    model = GloVe(window=WINDOW, min_count=MIN_COUNT)
    model.warm_up()
    clock = Clock()
    for number in range(rounds):
        ids, words = clock.time("ours_read", encoded, path)
        table = clock.time("ours_count", model.count, ids, words.vocab_size, Run())
        clock.put("ours_text_count", 1, "ours_read", 1, "ours_count")
        descent = clock.time(
            "ours_deal", adagrad.Descent, table, DIMENSIONS, X_MAX, 0.75, 0.05, seed=1, scratch=Scratch()
        )
        if theirs:
            clock.time("vocabulary", theirs.vocabulary)
            clock.time("count", theirs.count)
            clock.put("text_count", 1, "vocabulary", 1, "count")
            clock.time("shuffle", theirs.shuffle, 1)
            clock.time("one", theirs.train, 1, 1)
        for _ in range(epochs):
            clock.time("ours_epoch", descent.epoch, lambda _: None)
        if theirs:
            clock.time("many", theirs.train, epochs, 1)
            clock.put("epoch", 1 / (epochs - 1), "many", -1 / (epochs - 1), "one")
        print(f"round {number + 1} of {rounds}", flush=True)
    sizes = {"tokens": len(ids), "words": int((ids != words.vocab_size - 1).sum()), "cells": table.nnz}
    if theirs:
        sizes["their_cells"] = theirs.cells()
    return {**sizes, "wall_seconds": clock.wall, "cpu_seconds": clock.cpu, "rates": rates(sizes, clock)}


class Clock:
    """Wall-clock and processor seconds (all threads and child processes), by name."""

    def __init__(self) -> None:
        self.wall: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        before = os.times()
        result = work(*arguments, **named)
        after = os.times()
        self.wall.setdefault(name, []).append(after[4] - before[4])
        self.cpu.setdefault(name, []).append(sum(after[:4]) - sum(before[:4]))
        return result

    def put(self, name: str, times: float, part: str, times_other: float, other: str) -> None:
        """A weighted sum of two of the last measurements."""
        for clock in (self.wall, self.cpu):
            clock.setdefault(name, []).append(times * clock[part][-1] + times_other * clock[other][-1])


def rates(sizes: dict[str, int], clock: Clock) -> dict[str, Any]:
    """Words or cells a second, by wall clock and by processor time, and our rate as a multiple of theirs."""
    found: dict[str, Any] = {}
    stages = {"count": ("words", "count"), "text_count": ("words", "text_count"), "deal": ("cells", "shuffle"),
              "epoch": ("cells", "epoch")}  # fmt: skip
    for stage, (unit, other) in stages.items():
        for kind, seconds in (("wall", clock.wall), ("cpu", clock.cpu)):
            row = {"lmzoo": sizes[unit] / statistics.median(seconds[f"ours_{stage}"])}
            if other in seconds:
                size = sizes["words" if unit == "words" else "their_cells"]
                row["glove"] = size / statistics.median(seconds[other])
                row["ratio"] = row["lmzoo"] / row["glove"]
            found[f"{stage}, {unit} a second, {kind}"] = row
            print(f"  {stage:10} {unit}/s, {kind:4}  " + "  ".join(f"{who} {rate:,.2f}" for who, rate in row.items()))
    for who, stage in (("lmzoo", "ours_epoch"), ("glove", "epoch")):
        if stage in clock.wall:
            found.setdefault("epoch, words a second, wall", {})[who] = sizes["words"] / statistics.median(
                clock.wall[stage]
            )
    return found


def quality(path: Path, theirs: Theirs | None) -> dict[str, Any]:
    """Scores of the vectors of both, for each seed."""
    scores: dict[str, list[dict[str, float]]] = {"lmzoo": [], "glove": []}
    ids, words = encoded(path)
    if theirs:
        theirs.count()
    for seed in SEEDS:
        scores["lmzoo"].append(scored(*our_vectors(ids, words, seed)))
        print(f"lmzoo, seed {seed}: {scores['lmzoo'][-1]}", flush=True)
        if theirs:
            theirs.shuffle(seed)
            theirs.train(EPOCHS, seed)
            scores["glove"].append(scored(*theirs.vectors()))
            print(f"glove, seed {seed}: {scores['glove'][-1]}", flush=True)
    found: dict[str, Any] = {"words": int((ids != words.vocab_size - 1).sum()), "scores": scores}
    for who, rows in scores.items():
        for key in rows[0] if rows else ():
            values = [row[key] for row in rows]
            found.setdefault(who, {})[key] = [statistics.mean(values), statistics.stdev(values)]
            print(f"  {who:6} {key:24} {statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}")
    return found


def our_vectors(ids: Any, words: Any, seed: int) -> tuple[list[str], Any]:
    """The words with a vector, the most frequent first, and their vectors."""
    from lmzoo.interface import Run
    from lmzoo.models.glove import GloVe

    model = GloVe(dimensions=DIMENSIONS, window=WINDOW, min_count=MIN_COUNT, x_max=X_MAX, epochs=EPOCHS)
    model.fit(Data.of(ids, ids[:0], words.vocab_size), Run(seed=seed, device="cpu"))
    names = words.to_json()["words"]
    by_frequency = np.argsort(-model.counts_[: len(names)], kind="stable")
    frequent = [i for i in by_frequency if model.counts_[i] >= MIN_COUNT and names[i].isalpha()]
    return [names[i] for i in frequent], model.vectors()[frequent]


def scored(names: list[str], vectors: Any) -> dict[str, float]:
    """Spearman's ρ with human judgments, and the accuracy on analogies."""
    from gensim.models import KeyedVectors

    from lmzoo.data import task_cards

    keyed = KeyedVectors(vectors.shape[1])
    keyed.add_vectors(names, vectors)
    files = task_cards.fetch("words")
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.txt"
        for title, name in PAIRS.items():
            path.write_text(files[name], encoding="utf-8")
            _, spearman, unknown = keyed.evaluate_word_pairs(str(path), restrict_vocab=len(names))
            found[title], found[f"{title}, % unknown"] = float(spearman[0]), float(unknown)
        path.write_text(files["questions-words"], encoding="utf-8")
        found["analogies"] = float(keyed.evaluate_word_analogies(str(path), restrict_vocab=30_000)[0])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glove", type=Path, help="the folder of vocab_count, cooccur, shuffle and glove")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3, help="of each round, for the clock; 2 or more")
    parser.add_argument("--quality", action="store_true", help="train 15 epochs with three seeds and score the vectors")
    parser.add_argument("--share", type=float, default=1.0, help="of the text")
    parser.add_argument("--save", action="store_true", help="write the figures to benchmarks/results/DATE-glove.json")
    arguments = parser.parse_args()
    from lmzoo.runs import provenance

    found = programs(arguments.glove)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "text.txt"
        path.write_text(text_of(arguments.share), encoding="utf-8")
        theirs = Theirs(found, Path(name)) if found else None
        if arguments.quality:
            part, result = "quality", quality(path, theirs)
        else:
            part, result = "speed", speed(path, theirs, arguments.rounds, arguments.epochs)
    if arguments.save:
        save(part, {**provenance.provenance(), "share": arguments.share, **result})


def save(part: str, result: dict[str, Any]) -> None:
    """Put speed or quality into today's file, beside the other."""
    path = Path(__file__).parent / "results" / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}-glove.json"
    path.parent.mkdir(exist_ok=True)
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**before, part: result}, indent=1) + "\n", encoding="utf-8")
    print(f"saved {path}")


if __name__ == "__main__":
    main()
