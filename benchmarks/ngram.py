"""The n-gram beside KenLM: seconds and memory to train, tokens a second to score, and whether they agree.

    python benchmarks/ngram.py [CORPUS ...] [--order 5] [--runs 3]

Every training is a process of its own (text in memory → model in memory for lmzoo; text file → ARPA for lmplz, so
lmplz also writes a file), with its peak memory from the operating system. KenLM's `lmplz` is taken from the PATH or
from LMPLZ; without it only our own rows are printed. The ratio is what counts: both ran in turns on this machine.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LMPLZ = os.environ.get("LMPLZ") or shutil.which("lmplz")


def ours(corpus: str, order: int) -> None:
    """Train and score in this process; print one JSON line."""
    from lmzoo import corpus as corpora
    from lmzoo import tokenizer
    from lmzoo.evaluate import evaluate
    from lmzoo.models.ngram import Ngram

    text = corpora.load(corpus)
    began = time.perf_counter()
    made = tokenizer.train("split" if text.lines else text.tokenizer, text.train, text.lines)
    train = made.encode(text.train)
    encoded = time.perf_counter()
    model = Ngram(order=order)
    model.warm_up()
    warm = time.perf_counter()
    model.fit(train, train[:0], made.vocab_size)
    fitted = time.perf_counter()
    score = evaluate(model, made, text.test, text.protocol)
    print(
        json.dumps(
            {
                "tokens": len(train),
                "encode": encoded - began,
                "fit": fitted - warm,
                "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "score_rate": score.tokens_per_second,
                "perplexity": score.perplexity_per_token,
                "ngrams": model.size()[0],
            }
        )
    )


def kenlm(text: Path, order: int) -> tuple[float, int]:
    """Seconds and peak bytes of lmplz from text to ARPA."""
    assert LMPLZ
    with text.open("rb") as source:
        began = time.perf_counter()
        process = subprocess.Popen(
            [LMPLZ, "-o", str(order), "-S", "1G", "--discount_fallback", "-T", str(text.parent)],
            stdin=source,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("lmplz failed")
    return time.perf_counter() - began, usage.ru_maxrss * 1024


def kenlm_text(corpus: str, folder: Path) -> Path:
    """The training text as lmplz takes it: <unk> is KenLM's own word, so ours is renamed."""
    from lmzoo import corpus as corpora

    path = folder / "train.txt"
    path.write_text(corpora.load(corpus).train.replace("<unk>", "xxunkxx"), encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="*", default=["ptb", "wikitext2"])
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        return ours(arguments.corpora[0], arguments.order)
    print(f"{'corpus':10} {'tokens':>11} {'':6} {'fit s (min-max)':>20} {'tokens/s':>11} {'peak MB':>8} {'ratio':>6}")
    for corpus in arguments.corpora:
        with tempfile.TemporaryDirectory() as folder:
            text = kenlm_text(corpus, Path(folder)) if LMPLZ else None
            mine, theirs = [], []
            for _ in range(arguments.runs):
                command = [sys.executable, __file__, corpus, "--order", str(arguments.order), "--ours"]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                mine.append(json.loads(done.stdout))
                if text:
                    theirs.append(kenlm(text, arguments.order))
        tokens = mine[0]["tokens"]
        fits = [run["fit"] + run["encode"] for run in mine]
        fit = statistics.median(fits)
        row("lmzoo", corpus, tokens, fits, max(run["rss"] for run in mine))
        if theirs:
            seconds = [run[0] for run in theirs]
            row("lmplz", corpus, tokens, seconds, max(run[1] for run in theirs), statistics.median(seconds) / fit)
        rates = [run["score_rate"] for run in mine]
        print(f"{'':10} scoring {statistics.median(rates):,.0f} tokens/s, test perplexity {mine[0]['perplexity']:.3f}")
    return None


def row(who: str, corpus: str, tokens: int, seconds: list[float], rss: int, ratio: float | None = None) -> None:
    middle = statistics.median(seconds)
    spread = f"{middle:.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
    versus = f"{ratio:.2f}x" if ratio else ""
    print(f"{corpus:10} {tokens:11,} {who:6} {spread:>20} {tokens / middle:11,.0f} {rss / 1e6:8,.0f} {versus:>6}")


if __name__ == "__main__":
    main()
