"""The training of networks on a CPU beside others' programs: processor seconds of one thread, in turns, in one run.

    NANOGPT=path/to/nanoGPT python benchmarks/neural.py step [--batches 12 48] [--ways float32 …] [--rounds 10] [--save]
    python benchmarks/neural.py muon [--rounds 10] [--save]
    python benchmarks/neural.py softmax [--tokens 300000] [--save]

step     The step of lmzoo's trainer beside the one of nanoGPT's train.py (float32, not compiled, as its README says for
         a CPU: AdamW, gradient clipping, random windows from a memory-mapped file), the same model: 4 layers × 128, 4
         heads, exact GELU, a window of 64 characters of Tiny Shakespeare, no dropout.
muon     A step of lmzoo's Muon beside PyTorch's on the same matrices and gradients, each gate and projection by itself.
softmax  Words of WikiText-2: lmzoo's LSTM, 2 × 200 with an adaptive softmax, beside one of the same size with a dense
         softmax, trained as pytorch/examples' word_language_model is (SGD at 20, clipping at 0.25, dropout 0.2, batch
         20, window 35; PyTorch's own modules, that program's numbers): tokens a second, and the perplexity of the
         first 5,000 words of the validation text after as many tokens.

Processor time is what a busy machine leaves to compare; what it cost to compile is beside it, child processes included.
"""

import argparse
import contextlib
import copy
import importlib.util
import math
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from torch import nn
from torch.nn.functional import cross_entropy, dropout

from lmzoo import models
from lmzoo.data import corpus, tokenizers
from lmzoo.interface import Data, Run
from lmzoo.neural import device as _device
from lmzoo.neural.training import optimizers
from lmzoo.neural.training.trainer import Trainer
from lmzoo.runs import provenance

LAYERS, HEADS, WIDTH, WINDOW = 4, 4, 128, 64
WAYS = ("float32", "bfloat16", "bfloat16 compiled")
# nanoGPT's model in lmzoo's settings: GPT-2's form without biases, with GELU itself.
SAME: dict[str, Any] = {
    "layers": LAYERS, "heads": HEADS, "width": WIDTH, "window": WINDOW, "dropout": 0.0, "bias": False,
    "exact_gelu": True,
}  # fmt: skip
WORDS: dict[str, Any] = {
    "layers": 2, "hidden": 200, "embedding": 200, "dropout": 0.2, "dropout_between": 0.2, "dropout_inputs": 0.2,
    "batch": 20, "window": 35, "weight_decay": 0.01, "learning_rate": 3e-3,
}  # fmt: skip
VALIDATION_WORDS = 5000


def ids_of(name: str) -> tuple[Any, Any, int]:
    """The ids of a corpus's training and validation text, and the vocabulary's size."""
    source = corpus.load(name)
    tokenizer = tokenizers.train(source.tokenizer, source.train)
    return tokenizer.encode(source.train), tokenizer.encode(source.valid), tokenizer.vocab_size


def processor_seconds() -> float:
    """Of this process and of those that it waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def in_turns(steps: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Processor milliseconds of each step, in each round."""
    taken: dict[str, list[float]] = {label: [] for label in steps}
    for _ in range(rounds):
        for label, step in steps.items():
            began = time.process_time()
            step()
            taken[label].append(1e3 * (time.process_time() - began))
    return taken


def table(title: str, taken: dict[str, list[float]], peer: str, **facts: Any) -> list[dict[str, Any]]:
    """Medians, and how many times as fast as the peer each is; printed too."""
    base, rows = statistics.median(taken[peer]), []
    for label, values in taken.items():
        middle = statistics.median(values)
        rows.append(
            {"what": title, "who": label, "cpu_ms": middle, "least": min(values), "ratio": base / middle, **facts}
        )
        print(f"{title:24} {label:26} {middle:7.1f} ms (at best {min(values):.1f}) × {base / middle:.2f}", flush=True)
    return rows


# ── A step beside nanoGPT's ───────────────────────────────────────────────────────────────────────


def nanogpt_step(ids: Any, vocab_size: int, batch: int) -> Callable[[], None]:
    """The body of the loop in nanoGPT's train.py, with the settings of its README's CPU recipe."""
    place = Path(os.environ["NANOGPT"]) / "model.py"
    spec = importlib.util.spec_from_file_location("nanogpt_model", place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with contextlib.redirect_stdout(None):
        config = module.GPTConfig(
            block_size=WINDOW, vocab_size=vocab_size, n_layer=LAYERS, n_head=HEADS, n_embd=WIDTH, dropout=0.0,
            bias=False,
        )  # fmt: skip
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


def trainer(name: str, settings: dict[str, Any], ids: Any, vocab_size: int, way: str = "auto") -> Trainer:
    """lmzoo's trainer before its first step; `way` is a precision, and whether to compile."""
    model: Any = models.find(name).from_config(settings)
    precision, _, compiled = way.partition(" ")
    run = Run(seconds=1e9, precision=precision, compile="yes" if compiled else "no", device="cpu")
    module = model.build(vocab_size).train()
    return Trainer(model, module, Data.of(ids, ids[:0], vocab_size), run, _device.choose(run, model.width, False))


def measure_step(options: argparse.Namespace) -> list[dict[str, Any]]:
    """nanoGPT's step and ours, at each batch."""
    ids, _, vocab_size = ids_of("shakespeare")
    rows = []
    for batch in options.batches:
        steps: dict[str, Callable[[], Any]] = {"nanoGPT": nanogpt_step(ids, vocab_size, batch)}
        for way in options.ways:
            steps[f"lmzoo {way}"] = trainer("gpt", {**SAME, "batch": batch}, ids, vocab_size, way).step
        for label, step in steps.items():
            began = processor_seconds()
            for _ in range(3):
                step()
            print(f"{label}: the first three steps took {processor_seconds() - began:.1f} processor seconds")
        rows += table(f"step of {batch} × {WINDOW}", in_turns(steps, options.rounds), "nanoGPT")
    return rows


# ── Muon ──────────────────────────────────────────────────────────────────────────────────────────


def measure_muon(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Ours and PyTorch's, for the models that have it by default."""
    ids, _, vocab_size = ids_of("shakespeare")
    rows = []
    for name in ("lstm", "speedrun"):
        ours = trainer(name, {}, ids, vocab_size)
        ours.loss_of(ours.batches.parts(0, 1)[0], ours.module.initial_state(ours.training.batch)).total.backward()
        muon = next(one for one in ours.optimizers if isinstance(one, optimizers.FusedMuon))
        alone = []
        for weight, sizes in zip(muon.param_groups[0]["params"], muon.rows, strict=True):
            for part, gradient in zip(
                copy.deepcopy(weight.detach()).split(sizes), weight.grad.split(sizes), strict=True
            ):
                alone.append(nn.Parameter(part))
                alone[-1].grad = gradient.clone()
        theirs = torch.optim.Muon(alone, ours.training.matrix_rate, adjust_lr_fn="match_rms_adamw")
        steps = {"one matrix at a time": theirs.step, "one shape at a time": muon.step}
        rows += table(f"Muon of {name}", in_turns(steps, options.rounds), "one matrix at a time", matrices=len(alone))
    return rows


# ── A softmax over 33,278 words ───────────────────────────────────────────────────────────────────


class Dense(nn.Module):
    """Embedding, two LSTM layers and a dense softmax, as word_language_model has them."""

    def __init__(self, vocab_size: int, size: int = 200, p: float = 0.2):
        super().__init__()
        self.p, self.embedding = p, nn.Embedding(vocab_size, size)
        self.lstm, self.output = nn.LSTM(size, size, 2, dropout=p, batch_first=True), nn.Linear(size, vocab_size)
        for table_of in (self.embedding, self.output):
            nn.init.uniform_(table_of.weight, -0.1, 0.1)
        nn.init.zeros_(self.output.bias)

    def forward(self, ids: torch.Tensor, state: Any) -> Any:
        """Logits (B, T, V) and the state after ids (B, T)."""
        hidden, state = self.lstm(dropout(self.embedding(ids), self.p, self.training), state)
        return self.output(dropout(hidden, self.p, self.training)), tuple(part.detach() for part in state)


def train_dense(ids: Any, vocab_size: int, tokens: int, batch: int = 20, window: int = 35) -> Dense:
    """By plain gradient descent at 20, over `tokens` tokens."""
    net, state = Dense(vocab_size).train(), None
    rows = torch.from_numpy(ids[: len(ids) // batch * batch].astype(np.int64)).view(batch, -1)
    for i in range(0, tokens // batch - window, window):
        logits, state = net(rows[:, i : i + window], state)
        net.zero_grad()
        cross_entropy(logits.flatten(0, 1), rows[:, i + 1 : i + 1 + window].flatten()).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.25)
        with torch.no_grad():
            for weight in net.parameters():
                weight.add_(weight.grad, alpha=-20)
    return net.eval()


@torch.no_grad()
def nats(net: Dense, ids: Any) -> float:
    """Mean of a text, a window at a time."""
    text, state, total = torch.from_numpy(ids.astype(np.int64))[None], None, 0.0
    for i in range(0, len(ids) - 1, 500):
        logits, state = net(text[:, i : i + 500][:, : len(ids) - 1 - i], state)
        total += float(cross_entropy(logits[0], text[0, i + 1 : i + 501], reduction="sum"))
    return total / (len(ids) - 1)


def measure_softmax(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Tokens a second and perplexity after the same number of tokens, each net in a process of its own."""
    ids, valid, vocab_size = ids_of("wikitext2")
    read = np.append(vocab_size - 1, valid[:VALIDATION_WORDS])
    whos = ["word_language_model", "lmzoo, adaptive", "lmzoo, full"]
    with multiprocessing.get_context("fork").Pool(len(whos)) as pool:
        taken = pool.starmap(train_words, [(who, ids, read, vocab_size, options.tokens) for who in whos])
    rows = []
    for who, (seconds, loss) in zip(whos, taken, strict=True):
        rows.append({"what": "softmax", "who": who, "tokens": options.tokens, "cpu_seconds": seconds})
        rows[-1] |= {"ratio": taken[0][0] / seconds, "perplexity": math.exp(loss)}
        rate = options.tokens / seconds
        print(f"{who:20} {rate:8,.0f} tokens/s × {taken[0][0] / seconds:.2f}, perplexity {math.exp(loss):,.0f}")
    return rows


def train_words(who: str, ids: Any, read: Any, vocab_size: int, tokens: int) -> tuple[float, float]:
    """Processor seconds of training, and the nats per word of `read` afterwards, whose first word is not scored."""
    torch.set_num_threads(1)
    began = time.process_time()
    if not who.startswith("lmzoo"):
        net = train_dense(ids, vocab_size, tokens)
        return time.process_time() - began, nats(net, read)
    model: Any = models.find("lstm").from_config({**WORDS, "softmax": who.split()[1]})
    model.fit(Data.of(ids, ids[:0], vocab_size), Run(tokens=tokens, device="cpu"))
    return time.process_time() - began, -float(model.log_probs(read[1:])[0].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=("step", "muon", "softmax"))
    parser.add_argument("--batches", type=int, nargs="+", default=[12, 48], help="of the step")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=300_000)
    parser.add_argument("--save", action="store_true", help="write results/DATE-neural-PART.json")
    options = parser.parse_args()
    if options.part == "step" and not os.environ.get("NANOGPT"):
        parser.error("NANOGPT must say where a checkout of nanoGPT is")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    measure = {"step": measure_step, "muon": measure_muon, "softmax": measure_softmax}[options.part]
    results = {**provenance.provenance(), "threads": 1, "rows": measure(options), "load": os.getloadavg()}
    if options.save:
        record.save(f"neural-{options.part}", results)


if __name__ == "__main__":
    main()
