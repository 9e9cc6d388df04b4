"""Everything that wants a CUDA GPU, in one call of under nine minutes that leaves one JSON.

    [NANOGPT=path/to/nanoGPT] python benchmarks/gpu.py [--out results.json] [--mirror FOLDER]

    agreement   every network's log-probabilities on the CPU and on the GPU, and in bf16
    gpt2        the training step of GPT-2 (124M) in bf16: tokens a second, MFU of the matrix rate measured there
    lstm        the training step of an LSTM beside cuDNN's own (`torch.nn.LSTM`, forward and backward, no trainer)
    sharded     FSDP on this one device: losses and a resumed checkpoint as without it, its step beside the plain one
    race        loss against the clock, GPT-2 (124M) in bf16 on byte pairs of the corpus, and nanoGPT's if it is named,
                and the tokens a second of both at nanoGPT's batch of 12
    rates       tokens a second that GPT-2 (124M) and the default LSTM score and generate
    awd         AWD-LSTM on the Penn Treebank, whose paper has 57.3 after days: how far it comes in its minute or two
    books       `speedrun` trained on characters of `books` (or the corpus named) for some minutes: bits per character
    profile     where the time of a GPT-2 step goes, by kernel
    associations  GloVe's epochs, and texts scored through the predictor, on the GPU beside this machine's CPU

The last two train for what is left of `--limit` minutes. A part that fails leaves its error in its place and the others
stand. `--rehearse` does all of it on the CPU with tiny
models: it shows that the parts work, and its figures say nothing.
"""

import argparse
import contextlib
import gc
import importlib.util
import json
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data

NETWORKS = ("mlp", "rnn", "lstm", "gpt", "llama", "speedrun")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--corpus", default="books", help="for the character transformer; storyworld is always there")
    parser.add_argument("--mirror", default=os.environ.get("LMZOO_MIRROR"), help="folder that corpora are taken from")
    parser.add_argument("--minutes", type=float, default=5, help="training time of the character transformer, at most")
    parser.add_argument("--limit", type=float, default=8.7, help="minutes that all takes")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, tiny: do the parts work?")
    options = parser.parse_args()
    if not options.rehearse and not torch.cuda.is_available():
        parser.error("this machine has no CUDA device; --rehearse tries the parts on the CPU")
    from lmzoo.runs import provenance

    device, end = "cpu" if options.rehearse else "cuda", time.perf_counter() + 60 * options.limit
    results: dict[str, Any] = {**provenance.provenance(), "rehearsal": options.rehearse, "torch": torch.__version__}
    if not options.rehearse:
        results["gpu"] = torch.cuda.get_device_name()
    parts: dict[str, Callable[[], Any]] = {
        "agreement": lambda: agreement(device),
        "gpt2": lambda: gpt2_step(device, options.rehearse),
        "lstm": lambda: lstm_step(device, options.rehearse),
        "profile": lambda: profile(device, options.rehearse),
        "associations": lambda: associations(device, options.rehearse),
        "sharded": lambda: sharded(device, options.rehearse),
        "rates": lambda: rates(device, options.rehearse),
        "race": lambda: race(device, options),
        # Compiling, scoring and the other part take their time too.
        "awd": lambda: awd(device, options, 0.4 * (end - time.perf_counter()) - 25),
        "books": lambda: books(device, options, end - time.perf_counter() - 50),
    }
    for name, part in parts.items():
        began = time.perf_counter()
        try:
            results[name] = part()
        except Exception as error:  # the other figures are worth having
            results[name] = {"error": f"{type(error).__name__}: {error}", "where": traceback.format_exc(limit=-3)}
        _forget(device)
        results[name] |= {"seconds": round(time.perf_counter() - began, 1)}
        print(name, json.dumps(results[name], indent=1)[:3000], flush=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def agreement(device: str) -> dict[str, Any]:
    """The largest difference, in nats, of single log-probabilities between the CPU and `device`, for each network."""
    from lmzoo import models, testing
    from lmzoo.interface import Run

    train, valid, text = (testing.practice_text(n, seed) for n, seed in ((3000, 0), (500, 1), (600, 2)))
    found = {}
    for name in NETWORKS:
        cls = models.find(name)
        model = cls.from_config(models.presets(cls)["tiny"]).fit(
            Data.of(train, valid, testing.VOCAB_SIZE), Run(steps=40, device=device)
        )
        there = model.log_probs(text)[0]
        stepping = testing.scoring_equals_stepping(model)
        with torch.autocast(device, torch.bfloat16):
            bf16 = model.log_probs(text)[0]
        here = model.to("cpu").log_probs(text)[0]
        found[name] = {
            "float32": float(np.abs(there - here).max()),
            "bfloat16": float(np.abs(bf16 - here).max()),
            "scoring_equals_stepping": stepping or "yes",
        }
    for name, row in found.items():  # once all are measured: one that fails does not hide the others
        assert row["scoring_equals_stepping"] == "yes", f"{name}: {row}"
        assert row["float32"] < 1e-4, f"{name}: {row}"
        assert row["bfloat16"] < 0.3, f"{name}: {row}"
    return found


def _trainer(name: str, settings: dict[str, Any], vocab_size: int, device: str, ids: Any = None, **how: Any) -> Any:
    from lmzoo import models
    from lmzoo.interface import Run
    from lmzoo.neural import device as _device
    from lmzoo.neural.training.trainer import Trainer

    model: Any = models.find(name).from_config(settings)
    run = Run(seconds=1e9, device=device, compile="no" if device == "cpu" else "auto")  # a rehearsal needs no kernels
    run = replace(run, **how)
    torch.manual_seed(0)
    compute = _device.choose(run, model.width, model.compile_pays(run))
    module = model.build(vocab_size).to(compute.device).train()
    if ids is None:
        ids = np.random.default_rng(0).integers(vocab_size, size=4_000_000).astype(np.int32)
    return Trainer(model, module, Data.of(ids, ids[:0], vocab_size), run, compute)


def _timed(step: Callable[[], None], device: str, seconds: float) -> float:
    """Seconds that one step takes, once it is compiled and captured."""
    for _ in range(6):
        step()
    _wait(device)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for _ in range(5):
            step()
        _wait(device)
        steps += 5
    return (time.perf_counter() - began) / steps


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _forget(device: str) -> None:
    """Free what trainers that are gone have on the GPU."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def gpt2_step(device: str, rehearse: bool) -> dict[str, Any]:
    """Tokens a second of GPT-2's step in bf16, by batch, and MFU: of the measured rate of an 8,192 × 8,192 product."""
    rows = []
    for batch in (2,) if rehearse else (16, 32):
        from lmzoo import models

        preset = models.presets(models.find("gpt"))["tiny" if rehearse else "gpt2"]
        trainer = _trainer("gpt", {**preset, "batch": batch}, 300 if rehearse else 50257, device)
        window = trainer.training.window
        with trainer.compute.training_precision():
            seconds = _timed(trainer.step, device, 0.1 if rehearse else 6)
        tokens = batch * window / seconds
        flops = tokens * trainer.module.flops(window)
        row = {"batch": batch, "window": window, "tokens_per_second": tokens, "flops_per_second": flops}
        if trainer.peak_flops:
            row |= {"matrix_rate": trainer.peak_flops, "mfu": flops / trainer.peak_flops}
            row["gib"] = torch.cuda.max_memory_allocated() / 2**30
        rows.append(row | {"compiled": trainer.compute.compiled, "bf16": trainer.compute.bf16})
        del trainer
        _forget(device)
    return {"rows": rows}


def lstm_step(device: str, rehearse: bool) -> dict[str, Any]:
    """Tokens a second of the LSTM's training step beside cuDNN's forward and backward on the same shapes, in TF32."""
    hidden, batch, window, vocab_size = (16, 4, 8, 50) if rehearse else (1024, 64, 128, 256)
    sizes = {"layers": 2, "hidden": hidden, "embedding": hidden, "batch": batch, "window": window, "dropout": 0.0}
    trainer = _trainer("lstm", sizes | {"optimizer": "adamw"}, vocab_size, device)
    net = torch.nn.LSTM(hidden, hidden, 2, batch_first=True, device=device)
    x = torch.randn(batch, window, hidden, device=device)

    def bare() -> None:
        net(x)[0].sum().backward()
        net.zero_grad()

    with trainer.compute.training_precision():
        ours = batch * window / _timed(trainer.step, device, 0.1 if rehearse else 5)
        cudnn = batch * window / _timed(bare, device, 0.1 if rehearse else 5)
    return {"sizes": sizes, "ours_tokens_per_second": ours, "bare_tokens_per_second": cudnn, "ratio": ours / cudnn}


def profile(device: str, rehearse: bool) -> dict[str, Any]:
    """The kernels that take the most time in five steps of GPT-2 (124M)."""
    from torch.profiler import ProfilerActivity

    from lmzoo import models

    preset = models.presets(models.find("gpt"))["tiny" if rehearse else "gpt2"]
    trainer = _trainer("gpt", {**preset, "batch": 2 if rehearse else 16}, 300 if rehearse else 50257, device)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    with trainer.compute.training_precision():
        milliseconds = 1000 * _timed(trainer.step, device, 0.1 if rehearse else 3)
        with torch.profiler.profile(activities=activities) as seen:
            for _ in range(5):
                trainer.step()
            _wait(device)
    key = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    events = sorted(seen.key_averages(), key=lambda event: -getattr(event, key))
    if device == "cuda":  # of kernels alone: an operator has its kernels' time too, and both would count it
        events = [e for e in events if e.device_type == torch.autograd.DeviceType.CUDA and not e.is_user_annotation]
    total = sum(getattr(event, key) for event in events)
    top = [{"name": e.key[:100], "share": getattr(e, key) / total, "calls": e.count} for e in events[:20]]
    launches = sum(event.count for event in events) / 5
    return {"step_ms": milliseconds, "kernels_ms": total / 5000, "kernels_per_step": launches, "top": top}


def associations(device: str, rehearse: bool) -> dict[str, Any]:
    """Tokens a second through the predictor over 30,000 words on `device`; seconds of GloVe there and on the CPU."""
    from lmzoo import testing
    from lmzoo.embeddings.gpu import OnDevice
    from lmzoo.interface import Run
    from lmzoo.models.glove import GloVe
    from lmzoo.models.svd import SVD

    vocab_size, dimensions, tokens = (300, 8, 2_000) if rehearse else (30_000, 300, 2_000_000)
    dice = np.random.default_rng(0)
    base = np.log(dice.dirichlet(np.ones(vocab_size))).astype(np.float32)
    left, right = (dice.normal(0, 0.3, (vocab_size, dimensions)).astype(np.float32) for _ in range(2))
    there = OnDevice(base, np.full(5, 0.5), left, right, device)
    contexts = dice.integers(-1, vocab_size, (tokens, 5)).astype(np.int32)
    wanted = dice.integers(0, vocab_size, tokens).astype(np.int32)
    there.log_probs(contexts[:1000], wanted[:1000])
    began = time.perf_counter()
    there.log_probs(contexts, wanted)
    found: dict[str, Any] = {"predictor_tokens_per_second": tokens / (time.perf_counter() - began)}

    train, valid = testing.practice_text(3000), testing.practice_text(500, seed=1)
    model = SVD(dimensions=5, min_count=1).fit(Data.of(train, valid, testing.VOCAB_SIZE))
    here = model.log_probs(valid)[0]
    model._on_device = model._moved(device)
    found["largest_difference"] = float(np.abs(model.log_probs(valid)[0] - here).max())
    assert found["largest_difference"] < 5e-3, found

    GloVe().warm_up()  # its loops are compiled before either clock starts
    text = (dice.zipf(1.3, 20_000 if rehearse else 3_000_000) % vocab_size).astype(np.int32)
    for where in (device, "cpu"):
        glove = GloVe(dimensions=dimensions, epochs=3)
        began = time.perf_counter()
        glove.fit(Data.of(text, text[:0], vocab_size + 1), Run(device=where))
        found[f"glove_seconds_{where}"] = time.perf_counter() - began
    return found


def sharded(device: str, rehearse: bool) -> dict[str, Any]:
    """FSDP on one device: the largest difference of losses from those without, of a resumed run, and its pace."""
    from lmzoo import models, testing
    from lmzoo.neural.training import parallel

    ids, exact = testing.practice_text(4000), {"optimizer": "sgd", "learning_rate": 0.3, "batch": 8}
    found: dict[str, Any] = {}
    for name in ("gpt", "llama", "speedrun"):
        settings = {**models.presets(models.find(name))["tiny"], **exact}
        settings |= {"ngram_dropout": 0.0} if name == "speedrun" else {}
        losses = []
        with tempfile.TemporaryDirectory() as folder:
            how = {"precision": "float32", "compile": "no", "folder": Path(folder)}
            for way in parallel.NAMES:
                trainer = _trainer(name, settings, testing.VOCAB_SIZE, device, ids, parallel=way, **how)
                losses.append(_losses(trainer, 6))
            trainer.validation.update(0.0, 6, trainer.module)  # best weights are on the CPU, and are saved too
            trainer.save()
            losses[0] += _losses(trainer, 3)
            again = _trainer(name, settings, testing.VOCAB_SIZE, device, ids, parallel="sharded", resume=True, **how)
            again.resume()
            losses[1] += _losses(again, 3)
        found[name] = float(np.abs(np.subtract(*losses)).max())
        assert found[name] < 1e-5, f"{name}: {losses}"
    preset = models.presets(models.find("gpt"))["tiny" if rehearse else "gpt2"]
    batch = 2 if rehearse else 16
    for way in parallel.NAMES:
        trainer = _trainer("gpt", {**preset, "batch": batch}, 300 if rehearse else 50257, device, parallel=way)
        with trainer.compute.training_precision():
            pace = _timed(trainer.step, device, 0.1 if rehearse else 5)
        found[f"{way}_tokens_per_second"] = batch * trainer.training.window / pace
        del trainer
        _forget(device)
    return found


def _losses(trainer: Any, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        trainer.step()
        found.append(trainer.losses.take_mean())
    return found


def race(device: str, options: argparse.Namespace) -> dict[str, Any]:
    """Training loss of GPT-2's form against the clock, after compilation: lmzoo's trainer and nanoGPT's own step.

    The same net, text, batch, precision and rates (warmed up, then constant); each draws its own windows and weights.
    """
    from lmzoo import models
    from lmzoo.data import corpus, tokenizers

    small = options.rehearse
    text = corpus.load("storyworld:300kB" if small else options.corpus, mirror=options.mirror).train
    text = text[: 100_000 if small else 20_000_000]
    _, ids = tokenizers.train_and_encode("char" if small else "bpe:8192", text)
    vocab_size, seconds = (300, 0.3) if small else (50304, 30.0)
    sizes = models.presets(models.find("gpt"))["tiny" if small else "gpt2"] | {"dropout": 0.0, "bias": False}
    rates = {"learning_rate": 6e-4, "beta2": 0.95, "weight_decay": 0.1, "warmup": 0.05, "cooldown": 0.0}
    found: dict[str, Any] = {"sizes": sizes, **rates}
    for batch, name in ((2, ""), (3, "of_12")) if small else ((16, ""), (12, "of_12")):  # nanoGPT's own is 12
        settings = {**sizes, **rates, "batch": batch, "exact_gelu": True}
        tokens, row = batch * sizes["window"], _raced(settings, vocab_size, ids, device, seconds)
        _forget(device)
        if os.environ.get("NANOGPT"):
            its = _nanogpt(sizes, batch, vocab_size, ids, device)
            row["nanoGPT"] = _against_the_clock(its, device, seconds, tokens)
            row["ratio"] = row["lmzoo"]["tokens_per_second"] / row["nanoGPT"]["tokens_per_second"]
            del its
            _forget(device)
        found |= {name: row} if name else row
        seconds = min(seconds, 8.0)
    return found


def _raced(settings: dict[str, Any], vocab_size: int, ids: Any, device: str, seconds: float) -> dict[str, Any]:
    trainer = _trainer("gpt", settings, vocab_size, device, ids)

    def step(spent: float) -> Any:
        trainer.spent = spent
        trainer.step()
        return trainer.losses.take_mean

    with trainer.compute.training_precision():
        row = _against_the_clock(step, device, seconds, settings["batch"] * settings["window"])
    if trainer.peak_flops:
        row["mfu"] = row["tokens_per_second"] * trainer.module.flops(settings["window"]) / trainer.peak_flops
    return {"batch": settings["batch"], "lmzoo": row}


def _against_the_clock(step: Callable[[float], Any], device: str, seconds: float, tokens: int) -> dict[str, Any]:
    """Twenty losses, by the seconds since the seventh step, and tokens a second."""
    for _ in range(6):
        step(0.001)
    _wait(device)
    began, steps, curve = time.perf_counter(), 0, []
    while (spent := (time.perf_counter() - began) / seconds) < 1:
        loss = step(spent)
        steps += 1
        if spent * 20 >= len(curve) + 1:
            curve.append([round(spent * seconds, 3), float(loss())])
    _wait(device)
    return {"tokens_per_second": steps * tokens / (time.perf_counter() - began), "losses": curve}


def _nanogpt(sizes: dict[str, Any], batch: int, vocab_size: int, ids: Any, device: str) -> Callable[[float], Any]:
    """The body of the loop in nanoGPT's train.py: compiled, bf16, the next batch read during the step."""
    spec = importlib.util.spec_from_file_location("nanogpt_model", Path(os.environ["NANOGPT"]) / "model.py")
    assert spec and spec.loader
    its = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(its)
    window, data = sizes["window"], ids.astype(np.uint16)
    torch.set_float32_matmul_precision("high")
    with contextlib.redirect_stdout(None):
        config = its.GPTConfig(
            block_size=window, vocab_size=vocab_size, n_layer=sizes["layers"], n_head=sizes["heads"],
            n_embd=sizes["width"], dropout=0.0, bias=False,
        )  # fmt: skip
        model = its.GPT(config).to(device).train()
        optimizer = model.configure_optimizers(0.1, 6e-4, (0.9, 0.95), device)
    net = torch.compile(model) if device == "cuda" else model

    def read() -> list[torch.Tensor]:
        starts = torch.randint(len(data) - window, (batch,)).tolist()
        pairs = [[data[i + shift : i + shift + window].astype(np.int64) for i in starts] for shift in (0, 1)]
        both = [torch.from_numpy(np.stack(rows)) for rows in pairs]
        return [rows.pin_memory().to(device, non_blocking=True) for rows in both] if device == "cuda" else both

    ahead, past = read(), []

    def step(spent: float) -> Any:
        nonlocal ahead
        for group in optimizer.param_groups:
            group["lr"] = 6e-4 * min(1.0, max(spent / 0.05, 0.05))
        with torch.autocast(device, torch.bfloat16):
            _, loss = net(*ahead)
        ahead = read()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        past.append(loss.detach())
        return mean

    def mean() -> float:
        value = float(torch.stack(past).mean())
        past.clear()
        return value

    return step


def rates(device: str, rehearse: bool) -> dict[str, Any]:
    """Tokens a second of scoring a long text and of generating one, with first weights."""
    from lmzoo import models
    from lmzoo.evaluation.generation import generate

    found = {}
    for name, preset, vocab_size in (("gpt", "gpt2", 50257), ("lstm", "", 256)):
        cls: Any = models.find(name)
        settings = models.presets(cls)["tiny"] if rehearse else models.presets(cls).get(preset, {})
        vocab_size = 300 if rehearse else vocab_size
        model = cls.from_config(settings)
        model = model.holding(model.build(vocab_size).to(device).eval(), vocab_size)
        text = np.random.default_rng(0).integers(vocab_size, size=500 if rehearse else 100_000).astype(np.int32)
        model.log_probs(text[:300])
        list(generate(model, text[:5], 5))
        row = {}
        for what, work, tokens in (
            ("scoring", lambda model=model, text=text: model.log_probs(text), len(text)),
            ("generating", lambda model=model, text=text: list(generate(model, text[:5], 500)), 500),
        ):
            began = time.perf_counter()
            work()
            row[f"{what}_tokens_per_second"] = tokens / (time.perf_counter() - began)
        found[name] = row
    return found


def awd(device: str, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Perplexity of AWD-LSTM on the Penn Treebank's test text, by the ruler, after so many seconds of training."""
    from lmzoo.data import corpus
    from lmzoo.evaluation.perplexity import evaluate
    from lmzoo.interface import Run
    from lmzoo.runs import train

    small = options.rehearse
    source = corpus.load("storyworld:300kB" if small else "ptb", mirror=options.mirror)
    run = Run(seconds=1.0 if small else max(20.0, seconds), device=device)
    text = train.encode(source, "word:200" if small else None, run)
    fitted = train.fit("lstm", {"preset": "tiny" if small else "awd"}, text, run)
    test = source.test[:3_000] if small else source.test
    score = evaluate(fitted.text_model, test, source.protocol)
    return {
        "perplexity": score.perplexity_per_token,
        "published_after_both_trainings": 57.3,
        "passes": fitted.provenance["tokens_read"] / len(text.train),
        "nats_per_token_at": [
            [row["seconds"], row["valid_nats_per_token"]]
            for row in fitted.model.history
            if "valid_nats_per_token" in row
        ],
        **{key: fitted.provenance[key] for key in ("training_seconds", "steps", "precision", "compiled", "remarks")},
    }


def books(device: str, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """A character transformer on a real text: its bits per character on the whole test text, by the ruler."""
    from lmzoo.data import corpus
    from lmzoo.evaluation.perplexity import block_bits, block_interval, evaluate
    from lmzoo.interface import Run
    from lmzoo.runs import train

    source = corpus.load("storyworld:300kB" if options.rehearse else options.corpus, mirror=options.mirror)
    seconds = 1.0 if options.rehearse else max(20.0, min(seconds, 60 * options.minutes))
    run = Run(seconds=seconds, device=device)
    text = train.encode(source, "char", run)
    settings = {"preset": "tiny"} if options.rehearse else dict(CHARACTER_TRANSFORMER)
    fitted = train.fit("speedrun", settings, text, run)
    test = source.test[:3_000] if options.rehearse else source.test
    score = evaluate(TextModel(fitted.model, text.tokenizer), test)  # type: ignore[arg-type]
    speed = [row["tokens_per_second"] for row in fitted.model.history if "tokens_per_second" in row]
    return {
        "corpus": source.name,
        "settings": fitted.model.config(),
        "bits_per_character": score.bits_per_character,
        "interval": block_interval(*block_bits(score, text.tokenizer)),
        "characters": score.characters,
        "training_tokens_per_second": speed[-1],
        "scoring_tokens_per_second": score.tokens_per_second,
        **fitted.provenance,
    }


# For five minutes of a large GPU and some 69 MB of text.
CHARACTER_TRANSFORMER = {
    "layers": "8", "heads": "8", "width": "512", "window": "512", "batch": "64", "dropout": "0.0",
}  # fmt: skip

if __name__ == "__main__":
    main()
