"""What fine-tuning costs on SST-2, and how far its logits and gradients are from those of `transformers`.

    python benchmarks/finetune.py [--save]

A GPT of 5 million weights learns from all 6,920 sentences, as `lmzoo finetune --labels all` does it by default, and is
tested on 1,821. Its weights are the first ones: that changes what it learns and not what it takes. CPU seconds of one
thread.
"""

import argparse
import os
import tempfile
import time
from typing import Any

import numpy as np
import record
import torch
from torch.nn.functional import cross_entropy

from lmzoo.data import tokenizers
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import gpt2
from lmzoo.interface import Progress, Run
from lmzoo.models.gpt import GPT
from lmzoo.neural.finetuning.heads import Tuned
from lmzoo.neural.finetuning.inputs import Form, Labelled
from lmzoo.runs import provenance
from lmzoo.tasks.finetuning.networks import NetworkLearner
from lmzoo.tasks.finetuning.trials import trial
from lmzoo.tasks.probing import datasets

SIZES = {"layers": 4, "width": 256, "heads": 4, "window": 64, "dropout": 0.1, "tied": True}


def first_weights(vocab_size: int, **settings: Any) -> GPT:
    """A GPT that has learned nothing."""
    torch.manual_seed(0)
    model = GPT.from_config({**SIZES, **settings})
    model.net_, model.vocab_size_ = model.build(vocab_size).eval(), vocab_size
    return model


def cost() -> dict[str, Any]:
    """CPU seconds of fine-tuning on all of SST-2, its test included."""
    (examples,) = datasets.load("sst2", None, Progress())
    tokenizer = tokenizers.train("bpe:8192", "\n".join(examples.texts[0]))
    model = first_weights(tokenizer.vocab_size)
    whole = trial(examples, (None,), (1,))
    split = whole.split(whole.whole, 1)
    learner = NetworkLearner("gpt", TextModel(model, tokenizer), "", run=Run(device="cpu"))
    began = time.process_time()
    predicted = learner.predict(whole.examples, split, 1, Progress())
    seconds = time.process_time() - began
    correct = float((predicted.values == whole.examples.labels[split.test]).mean())
    weights = sum(weight.numel() for weight in model.net_.parameters())
    return {"weights": weights, "sentences": len(split.train), "tested": len(split.test), "cpu_seconds": seconds,
            "accuracy_from_first_weights": correct, "facts": dict(predicted.facts)}  # fmt: skip


def exactness() -> dict[str, float]:
    """The largest differences from GPT2ForSequenceClassification, in one step of three texts."""
    import transformers

    tokenizer = tokenizers.train("byte", "")
    model = first_weights(tokenizer.vocab_size, dropout=0.0)
    with tempfile.TemporaryDirectory() as folder:
        gpt2.write(TextModel(model, tokenizer), f"{folder}/gpt")
        theirs = transformers.GPT2ForSequenceClassification.from_pretrained(
            f"{folder}/gpt", num_labels=3, pad_token_id=tokenizer.end, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0
        )
    form = Form("joined", "none", tokenizer.vocab_size, 64, "start")
    module = Tuned(model.net_, form, "last", 3, 0, 0.0)
    with torch.no_grad():
        theirs.score.weight.normal_(std=0.02)  # as a head begins
        module.classifier[-1].weight.copy_(theirs.score.weight)
    texts = [(np.random.default_rng(n).integers(0, tokenizer.end, n),) for n in (20, 64, 7)]
    batch = Labelled(form, texts, np.array([2, 0, 1])).batch(range(3))
    hidden, _ = module(batch.ids, ())
    logits = module.outputs(module.vectors(hidden, batch), batch.counts)
    read = torch.arange(batch.ids.shape[1]) < batch.lengths[:, None]
    out = theirs(batch.ids, attention_mask=read.long(), labels=batch.labels)
    cross_entropy(logits, batch.labels).backward()
    out.loss.backward()
    pairs = [(module.classifier[-1].weight.grad, theirs.score.weight.grad)]
    pairs += [(model.net_.get_parameter("embedding.weight").grad, theirs.transformer.wte.weight.grad)]
    return {
        "logits": float((logits - out.logits).detach().abs().max()),
        "gradients_of_head_and_embedding": max(float((a - b).abs().max()) for a, b in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--save", action="store_true", help="write results/DATE-finetune.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {**provenance.provenance(), "load": os.getloadavg(), "differences": exactness(), "sst2": cost()}
    differences, sst2 = results["differences"], results["sst2"]
    print(f"largest differences from transformers: {differences}")
    print(f"SST-2, {sst2['weights']:,} weights: {sst2['cpu_seconds']:.0f} CPU seconds, test included")
    if options.save:
        record.save("finetune", results)


if __name__ == "__main__":
    main()
