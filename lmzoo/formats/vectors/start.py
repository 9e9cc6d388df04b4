"""Word vectors as the embeddings that a network begins with (Collobert & Weston 2008; Kim 2014; Dai & Le 2015).

A token has the vector of the word that it is, in this spelling or in lower case, whether or not a space stands before
it; a punctuation mark too. All other tokens (bytes, parts of words, `end`, rare words) are drawn from a normal
distribution with the mean and the standard deviation of the vectors in each dimension, so that they are no outliers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmzoo.data.tokenizers import Tokenizer
from lmzoo.errors import UsageError, naming
from lmzoo.files import sha256_of
from lmzoo.formats import vectors as vector_files
from lmzoo.interface import Model, Progress, Start
from lmzoo.runs import store
from lmzoo.runs.cache import digest
from lmzoo.runs.start import freezing, frozen_remark


@dataclass(frozen=True)
class Source:
    """Vectors (N, D), the row of each word, and where they are from."""

    place: Path
    identity: str  # a digest
    matrix: NDArray[np.float32]
    rows: dict[str, int]
    tokenizer: Tokenizer | None = None  # of a run
    of_tokens: NDArray[np.int64] | None = None  # (V,) the row of each of its tokens, or -1


def read(place: Path, progress: Progress) -> Source:
    """The vectors of a run's folder, or of a file in the format of word2vec or GloVe.

    Raises UsageError for a run without dense vectors; else as `store.load` and `vector_files.read` do.
    """
    if place.is_file():
        found = vector_files.read(place, progress=progress)
        return Source(place, sha256_of(place), found.matrix, {word: row for row, word in enumerate(found.words)})
    model: Any
    model, tokenizer = store.load(place)
    with naming(place):
        if not hasattr(model, "vectors"):
            raise UsageError(f"{model.name} has no word vectors: train word2vec, glove or svd")
        matrix = model.vectors()
        if not isinstance(matrix, np.ndarray):
            raise UsageError(f"the vectors of {model.name} are a sparse table: train svd, which makes short ones of it")
    counts = np.asarray(model.counts_)
    ids = np.flatnonzero(counts)
    ids = ids[np.argsort(-counts[ids], kind="stable")]  # of " king" and "king" the more frequent one stands for both
    of_tokens = np.full(len(counts), -1)
    of_tokens[ids] = np.arange(len(ids))
    rows: dict[str, int] = {}
    for row, token in enumerate(ids.tolist()):
        if name := _name(tokenizer, token):
            rows.setdefault(name, row)
    return Source(place, store.digest(place), np.asarray(matrix[ids], np.float32), rows, tokenizer, of_tokens)


def _name(tokenizer: Tokenizer, token: int) -> str:
    """The word or punctuation mark that a token is; "" for any other."""
    if token == tokenizer.end:
        return ""
    if word := tokenizer.word(token):
        return word
    text = tokenizer.token(token).strip()
    return text if len(text) == 1 and not text.isalnum() and text.isprintable() else ""


def check_width(source: Source, model: Model) -> None:
    """Raise UsageError where the model's embeddings have another size than the vectors, naming the flag to set."""
    config, width = model.config(), source.matrix.shape[1]
    flag = next((name for name in ("embedding", "width") if name in config), None)
    if flag is None:
        raise UsageError(f"{model.name} has no setting `embedding` or `width`, the size of the vectors it begins with")
    if config[flag] != width:
        raise UsageError(
            f"{source.place} has vectors of {width} numbers, and the embeddings of this {model.name} have "
            f"{config[flag]}: give --{flag} {width}"
        )


def start(source: Source, model: Model, tokenizer: Tokenizer, seed: int, frozen: bool = False) -> Start:
    """What a `model` begins from that reads by `tokenizer`. Raises UsageError where no token is a word with a vector,
    or the vectors are of another size.
    """
    check_width(source, model)
    rows = _rows(source, tokenizer)
    known = rows >= 0
    if not known.any():
        raise UsageError(
            f"no token of {tokenizer.spec} is a word with a vector in {source.place}: train on words, as with "
            "--tokenizer word:10000"
        )
    mean, deviation = source.matrix.mean(axis=0, dtype=np.float64), source.matrix.std(axis=0, dtype=np.float64)
    drawn = np.random.default_rng(seed).standard_normal((int((~known).sum()), len(mean)))
    table = np.empty((len(rows), len(mean)), np.float32)
    table[known] = source.matrix[rows[known]]
    table[~known] = mean + deviation * drawn
    tied = "; the softmax shares that table" if getattr(model, "tied", False) else ""
    remark = (
        f"{int(known.sum()):,} of {len(rows):,} tokens began with their vectors in {source.place}, {len(drawn):,} "
        f"without one were drawn with the vectors' mean and deviation{tied}"
    )
    facts = {"from": str(source.place.absolute()), "digest": source.identity, "tokens": int(known.sum())}
    return Start(
        digest({"vectors": source.identity, "frozen": frozen}),
        {"vectors": facts, **freezing(frozen)},
        [remark, *(frozen_remark(model) if frozen else [])],
        embeddings=table,
        frozen=frozen,
    )


def _rows(source: Source, tokenizer: Tokenizer) -> NDArray[np.int64]:
    """The row of each of V tokens, or -1."""
    if source.tokenizer and source.of_tokens is not None and source.tokenizer.to_json() == tokenizer.to_json():
        return source.of_tokens
    found = np.full(tokenizer.vocab_size, -1)
    for token in range(tokenizer.vocab_size):
        if name := _name(tokenizer, token):
            found[token] = source.rows.get(name, source.rows.get(name.lower(), -1))
    return found
