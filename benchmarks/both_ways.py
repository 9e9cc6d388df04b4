"""What reading both ways is worth at a laptop's budget: BERT beside a left-to-right twin, ELECTRA beside BERT.

    python benchmarks/both_ways.py exam [--tokens 1000000] [--seeds 3] [--items 240] [--save]
    python benchmarks/both_ways.py tags [--tokens 1000000] [--seeds 3] [--save]

exam    Networks of 2 layers × 64 learn storyworld: a GPT-2 form and a BERT from as many tokens, and an ELECTRA with as
        many floating-point operations as that BERT. Each sits the exam of the grammar: by log P of a candidate given
        what stands before it, by its pseudo-log-likelihood, or by what the discriminator says of it,
        the sum of log P(not replaced). Intervals are over questions, each with its mean over the seeds.
tags    The same three learn the Brown corpus (byte pairs, 2,000). A probe reads parts of speech (UD-EWT) off their
        frozen vectors, beside the same network with its first weights.

CPU seconds are those of one thread on a machine that did other things as well.
"""

import argparse
import os
import time
from typing import Any

import numpy as np
import record
import torch

from lmzoo import models
from lmzoo.data import corpus as corpora
from lmzoo.data.grammar_file import END
from lmzoo.evaluation.statistics import interval
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import LanguageModel, MaskedModel, Progress, Run
from lmzoo.runs import provenance, train
from lmzoo.tasks import targeted
from lmzoo.tasks.probing import datasets, probe
from lmzoo.tasks.scoring import continuation_scores

SIZES = {"preset": "small"}  # of all three: 2 layers, 2 heads, 64 features, a window of 64
READERS = {"left to right": "gpt", "both ways": "bert", "replaced tokens": "electra"}
LIMIT = 4000  # words' sentences of each part of UD-EWT


def learned(text: Any, name: str, budget: dict[str, float], seed: int) -> tuple[TextModel, dict[str, Any]]:
    """A network of that kind, and what its training took."""
    run = Run(seed=seed, device="cpu", precision="float32", compile="no", **budget)  # type: ignore[arg-type]
    began = time.process_time()
    model = models.make(models.find(name), SIZES).fit(text.data, run)
    facts = {key: model.facts[key] for key in ("steps", "tokens_read", "flops")}
    last = [row for row in model.history if any(key.startswith("valid") for key in row)][-1]
    facts |= {key: value for key, value in last.items() if key.startswith("valid")}
    facts |= {"weights": model.size()[0], "cpu_seconds": round(time.process_time() - began, 1)}
    return TextModel(model, text.tokenizer), facts


def judged(text_model: TextModel, texts: list[tuple[str, str]]) -> list[float]:
    """Σ log P(not replaced) of the tokens of each continuation, by a discriminator that reads the whole text."""
    scores = {}
    for beginning, continuation in dict.fromkeys(texts):
        ids, first = text_model.encode_continuation(beginning, continuation)
        odds = text_model.model.replaced_log_odds(ids)[first:]
        scores[beginning, continuation] = -float(np.logaddexp(0, odds).sum())
    return [scores[text] for text in texts]


def ways(text_model: TextModel, texts: list[tuple[str, str]]) -> dict[str, list[float]]:
    """The scores of continuations, in every way that the model can tell them."""
    found = {}
    if isinstance(text_model.model, LanguageModel | MaskedModel):
        found["log P" if isinstance(text_model.model, LanguageModel) else "pseudo-log-likelihood"] = [
            one.log_prob for one in continuation_scores(text_model, texts)
        ]
    if hasattr(text_model.model, "replaced_log_odds"):
        found["log P(not replaced)"] = judged(text_model, texts)
    return found


def exam(tokens: int, seeds: int, items: int) -> dict[str, Any]:
    """Each network's accuracy on the exam, and their differences."""
    corpus = corpora.load("storyworld")
    text = train.encode(corpus, None, Run())
    grammar = corpora.grammar_of(corpus)
    assert grammar is not None
    questions = targeted.questions(grammar, 1, corpus.train, items)
    every = [item for of_one in questions.values() for item in of_one]
    texts = [(END + item.beginning, candidate) for item in every for candidate in item.continuations]
    earned: dict[str, list[Any]] = {}
    trainings: list[dict[str, Any]] = []
    for seed in range(1, seeds + 1):
        budget: dict[str, float] = {"tokens": tokens}
        for reader, name in READERS.items():
            text_model, facts = learned(text, name, budget, seed)
            if name == "bert":
                budget = {"flops": facts["flops"]}
            trainings.append({"reader": reader, "model": name, "seed": seed, **facts})
            for way, scores in ways(text_model, texts).items():
                rest = iter(scores)
                chosen = [np.array([next(rest) for _ in item.candidates]) for item in every]
                earned.setdefault(f"{name}, {way}", []).append(targeted.credits_of(every, chosen))
                print(f"seed {seed}: {name}, {way}: {earned[f'{name}, {way}'][-1].mean():.3f}", flush=True)
    rows = {name: row(of_seeds, questions) for name, of_seeds in earned.items()}
    mean = {name: np.mean(of_seeds, 0) for name, of_seeds in earned.items()}
    first = "bert, pseudo-log-likelihood"
    differences = {
        f"{name} - {first}": {"mean": float((of - mean[first]).mean()), "interval": interval(np.mean, of - mean[first])}
        for name, of in mean.items()
        if name != first
    }
    chance = float(np.mean([1 / len(item.candidates) for item in every]))
    return {"corpus": corpus.name, "tokenizer": text.tokenizer.spec, "tokens": tokens, "questions": len(every),
            "chance": chance, "rows": rows, "differences": differences, "trainings": trainings}  # fmt: skip


def row(of_seeds: list[Any], questions: targeted.Questions) -> dict[str, Any]:
    """Accuracy, with its interval over questions, that of each seed and of each phenomenon."""
    mean = np.mean(of_seeds, 0)
    ends = np.cumsum([len(items) for items in questions.values()])[:-1]
    parts = {name: float(part.mean()) for name, part in zip(questions, np.split(mean, ends), strict=True)}
    return {"accuracy": float(mean.mean()), "interval": interval(np.mean, mean),
            "seeds": [float(one.mean()) for one in of_seeds], "phenomena": parts}  # fmt: skip


def tags(tokens: int, seeds: int) -> dict[str, Any]:
    """Each network's accuracy in parts of speech, by a probe of its best layer, and that of its first weights."""
    corpus = corpora.load("brown")
    text = train.encode(corpus, "bpe:2000", Run())
    sets = [one.limited(LIMIT) for one in datasets.load("ud-ewt", None, Progress())]
    rows: list[dict[str, Any]] = []
    for seed in range(1, seeds + 1):
        budget: dict[str, float] = {"tokens": tokens}
        for reader, name in READERS.items():
            text_model, facts = learned(text, name, budget, seed)
            if name == "bert":
                budget = {"flops": facts["flops"]}
            first = TextModel(text_model.model.untrained(seed), text_model.tokenizer)
            for kind, one in (("trained", text_model), ("first weights", first)):
                (found,) = probe.probe_once(one, sets)
                rows.append({"reader": reader, "model": name, "seed": seed, "weights": kind, **found.to_json(),
                             "training": facts if kind == "trained" else {}})  # fmt: skip
                print(f"seed {seed}: {name}, {kind}: {found.value:.3f}", flush=True)
    return {"corpus": corpus.name, "tokenizer": text.tokenizer.spec, "tokens": tokens, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("exam", "tags"))
    parser.add_argument("--tokens", type=int, default=1_000_000, help="of the training of GPT and BERT")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--items", type=int, default=targeted.ITEMS, help="questions of each phenomenon")
    parser.add_argument("--save", action="store_true", help="write results/DATE-both-ways-WHAT.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    given = (options.tokens, options.seeds)
    found = exam(*given, options.items) if options.what == "exam" else tags(*given)
    results = {**provenance.provenance(), "load": os.getloadavg(), **found}
    for name, one in results["rows"].items() if options.what == "exam" else ():
        low, high = one["interval"]
        print(f"{name}: {one['accuracy']:.3f} ({low:.3f} to {high:.3f})")
    if options.save:
        record.save(f"both-ways-{options.what}", results)


if __name__ == "__main__":
    main()
