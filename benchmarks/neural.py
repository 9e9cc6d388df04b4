"""A training step of lmzoo's gpt beside nanoGPT's, in one run on one machine: tokens a second of the same model.

    NANOGPT=path/to/nanoGPT python benchmarks/neural.py [--batches 12 48] [--seconds 20] [--rounds 3] [--save]

The model is the one of nanoGPT's README for a CPU: 4 layers × 128, 4 heads, a window of 64 characters of Tiny
Shakespeare, no dropout. nanoGPT takes the step of its train.py (float32, not compiled, as that README says: AdamW,
gradient clipping, random windows from a memory-mapped file). lmzoo takes the step of its trainer, which reads its
batch, steps and clips too, plain and compiled and in both precisions. The two take turns. Compilation is not in the
figures: its seconds are printed beside them.
"""

import argparse
import contextlib
import datetime
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

LAYERS, HEADS, WIDTH, WINDOW = 4, 4, 128, 64
WAYS = [(precision, compiled) for precision in ("float32", "bfloat16") for compiled in ("no", "yes")]


def text() -> tuple[Any, int]:
    """Tiny Shakespeare's training part as character ids, and the vocabulary's size."""
    from lmzoo.data import corpus, tokenizers

    source = corpus.load("shakespeare")
    tokenizer = tokenizers.train("char", source.train)
    return tokenizer.encode(source.train), tokenizer.vocab_size


def nanogpt_step(ids: Any, vocab_size: int, batch: int) -> Callable[[], None]:
    """The body of the loop in nanoGPT's train.py, with the settings of its README's CPU recipe."""
    place = Path(os.environ["NANOGPT"]) / "model.py"
    spec = importlib.util.spec_from_file_location("nanogpt_model", place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with contextlib.redirect_stdout(None):
        config = module.GPTConfig(
            block_size=WINDOW,
            vocab_size=vocab_size,
            n_layer=LAYERS,
            n_head=HEADS,
            n_embd=WIDTH,
            dropout=0.0,
            bias=False,
        )
        model = module.GPT(config).train()
        optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), "cpu")
    data = ids.astype(np.uint16)

    def get_batch() -> tuple[torch.Tensor, torch.Tensor]:
        starts = torch.randint(len(data) - WINDOW, (batch,))
        x = torch.stack([torch.from_numpy(data[i : i + WINDOW].astype(np.int64)) for i in starts])
        y = torch.stack([torch.from_numpy(data[i + 1 : i + 1 + WINDOW].astype(np.int64)) for i in starts])
        return x, y

    def step() -> None:
        _, loss = model(*get_batch())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    return step


def our_step(ids: Any, vocab_size: int, batch: int, precision: str, compiled: str) -> Callable[[], None]:
    """The step of lmzoo's trainer on the same model."""
    from lmzoo.interface import Data, Run
    from lmzoo.models.gpt import GPT
    from lmzoo.neural import device as _device
    from lmzoo.neural.training.trainer import Trainer

    model = GPT.from_config({**GPT.PRESETS["gpt-nano"], **SAME, "batch": batch})
    run = Run(seconds=1e9, precision=precision, compile=compiled, device="cpu")
    compute = _device.choose(run, model.width, False)
    module = model.build(vocab_size).train()
    return Trainer(model, module, Data.of(ids, ids[:0], vocab_size), run, compute).step


# nanoGPT's model in lmzoo's settings: GPT-2's form without biases.
SAME: dict[str, Any] = {
    "layers": LAYERS,
    "heads": HEADS,
    "width": WIDTH,
    "window": WINDOW,
    "dropout": 0.0,
    "bias": False,
}


def rate(step: Callable[[], None], seconds: float, tokens: int) -> float:
    """Tokens a second over that long."""
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step()
        done += tokens
    return done / (time.perf_counter() - began)


def measure(batch: int, seconds: float, rounds: int) -> dict[str, Any]:
    ids, vocab_size = text()
    steps = {"nanoGPT": nanogpt_step(ids, vocab_size, batch)}
    first = {}
    for precision, compiled in WAYS:
        label = f"lmzoo {precision}{' compiled' if compiled == 'yes' else ''}"
        steps[label] = our_step(ids, vocab_size, batch, precision, compiled)
    for label, step in steps.items():
        began = time.perf_counter()
        for _ in range(3):
            step()
        first[label] = time.perf_counter() - began
    rates: dict[str, list[float]] = {label: [] for label in steps}
    for _ in range(rounds):
        for label, step in steps.items():
            rates[label].append(rate(step, seconds, batch * WINDOW))
    peer = statistics.median(rates["nanoGPT"])
    rows = [
        {
            "who": label,
            "tokens_per_second": statistics.median(measured),
            "lowest": min(measured),
            "highest": max(measured),
            "ratio": statistics.median(measured) / peer,
            "first_three_steps_seconds": first[label],
        }
        for label, measured in rates.items()
    ]
    return {"batch": batch, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[12, 48])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="write results/DATE-neural.json")
    options = parser.parse_args()
    if not os.environ.get("NANOGPT"):
        parser.error("NANOGPT must say where a checkout of nanoGPT is")
    from lmzoo.runs import provenance

    results = {**provenance.provenance(), "measured": []}
    for batch in options.batches:
        measured = measure(batch, options.seconds, options.rounds)
        results["measured"].append(measured)
        for row in measured["rows"]:
            print(
                f"batch {batch:3} {row['who']:26} {row['tokens_per_second']:9,.0f} tokens/s "
                f"({row['lowest']:,.0f}–{row['highest']:,.0f}) ×{row['ratio']:.2f}  "
                f"first 3 steps {row['first_three_steps_seconds']:.1f} s"
            )
    if options.save:
        day = datetime.datetime.now(datetime.UTC).date()
        place = Path(__file__).parent / "results" / f"{day}-neural.json"
        place.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
