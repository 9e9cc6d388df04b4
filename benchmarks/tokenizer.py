"""Seconds, MB/s and peak memory of training and encoding, beside Hugging Face `tokenizers` with its defaults.

    LMZOO_MIRROR=FOLDER python benchmarks/tokenizer.py [SPEC …]

The text is the books corpus of the mirror: 69 MB, trained on and encoded whole. Each row is a process of its own; its
memory is the growth of the peak resident set during the work (from /proc, so on Linux only).
"""

import json
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from lmzoo.data.tokenizers import train

T = TypeVar("T")
SPECS = ("byte", "char", "word:50000", "bpe:8192", "gpt2", "hugging-face:8192")


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2])))
        return
    print(f"{'':18} {'train':30}   {'encode':30} {'tokens':>10}")
    for spec in sys.argv[1:] or SPECS:
        done = subprocess.run([sys.executable, __file__, "--one", spec], stdout=subprocess.PIPE, check=True)
        row = json.loads(done.stdout)
        print(f"{spec:18} {column(row, 'train')}   {column(row, 'encode')} {row['tokens']:10}", flush=True)


def column(row: dict[str, Any], name: str) -> str:
    seconds, memory = row[name]
    return f"{seconds:6.1f} s {row['megabytes'] / max(seconds, 0.05):6.1f} MB/s {memory:6.0f} MB"


def measure(spec: str) -> dict[str, Any]:
    """Train and encode: seconds and MB of each, and the number of tokens."""
    path = Path(os.environ["LMZOO_MIRROR"]) / "books" / "books.train.txt.xz"
    with lzma.open(path, "rt", encoding="utf-8", newline="") as file:
        text = file.read()
    kind, _, size = spec.partition(":")
    row: dict[str, Any] = {"megabytes": len(text.encode("utf-8")) / 1e6}
    if kind == "hugging-face":
        theirs, *row["train"] = timed(lambda: hugging_face(int(size), text))
        encoding, *row["encode"] = timed(lambda: theirs.encode(text))
        return row | {"tokens": len(encoding)}
    ours, *row["train"] = timed(lambda: train(spec, text))
    ids, *row["encode"] = timed(lambda: ours.encode(text))
    return row | {"tokens": len(ids)}


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """The result of `work`, its seconds, and the MB by which memory grew."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, start = resident("VmRSS"), time.perf_counter()
    result = work()
    return result, time.perf_counter() - start, resident("VmHWM") - before


def resident(key: str) -> float:
    """Resident memory in MB, now (VmRSS) or at its peak (VmHWM)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024 / 1e6


def hugging_face(size: int, text: str) -> tokenizers.Tokenizer:
    """As in its documentation: train on lines, encode the whole text."""
    model = tokenizers.Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size - 1, initial_alphabet=alphabet, show_progress=False)
    model.train_from_iterator(text.splitlines(keepends=True), trainer)
    return model


if __name__ == "__main__":
    main()
