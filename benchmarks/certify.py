"""Time and overhead of certified bits: each model compresses a text, and a new process decompresses it.

    python benchmarks/certify.py [ngram:order=6 lstm speedrun] [--budget 45] [--characters 100000] [--out results.json]

Tiny Shakespeare, characters. Wall-clock seconds, and CPU seconds of both processes, which alone are comparable on a
busy machine. A network codes a text in parallel lanes: the cost of a cut is the difference in the evaluator's bits
between `AFTER` tokens read from the start state there and read after all that comes before.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

MODELS = ("ngram:order=6", "lstm", "speedrun")
AFTER = 400  # tokens
CUTS = 7
BEFORE = 20_000  # tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS, help="as `lmzoo compare` takes them")
    parser.add_argument("--budget", type=float, default=45, help="seconds of training for each network")
    parser.add_argument("--characters", type=int, default=100_000)
    parser.add_argument("--corpus", default="shakespeare")
    parser.add_argument("--tokenizer", default="char")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    from lmzoo.data import corpus
    from lmzoo.interface import Run
    from lmzoo.runs import provenance, train

    text = train.encode(corpus.load(options.corpus), options.tokenizer, Run())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for spec in options.models:
            name, given = train.parse(spec)
            fitted = train.fit(name, given, text, Run(seconds=options.budget))
            run = train.save(fitted, Path(folder) / name)
            rows.append({"model": spec, **measure(run, fitted.model, text, options.characters)})
            print(SHOWN.format(**rows[-1]), flush=True)
    if options.out:
        results = {**provenance.provenance(), "corpus": options.corpus, "characters": options.characters, "rows": rows}
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


SHOWN = (
    "{model:15} {bits_per_character:.4f} bits/char ({excess:+.2%})  compress {compress_seconds:.1f} s, decompress "
    "{decompress_seconds:.1f} s, processor {processor_seconds:.1f} s in all; {bits_per_cut:.1f} bits a cut"
)


def measure(run: Path, model: Any, text: Any, characters: int) -> dict[str, Any]:
    """The figures of the certificate, the CPU seconds, and the bits that a cut costs."""
    from lmzoo.compression.certify import certify

    before = processor_seconds()
    certificate = certify(run, characters=characters)
    return {
        "bits_per_character": certificate.bits_per_character,
        "excess": certificate.excess,
        "compress_seconds": certificate.compress_seconds,
        "decompress_seconds": certificate.decompress_seconds,
        "processor_seconds": processor_seconds() - before,
        "bits_per_cut": bits_per_cut(model, text.tokenizer.encode(text.corpus.test[:characters])),
    }


def processor_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def bits_per_cut(model: Any, ids: np.ndarray) -> float:
    """The additional bits of `AFTER` tokens read from the start state instead of after all before, mean over cuts."""
    ids = ids[:BEFORE]
    cuts = np.linspace(0, len(ids) - AFTER, CUTS + 1).astype(int)[1:]
    in_context = model.log_probs(ids)[0]
    alone = model.log_probs_many([ids[cut : cut + AFTER] for cut in cuts])
    lost = [in_context[cut : cut + AFTER].sum() - part.sum() for cut, part in zip(cuts, alone, strict=True)]
    return float(np.mean(lost) / np.log(2))


if __name__ == "__main__":
    main()
