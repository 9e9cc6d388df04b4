"""Word vectors from runs and to runs: the part of `lmzoo export` and `lmzoo import` that handles vectors."""

from pathlib import Path
from typing import Any

import numpy as np

from lmzoo import models
from lmzoo.analysis import word_vectors
from lmzoo.data import corpus as corpora
from lmzoo.data.tokenizers import Word
from lmzoo.data.tokenizers.base import BYTES, to_bytes
from lmzoo.embeddings.predictor import Association
from lmzoo.errors import UsageError, one_of
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import vectors as vector_files
from lmzoo.interface import Array, Progress, Run
from lmzoo.runs.train import corpus_facts

KINDS = ("glove", "word2vec")


def format_of(file: Path) -> str:
    """The format for a file name: .kv, .bin, .glove.txt; otherwise word2vec's text format."""
    suffixes = [suffix for suffix in file.suffixes if suffix != ".gz"]
    if ".glove" in suffixes:
        return "glove"
    return {".kv": "keyedvectors", ".bin": "word2vec-binary"}.get(suffixes[-1] if suffixes else "", "word2vec")


def write(text_model: TextModel, file: Path, kind: str, progress: Progress, overwrite: bool = True) -> tuple[int, int]:
    """Write the vectors of all words that have one, in the format `kind`. Returns their number and D.

    Raises UsageError for vectors that are rows of a sparse table, and for a vocabulary without words.
    """
    model, tokenizer = text_model
    matrix = model.vectors()
    if not isinstance(matrix, np.ndarray):
        raise UsageError(
            f"the vectors of {model.name} are a sparse table of {matrix.shape[0]:,} × {matrix.shape[1]:,} numbers, "
            "and files of vectors hold dense ones: train svd, which reduces the same table to those"
        )
    known = matrix.any(axis=1)  # rare words have zeros
    words, ids = word_vectors.words_of(tokenizer, np.where(known, np.maximum(model.counts_, 1), 0))
    if not words:
        raise UsageError(
            f"no token of {tokenizer.spec} is a word with a vector: train on words, as with --tokenizer word:10000"
        )
    vector_files.write(file, words, matrix[ids], np.asarray(model.counts_)[ids], kind, progress, overwrite)
    return len(words), matrix.shape[1]


def read(
    file: Path, kind: str | None, corpus: str | corpora.Paths | None, mirror: str | None, progress: Progress
) -> tuple[TextModel, dict[str, Any]]:
    """A GloVe or Word2Vec model of the vectors in `file`, a tokenizer for its words, and provenance.

    Without `kind` a file without a header is glove's. With `corpus` p(w) is counted in its training text, plus one for
    each word of the file, and β and λ are fitted on its validation text. Raises as `vector_files.read` and
    `corpus.load` do, and UsageError for a file without a word that can be a token.
    """
    if kind is not None:
        one_of("kind", kind, KINDS)
    source = corpora.load(corpus, mirror=mirror, progress=progress) if corpus else None
    vectors = vector_files.read(file, progress=progress)
    tokenizer, rows = _tokenizer(vectors.words, lines=source is not None and source.lines)
    if len(tokenizer.to_json()["words"]) == 0:
        raise UsageError(
            f"{file}: none of its {len(vectors.words):,} words, such as {vectors.words[0]!r}, can be a token"
        )
    model = _model(kind or ("glove" if vectors.format == "glove" else "word2vec"), vectors.matrix, rows)
    remarks = [
        *vectors.notes,
        "how these vectors were trained is not in their file: the settings are not known, but for dimensions",
    ]
    left_out = np.setdiff1d(np.arange(len(vectors.words)), rows)
    if len(left_out):
        remarks.append(
            f"{len(left_out):,} of {len(vectors.words):,} words were left out, such as {vectors.words[left_out[0]]!r}: "
            "the tokenizer cuts texts into other pieces"
        )
    if source is None:
        remarks.append(
            "the file has no counts, so p(w) is Zipf's law by rank, and λ = 0: --corpus counts and fits them on a text"
        )
    model.remarks = remarks
    if source is not None:
        # One is added to the count of each word: `neighbours` and its like leave out words that never occur.
        text = np.concatenate([tokenizer.encode(source.train), np.flatnonzero(rows >= 0)])
        model.calibrate(text, tokenizer.encode(source.valid), Run(progress=progress))
    words, dimensions = vectors.matrix.shape
    facts = {"words": words, "dimensions": dimensions, "format": vectors.format, **model.facts}
    return TextModel(model, tokenizer), facts | (corpus_facts(source) if source else {})


def _tokenizer(words: list[str], lines: bool) -> tuple[Word, Array]:
    """A tokenizer with the words as pieces, and the row in `words` of each of its tokens, or -1.

    A word includes the space before it, as in running text. A punctuation mark is a token with and without the space.
    """
    pieces: list[str] = []
    rows: list[int] = []
    marks: dict[int, int] = {}
    for row, word in enumerate(words):
        if not Word.PIECE.fullmatch(word) or word.isspace():
            continue
        pieces.append(f" {word}")
        rows.append(row)
        if _is_mark(word):
            if len(to_bytes(word)) == 1:
                marks[ord(word)] = row
            else:
                pieces.append(word)
                rows.append(row)
    places = np.full(BYTES + len(rows) + 1, -1)
    places[list(marks)] = list(marks.values())
    places[BYTES:-1] = rows
    return Word(f"word:{max(1, len(pieces))}", pieces, lines), places


def _is_mark(word: str) -> bool:
    return len(word) == 1 and not word.isalnum() and word != "_"


def _model(name: str, matrix: Array, rows: Array) -> Association:
    """A model whose word vectors are `matrix` (N, D), with rows[i] that of token i, not yet calibrated on a text."""
    cls: Any = models.find(name)
    model = cls(dimensions=matrix.shape[1])
    known = rows >= 0
    table = np.where(known[:, None], matrix[rows], np.float32(0))
    if name == "glove":  # whose word vector is the sum of two
        model.words_ = model.contexts_ = table / 2
        model.biases_ = np.zeros((2, len(rows)), np.float32)
    else:
        model.words_ = table
    model.vocab_size_ = len(rows)
    model.counts_ = np.where(known, len(matrix) // (rows + 1 + ~known), 0).astype(np.int64)
    model.exponent_, model.lambdas_ = 1.0, np.zeros(model.window)
    return model
