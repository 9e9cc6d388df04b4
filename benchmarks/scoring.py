"""What networks take to score a text and to generate one, beside the plain way to do both, in turns, in one run.

    python benchmarks/scoring.py [RUN …] [--tokens 40000] [--write 300] [--rounds 3] [--save]

The models are the default `lstm` and `gpt` with their first weights, which take as long as others but prove nothing of
exactness, and RUNs trained on Tiny Shakespeare. The plain way reads a long text in order, in a batch of one
(`Model.exactly`), and takes each token that is generated through PyTorch's layers. Rates are tokens per second of CPU
time with one thread, which other processes change less than the time on the clock; the load is printed and saved.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch

from lmzoo.data import corpus, tokenizers
from lmzoo.evaluation.generation import generate
from lmzoo.models.gpt import GPT
from lmzoo.models.lstm import LSTM
from lmzoo.neural import recurrent
from lmzoo.runs import provenance, store


def models(runs: list[str], source: Any) -> dict[str, tuple[Any, Any]]:
    """The models by name, with their ids of the validation and test text."""
    text = source.valid + source.test
    tokenizer = tokenizers.train("char", source.train)
    found = {}
    for cls in (LSTM, GPT):
        torch.manual_seed(0)
        model = cls()
        model = model.holding(model.build(tokenizer.vocab_size).eval(), tokenizer.vocab_size)
        found[f"{model.name}, first weights"] = model, tokenizer.encode(text)
    for run in runs:
        text_model = store.load(Path(run))
        found[Path(run).name] = text_model.model, text_model.tokenizer.encode(text)
    return found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns, and its CPU seconds."""
    began = time.process_time()
    return work(), time.process_time() - began


def layers_alone(work: Callable[[], Any]) -> Any:
    """`work` without the LSTM's cell for a single token."""
    original = recurrent._one_token
    recurrent._one_token = lambda *_: False
    try:
        return work()
    finally:
        recurrent._one_token = original


def measure(model: Any, ids: Any, written: int, rounds: int) -> dict[str, Any]:
    exact = copy(model).exactly()
    seconds: dict[str, list[float]] = {"scored": [], "scored exactly": [], "written": [], "written plainly": []}
    for _ in range(rounds):
        (scores, _), took = timed(lambda: model.log_probs(ids))
        seconds["scored"].append(took)
        (expected, _), took = timed(lambda: exact.log_probs(ids))
        seconds["scored exactly"].append(took)
        ours, took = timed(lambda: list(generate(model, ids[:20], written)))
        seconds["written"].append(took)
        theirs, took = timed(lambda: layers_alone(lambda: list(generate(exact, ids[:20], written))))
        seconds["written plainly"].append(took)
    rates = {
        what: (len(ids) if "scored" in what else written) / statistics.median(took) for what, took in seconds.items()
    }
    return {
        "tokens_per_cpu_second": rates,
        "scoring_ratio": rates["scored"] / rates["scored exactly"],
        "generating_ratio": rates["written"] / rates["written plainly"],
        "largest_difference_nats": float(np.abs(scores - expected).max()),
        "relative_difference_of_bits": abs(float(scores.sum() / expected.sum()) - 1),
        "same_text": ours == theirs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--tokens", type=int, default=40_000)
    parser.add_argument("--write", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="write results/DATE-scoring.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {**provenance.provenance(), "load": os.getloadavg(), "tokens": options.tokens}
    results["measured"] = {}
    for name, (model, ids) in models(options.runs, corpus.load("shakespeare")).items():
        row = measure(model, ids[: options.tokens], options.write, options.rounds)
        results["measured"][name] = row
        rates = row["tokens_per_cpu_second"]
        difference, same = row["relative_difference_of_bits"], "the same" if row["same_text"] else "ANOTHER"
        print(name)
        print(f"  scores {rates['scored']:,.0f} tokens per CPU-second, exactly {rates['scored exactly']:,.0f}: "
              f"×{row['scoring_ratio']:.2f}, bits differ by {difference:.0e}")  # fmt: skip
        print(f"  writes {rates['written']:,.0f}, plainly {rates['written plainly']:,.0f}: "
              f"×{row['generating_ratio']:.2f}, {same} text", flush=True)  # fmt: skip
    print("load:", *(f"{load:.1f}" for load in results["load"]))
    if options.save:
        record.save("scoring", results)


if __name__ == "__main__":
    main()
