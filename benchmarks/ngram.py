"""The n-gram beside KenLM, in one run on one machine: training, memory, scoring, sampling, agreement of the scores.

    python benchmarks/ngram.py [ptb wikitext2 books] [--order 5] [--runs 3] [--save]

Both read the same text file, words separated by single spaces. Each training is a process of its own, in turns, with
its CPU seconds (user and system, of all its threads, from start to end) and peak memory from the operating system:
lmzoo from text to a saved run, imports and loading of compiled loops included (compiled before, by a process that is
not timed), lmplz from text to an ARPA file that is discarded. Scoring is of the test text from strings, and for lmzoo
also from ids. Sampling is of 1,000 tokens, drawn as the model draws and by looking at all V words. KenLM's programs are
found on the PATH, or by LMPLZ and BUILD_BINARY, and its module where it is installed; what is missing is skipped.
Compare ratios, not seconds: the machine may be busy, and its load is in the record.
"""

import argparse
import contextlib
import gc
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import record

from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data

LMPLZ = os.environ.get("LMPLZ") or shutil.which("lmplz")
BUILD_BINARY = os.environ.get("BUILD_BINARY") or shutil.which("build_binary")


def text_of(corpus: str, split: str) -> str:
    """The text for both programs: single spaces, and <unk> renamed, because KenLM reserves it."""
    from lmzoo.data import corpus as corpora

    lines = getattr(corpora.load(corpus), split).split("\n")
    if lines[-1] == "":
        lines.pop()
    return "".join(" ".join(line.split()).replace("<unk>", "xxunkxx") + "\n" for line in lines)


def peak_memory() -> int:
    """Peak memory in bytes. (`getrusage` would include that of the parent process.)"""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def train_ours(path: Path, order: int, memory: int | None) -> dict[str, Any]:
    """Text file → a saved run, in this process: CPU seconds of each part."""
    ends = [time.process_time()]  # of the interpreter, NumPy and this file
    from lmzoo.data import tokenizers
    from lmzoo.interface import Run
    from lmzoo.models.ngram import Ngram
    from lmzoo.runs import store

    ends.append(time.process_time())
    text = path.read_text(encoding="utf-8")
    words, ids = tokenizers.train_and_encode("split", text)
    del text
    ends.append(time.process_time())
    model = Ngram(order=order).fit(Data(ids, ids[:0], words.vocabulary), Run(memory=memory))
    ends.append(time.process_time())
    store.save(TextModel(model, words), path.parent / "trained", overwrite=True)
    ends.append(time.process_time())
    gc.freeze()  # as the command line does before it ends
    parts = dict(zip(("start", "imports", "read", "fit", "save"), np.diff([0, *ends]).tolist(), strict=True))
    return {"tokens": len(ids), "ngrams": model.size()[0], "peak": peak_memory(), **parts}


def timed(command: list[str], source: Path | None, target: Path | None) -> dict[str, Any]:
    """CPU seconds, wall-clock seconds and peak memory of a process."""
    with contextlib.ExitStack() as files:
        opened = files.enter_context(source.open("rb")) if source else None
        written: Any = files.enter_context(target.open("wb")) if target else subprocess.DEVNULL
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=opened, stdout=written, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"{command[0]} failed")
    return {"cpu": usage.ru_utime + usage.ru_stime, "seconds": seconds, "peak": usage.ru_maxrss * 1024}


def train_kenlm(path: Path, order: int) -> dict[str, Any]:
    """Text file → ARPA, by lmplz with a gigabyte for its sorting."""
    options = ["-o", str(order), "-S", "1G", "--discount_fallback", "-T", str(path.parent)]
    return timed([str(LMPLZ), *options], path, None)


def in_a_process(path: Path, order: int, memory: int | None) -> dict[str, Any]:
    told = path.parent / "told.json"
    command = [sys.executable, __file__, "--ours", str(path), "--order", str(order), "--memory", str(memory or 0)]
    return timed(command, None, told) | json.loads(told.read_text(encoding="utf-8"))


def seconds_of(work: Callable[[], Any], repeat: int = 5) -> float:
    """CPU seconds, the median of `repeat` runs."""
    times = []
    for _ in range(repeat):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def scoring(corpus: str, order: int, folder: Path) -> dict[str, Any]:
    """Tokens a CPU second, perplexities and the largest difference between single scores (log10)."""
    from lmzoo.data import tokenizers
    from lmzoo.evaluation import generation
    from lmzoo.models.ngram import Ngram
    from lmzoo.runs import store

    train, test = (text_of(corpus, split) for split in ("train", "test"))
    saved = tokenizers.train("split", train).to_json()
    saved["words"].append("<unk>")  # KenLM's vocabulary has it, so ours has it here
    words = tokenizers.from_json(saved)
    ids = words.encode(train)
    model = Ngram(order=order).fit(Data.of(ids, ids[:0], words.vocab_size))
    lines = test.splitlines()
    encoded = [words.encode(line + "\n") for line in lines]
    tokens = sum(map(len, encoded))
    figures: dict[str, Any] = {"test_tokens": tokens}
    figures["ours"] = tokens / seconds_of(lambda: model.log_probs_many(encoded))
    figures["ours_from_text"] = tokens / seconds_of(lambda: model.log_probs(words.encode(test)))
    log_probs = np.concatenate(model.log_probs_many(encoded))
    figures["perplexity"] = float(np.exp(-log_probs.mean()))
    figures["next_log_probs"] = seconds_of(lambda: [model.next_log_probs(model.start()) for _ in range(20)]) / 20
    prompt = np.array([], dtype=np.int32)
    another = Ngram(order=2).fit(Data.of(ids[:100], ids[:0], words.vocab_size))
    list(generation.generate(another, prompt, 1))  # compiles
    figures["first_sample_1000"] = seconds_of(lambda: list(generation.generate(model, prompt, 1000, seed=1)), 1)
    figures["sample_1000"] = seconds_of(lambda: list(generation.generate(model, prompt, 1000, seed=2)), 3)
    figures["sample_1000_all_words"] = 10 * seconds_of(
        lambda: list(generation.generate(model, prompt, 100, seed=1, temperature=1 + 1e-12)), 1
    )
    store.save(TextModel(model, words), folder / "run")
    figures["load"] = seconds_of(lambda: store.load(folder / "run"), 3)
    figures["bytes"] = store.bytes_on_disk(folder / "run")
    with contextlib.suppress(ImportError):
        figures |= kenlm_scoring(folder, order, lines, log_probs / np.log(10))
    return figures


def kenlm_scoring(folder: Path, order: int, lines: list[str], ours: Any) -> dict[str, Any]:
    import kenlm

    if not (LMPLZ and BUILD_BINARY):
        return {}
    arpa, binary = folder / "model.arpa", folder / "model.bin"
    with (folder / "train.txt").open("rb") as source, arpa.open("wb") as target:
        options = ["-o", str(order), "-S", "1G", "--discount_fallback", "-T", str(folder)]
        subprocess.run([LMPLZ, *options], stdin=source, stdout=target, stderr=subprocess.DEVNULL, check=True)
    subprocess.run([BUILD_BINARY, arpa, binary], capture_output=True, check=True)
    arpa.unlink()
    with contextlib.redirect_stderr(io.StringIO()):
        model = kenlm.Model(str(binary))
    theirs = np.array([score for line in lines for score, _, _ in model.full_scores(line)])
    seconds = seconds_of(lambda: [model.score(line) for line in lines])  # which splits the line itself
    return {
        "kenlm": len(theirs) / seconds,
        "kenlm_bytes": binary.stat().st_size,
        "largest_difference": float(np.abs(theirs - ours).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="*", default=["ptb", "wikitext2"])
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="write the figures to benchmarks/results/DATE-ngram.json")
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--memory", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        print(json.dumps(train_ours(arguments.ours, arguments.order, arguments.memory or None)))
        return
    from lmzoo.runs import provenance

    load = os.getloadavg()
    results = {corpus: measure(corpus, arguments.order, arguments.runs) for corpus in arguments.corpora}
    if arguments.save:
        record.save("ngram", {**provenance.provenance(), "load": [load, os.getloadavg()], "results": results})


def measure(corpus: str, order: int, runs: int) -> dict[str, Any]:
    """All measurements on one corpus, printed as they finish."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "train.txt"
        path.write_text(text_of(corpus, "train"), encoding="utf-8")
        in_a_process(path, order, None)  # compiles, and reads the programs into memory
        trainings: dict[str, list[dict[str, Any]]] = {"lmzoo": [], "lmzoo in 1 GiB": [], "lmplz": []}
        for _ in range(runs):
            trainings["lmzoo"].append(in_a_process(path, order, None))
            if LMPLZ:
                trainings["lmplz"].append(train_kenlm(path, order))
        trainings["lmzoo in 1 GiB"].append(in_a_process(path, order, 1 << 30))
        tokens = trainings["lmzoo"][0]["tokens"]
        print(f"\n{corpus}, order {order}: {tokens:,} tokens, {trainings['lmzoo'][0]['ngrams']:,} n-grams")
        for who, rows in trainings.items():
            if rows:
                print_training(who, rows, tokens, trainings["lmplz"])
        scored = scoring(corpus, order, folder)
    print_scoring(scored)
    return {"training": trainings, "scoring": scored}


def print_training(who: str, rows: list[dict[str, Any]], tokens: int, theirs: list[dict[str, Any]]) -> None:
    cpu = [row["cpu"] for row in rows]
    middle, wall = statistics.median(cpu), statistics.median(row["seconds"] for row in rows)
    spread = f"{middle:6.2f} s of CPU ({min(cpu):.2f} to {max(cpu):.2f}), {wall:.1f} s of time"
    versus = ""
    if theirs:
        times = [ours / row["cpu"] for ours, row in zip(cpu, theirs, strict=False)]  # of processes that ran in turns
        versus = f"{statistics.median(times):5.2f} x lmplz"
    peak = max(row["peak"] for row in rows) / 2**20
    parts = ("start", "imports", "read", "fit", "save")
    apart = ", ".join(f"{part} {statistics.median(row[part] for row in rows):.2f}" for part in parts if part in rows[0])
    print(f"  train  {who:15} {spread}, {tokens / middle:,.0f} tokens/s  {peak:6,.0f} MiB {versus}  {apart}")


def print_scoring(figures: dict[str, Any]) -> None:
    kenlm = (
        f"; kenlm.score, from text, {figures['kenlm']:,.0f}: {figures['ours_from_text'] / figures['kenlm']:.2f} x"
        if "kenlm" in figures
        else ""
    )
    print(
        f"  score  {figures['ours']:,.0f} tokens/s from ids, {figures['ours_from_text']:,.0f} from text{kenlm}; "
        f"perplexity {figures['perplexity']:.3f}"
    )
    if "largest_difference" in figures:
        print(f"         single scores differ by at most {figures['largest_difference']:.1e} in log10")
    print(
        f"  1,000 samples {figures['first_sample_1000']:.3f} s the first time, then {figures['sample_1000']:.3f} s; "
        f"looking at all words {figures['sample_1000_all_words']:.2f} s"
    )
    print(
        f"  next_log_probs {figures['next_log_probs'] * 1e3:.3f} ms, load {figures['load']:.2f} s, "
        f"{figures['bytes'] / 1e6:,.1f} MB on disk"
        + (f" (KenLM's probing binary: {figures['kenlm_bytes'] / 1e6:,.1f} MB)" if "kenlm_bytes" in figures else "")
    )


if __name__ == "__main__":
    main()
