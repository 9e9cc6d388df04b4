"""Compile all loops before xdist starts its workers: each of them would compile the same ones at the same time.

In a fresh clone that takes 10 s on two cores instead of 20. numba's cache lies beside the sources and lasts.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import lmzoo

# Two processes of about the same length.
MODELS = (("ngram", "cache"), ("classes", "pmi", "svd", "glove"))


def compile_all():
    """Compile what is not in numba's cache, in two processes."""
    if all(is_cached(path) for path in Path(lmzoo.__file__).parent.rglob("*.py")):
        return
    processes = [
        subprocess.Popen([sys.executable, __file__, str(part)], stderr=subprocess.DEVNULL)
        for part in range(len(MODELS))
    ]
    for process in processes:
        process.wait()  # whatever could not be compiled fails in its test, with a traceback


def is_cached(path):
    """Whether there is machine code of this file's loops that is not older than the file."""
    source = path.read_text(encoding="utf-8")
    kind = "nbi" if "@njit(cache=True" in source else "loop" if "\n@loop\n" in source else ""
    made = (path.parent / "__pycache__").glob(f"{path.stem}.*.{kind}")
    return not kind or any(one.stat().st_mtime >= path.stat().st_mtime for one in made)


def compile_part(part):
    """Fit, score and restore small models, so that their loops are compiled."""
    from lmzoo import models, testing
    from lmzoo.interface import Data

    data = Data.of(testing.practice_text(500), testing.practice_text(100, seed=1), testing.VOCAB_SIZE)
    for name in MODELS[part]:
        model = models.find(name)(**models.presets(models.find(name)).get("tiny", {})).fit(data)
        model.log_probs_many([data.valid, data.valid[:3]])
        model.next_log_probs(model.start())
        type(model)(**model.config()).restore(model.arrays())
    if part == 0:
        compile_formats()


def compile_formats():
    """Write and read an ARPA file and a file of vectors."""
    import numpy as np

    from lmzoo.data import tokenizers
    from lmzoo.evaluation.text_model import TextModel
    from lmzoo.formats import arpa, vectors
    from lmzoo.interface import Data
    from lmzoo.models.ngram import Ngram

    text = "the cat sat\nthe dog sat\n"
    tokenizer = tokenizers.train("split", text, lines=True)
    ids = tokenizer.encode(text)
    model = Ngram(order=3).fit(Data.of(ids, ids[:0], tokenizer.vocab_size))
    with tempfile.TemporaryDirectory() as folder:
        arpa.write(TextModel(model, tokenizer), Path(folder) / "model.arpa")
        arpa.read(Path(folder) / "model.arpa")
        for kind in ("word2vec", "word2vec-binary"):
            vectors.write(Path(folder) / "vectors", ["a", "b"], np.eye(2), format=kind)
            vectors.read(Path(folder) / "vectors")


if __name__ == "__main__":
    compile_part(int(sys.argv[1]))
