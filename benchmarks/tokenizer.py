"""CPU seconds, MB/s and peak memory of training and encoding, beside Hugging Face `tokenizers` and `tiktoken`.

    LMZOO_MIRROR=FOLDER python benchmarks/tokenizer.py [SPEC …] [--part train|valid|test] [--rounds 1] [--save]

The text is a part of the books corpus of the mirror (train has 69 MB), trained on and encoded whole by one thread. Each
measurement is a process of its own, all specs in turns; numba's cache is warm. Its memory is the growth of the peak
resident set during the work (from /proc, so on Linux only). tiktoken (`pip install tiktoken`) has GPT-2's vocabulary
and trains nothing.
"""

import argparse
import json
import lzma
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import record
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from lmzoo.data.tokenizers import train, train_and_encode

T = TypeVar("T")
SPECS = ("byte", "char", "split", "word:50000", "bpe:8192", "gpt2", "hugging-face:8192", "tiktoken")
WORK = ("train", "both", "encode")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", default=SPECS)
    parser.add_argument("--part", default="train")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--save", action="store_true", help="write the figures to benchmarks/results/DATE-tokenizer.json"
    )
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.specs[0], arguments.part)))
        return
    rounds: dict[str, list[dict[str, Any]]] = {spec: [] for spec in arguments.specs}
    for _ in range(arguments.rounds):
        for spec, rows in rounds.items():
            rows.append(in_a_process(spec, arguments.part))
    print(f"{'':18} {'train':30}   {'train and encode':30}   {'encode':30} {'tokens':>10}")
    for spec, rows in rounds.items():
        print(f"{spec:18} {'   '.join(column(rows, name) for name in WORK)} {rows[0]['tokens']:10}")
    if arguments.save:
        from lmzoo.runs import provenance

        facts = {**provenance.provenance(), "part": arguments.part, "load": os.getloadavg(), "results": rounds}
        record.save("tokenizer", facts)


def in_a_process(spec: str, part: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", spec, "--part", part]
    threads = {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=os.environ | threads)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def column(rows: list[dict[str, Any]], name: str) -> str:
    if name not in rows[0]:
        return " " * 30
    seconds = statistics.median(row[name][0] for row in rows)
    memory = max(row[name][1] for row in rows)
    return f"{seconds:6.2f} s {rows[0]['megabytes'] / max(seconds, 0.005):6.1f} MB/s {memory:6.0f} MB"


def measure(spec: str, part: str) -> dict[str, Any]:
    """CPU seconds and MB of training, of training and encoding at once, and of encoding; the number of tokens."""
    path = Path(os.environ["LMZOO_MIRROR"]) / "books" / f"books.{part}.txt.xz"
    with lzma.open(path, "rt", encoding="utf-8", newline="") as file:
        text = file.read()
    kind, _, size = spec.partition(":")
    row: dict[str, Any] = {"megabytes": len(text.encode("utf-8")) / 1e6}
    if kind == "hugging-face":
        theirs, *row["train"] = timed(lambda: hugging_face(int(size), text))
        encoding, *row["encode"] = timed(lambda: theirs.encode(text))
        return row | {"tokens": len(encoding)}
    if kind == "tiktoken":
        gpt2 = tiktoken_gpt2()
        gpt2.encode_ordinary(text[:1000])
        ids, *row["encode"] = timed(lambda: gpt2.encode_ordinary(text))
        return row | {"tokens": len(ids)}
    compiled = kind in ("split", "word")
    if compiled:
        train_and_encode(spec, text[: 1 << 21])[0].encode(text[: 1 << 18])  # loads the loop, once for all texts
    ours, *row["train"] = timed(lambda: train(spec, text))
    if compiled:
        _, *row["both"] = timed(lambda: train_and_encode(spec, text))
        ours.encode(text[: 1 << 18])  # builds what finds the words, once for all texts
    ids, *row["encode"] = timed(lambda: ours.encode(text))
    return row | {"tokens": len(ids)}


def tiktoken_gpt2() -> Any:
    """GPT-2's encoding in tiktoken, from the mirror's files."""
    import tiktoken

    from lmzoo.data.tokenizers import load_gpt2

    ours = load_gpt2(Path(os.environ["LMZOO_MIRROR"]) / "gpt2-bpe")
    ranks = {spelling: n for n, spelling in enumerate(ours.vocabulary.spellings[: ours.end])}
    rule = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
    return tiktoken.Encoding("gpt2", pat_str=rule, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": ours.end})


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """The result of `work`, its CPU seconds, and the MB by which memory grew."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, start = resident("VmRSS"), time.process_time()
    result = work()
    return result, time.process_time() - start, resident("VmHWM") - before


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
