"""Scoring a text with the association predictor, beside the same computation in PyTorch, in one run.

    LMZOO_MIRROR=FOLDER python benchmarks/associations.py [--models pmi,svd,…] [--rounds 3] [--out results.json]

WikiText-2, the 30,000 most frequent words (`word:30000`), default settings. The plain implementation is the obvious
one: for 1,024 tokens at a time, sum the contexts' vectors, `torch.addmm` with all words, `log_softmax`, `gather`; for
PMI, whose scores are a sparse table, a product of sparse matrices (scipy) and then the same. Both use all cores.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MODELS = "pmi,svd,glove,word2vec"
TOKENIZER = "word:30000"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", default=MODELS, help="separated by commas; word2vec needs gensim")
    parser.add_argument("--rounds", type=int, default=3, help="ours and theirs in turn, so many times")
    parser.add_argument("--corpus", default="wikitext2")
    parser.add_argument("--tokenizer", default=TOKENIZER)
    parser.add_argument(
        "--tokens", type=int, default=50_000, help="of the test text that PyTorch scores; ours does all"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    from lmzoo.data import corpus
    from lmzoo.interface import Run
    from lmzoo.runs import provenance, train

    text = train.encode(corpus.load(options.corpus), options.tokenizer, Run())
    test = text.tokenizer.encode(text.corpus.test)
    rows = []
    for name in options.models.split(","):
        fitted = train.fit(name, {}, text, Run())
        rows.append({"model": name, "fit_seconds": fitted.seconds, **race(fitted.model, test, options)})
        row = rows[-1]
        print(
            f"{name:10} {row['ours']:10,.0f} tokens/s   plain {row['plain']:10,.0f}   x {row['ratio']:.2f}", flush=True
        )
    results = {
        **provenance.provenance(),
        "corpus": text.corpus.name,
        "tokenizer": options.tokenizer,
        "vocab_size": text.tokenizer.vocab_size,
        "tokens": len(test),
        "rows": rows,
    }
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def race(model: Any, test: np.ndarray, options: argparse.Namespace) -> dict[str, Any]:
    """Tokens a second of both, medians over rounds, and the ratio, after checking that they agree."""
    part = test[: options.tokens]
    theirs = plain(model)
    np.testing.assert_allclose(theirs(part[:2000]), model.log_probs(part[:2000])[0], atol=1e-3)
    ours_rates, plain_rates = [], []
    for _ in range(options.rounds):
        ours_rates.append(len(test) / seconds(lambda: model.log_probs(test)))
        plain_rates.append(len(part) / seconds(lambda: theirs(part)))
    ratios = [a / b for a, b in zip(ours_rates, plain_rates, strict=True)]
    return {
        "ours": statistics.median(ours_rates),
        "plain": statistics.median(plain_rates),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def plain(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The predictor's formula in PyTorch and scipy."""
    import scipy.sparse
    import torch

    unigrams = (model.counts_ + 1) / (model.counts_ + 1).sum()
    base = torch.from_numpy((model.exponent_ * np.log(unigrams)).astype(np.float32))
    factors = [torch.from_numpy(np.asarray(f)) for f in model.factors()] if hasattr(model, "factors") else None
    by_context = None if factors else model.vectors().T.tocsr()
    size = model.vocab_size_

    def logits(contexts: np.ndarray) -> torch.Tensor:
        if factors:
            left, right = factors
            near = torch.from_numpy(np.maximum(contexts, 0)).long()
            there = torch.from_numpy((contexts >= 0) * model.lambdas_).float()
            return torch.addmm(base, (right[near] * there[:, :, None]).sum(1), left.T)
        rows, d = np.nonzero(contexts >= 0)
        entries = (model.lambdas_[d].astype(np.float32), (rows, contexts[rows, d]))
        mixed = scipy.sparse.csr_array(entries, shape=(len(contexts), size)) @ by_context
        return base + torch.from_numpy(mixed.toarray())

    def score(tokens: np.ndarray) -> np.ndarray:
        contexts = model._contexts(np.concatenate([model.start(), tokens[:-1]]))
        scores = []
        for i in range(0, len(tokens), 1024):
            log_probs = torch.log_softmax(logits(contexts[i : i + 1024]), 1)
            wanted = torch.from_numpy(tokens[i : i + 1024]).long()
            scores.append(log_probs.gather(1, wanted[:, None])[:, 0].numpy())
        return np.concatenate(scores)

    return score


if __name__ == "__main__":
    main()
