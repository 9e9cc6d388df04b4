"""Features of texts for a probe: a model's token vectors pooled over each text, and cached on disk."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lmzoo.data import plain
from lmzoo.drafts import write_atomically
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.files import open_file
from lmzoo.interface import Array, Encoder, Ids, Progress, SentenceEncoder
from lmzoo.tasks.probing.datasets import ProbeSet

Candidate = tuple[str, str]  # a layer and a pooling, by name: what a probe chooses between
Reduce = Callable[[str, Ids, Array], Array]  # text, its ids (T,), their vectors (T, D) → rows to keep

VERSION = 1  # of what is computed below; another version has other cache files
POOLINGS = ("mean", "last", "max")
SENTENCE = ("whole text", "encode_texts")  # the candidate that a SentenceEncoder adds
MAX_LAYERS = 5  # of a deeper model, evenly spaced from the lowest to the highest
NUMBERS_AT_ONCE = 1 << 24  # of all vectors in memory at a time: 64 MB
WIDE, NARROW = 2048, 1024


class FeatureReader:
    """A model that reads texts for a probe. `folder` is where features are cached (None: nowhere).

    Raises UsageError for a model that is neither an Encoder nor a SentenceEncoder.
    """

    def __init__(self, text_model: TextModel, folder: Path | None, progress: Progress | None = None):
        model = text_model.model
        self.encoder: Encoder | None = model if isinstance(model, Encoder) else None
        self.sentence_encoder: SentenceEncoder | None = model if isinstance(model, SentenceEncoder) else None
        if not self.encoder and not self.sentence_encoder:
            raise UsageError(f"{text_model.name} has no vectors to probe")
        self.name, self.tokenizer = text_model.name, text_model.tokenizer
        self.folder, self.progress = folder, progress or Progress()
        self.layers: list[int] = []
        self.widths: list[int] = []  # D of each layer
        if self.encoder:
            count = len(self.encoder.layer_names)
            self.layers = np.unique(np.linspace(0, count - 1, min(count, MAX_LAYERS)).round().astype(int)).tolist()
            nothing = [np.empty(0, dtype=np.int32)]
            self.widths = [rows.shape[1] for rows in self.encoder.features_many(nothing, self.layers)[0]]
        wide = max(self.widths, default=0)
        self.note = f"its vectors of {wide:,} numbers are hashed into {NARROW:,}" if wide > WIDE else ""
        # All that features depend on, so that a cached file is never out of date.
        self.fingerprint = _hash(f"{VERSION} {WIDE} {NARROW} {model.name}", model.config(), self.tokenizer.to_json())
        for name, array in sorted(plain.to_arrays(model.arrays()).items()):  # a classifier's classes are no array
            self.fingerprint = _hash(self.fingerprint, name, str(array.dtype), array.shape, array)

    def inputs(self, examples: ProbeSet) -> dict[Candidate, Array]:
        """What a probe of `examples` may read: rows (N, D) for each layer and pooling.

        Of a pair (u, v) of texts these are [|u − v|, u ⊙ v] (Tai, Socher & Manning 2015). Raises TokenizerError for a
        text that the tokenizer cannot encode, ScoreError for vectors that are not finite, UsageError where words have
        labels and the model has no vectors of tokens, and for a choice of continuations.
        """
        if examples.word_labels:
            if not self.encoder:
                raise UsageError(f"{self.name} has vectors of whole texts only, none of words")
            layers = self._cached(examples.texts[0], self._words)  # of each layer (W, 1, D)
            return {(name, "word"): rows[:, 0] for name, rows in zip(self._layer_names(), layers, strict=True)}
        if examples.is_choice:
            raise UsageError("to choose a continuation is learned by fine-tuning, not by a probe")
        columns = [self._of_texts(texts) for texts in examples.texts]  # of each text of a pair
        inputs: dict[Candidate, Array] = {}
        for candidate in columns[0]:
            u, *others = (rows[candidate] for rows in columns)
            inputs[candidate] = np.hstack([np.abs(u - others[0]), u * others[0]]) if others else u
        return inputs

    def _layer_names(self) -> list[str]:
        return [self.encoder.layer_names[layer] for layer in self.layers] if self.encoder else []

    def _of_texts(self, texts: Sequence[str]) -> dict[Candidate, Array]:
        """Rows (N, D) for each layer and pooling; each distinct text is read once."""
        distinct, places = np.unique(np.array(texts, dtype=object), return_inverse=True)
        rows: dict[Candidate, Array] = {}
        if self.encoder:
            layers = self._cached(distinct.tolist(), _pooled)  # of each layer (N, 3, D)
            for name, pooled in zip(self._layer_names(), layers, strict=True):
                rows |= {(name, pooling): pooled[places][:, p] for p, pooling in enumerate(POOLINGS)}
        if self.sentence_encoder:
            ids = [self._encode(text) for text in distinct.tolist()]
            vectors = np.asarray(self.sentence_encoder.encode_texts(ids), np.float32)  # (N, D)
            rows[SENTENCE] = _finite(vectors, "whole texts")[places]
        return rows

    # ── On disk: one file for each layer of a model and list of texts ─────────────────────────────

    def _cached(self, texts: Sequence[str], reduce: Reduce) -> list[Array]:
        """`_computed`, from disk where it is there."""
        key = _hash(self.fingerprint, reduce.__name__, texts)
        paths = [self.folder / f"{_hash(key, layer)}.npz" for layer in self.layers] if self.folder else []
        cached = [_load(path) for path in paths]
        if cached and all(rows is not None for rows in cached):
            return [rows for rows in cached if rows is not None]
        computed = self._computed(texts, reduce)
        for path, rows in zip(paths, computed, strict=False):
            _save(path, rows)
        return computed

    # ── From the model ────────────────────────────────────────────────────────────────────────────

    def _computed(self, texts: Sequence[str], reduce: Reduce) -> list[Array]:
        """For each layer, what `reduce` makes of each text, joined."""
        assert self.encoder
        at_once = max(64, NUMBERS_AT_ONCE // sum(self.widths))
        rows_of: list[list[Array]] = [[] for _ in self.layers]
        with self.progress.task("reading", len(texts)) as task:
            for batch in _batches(((text, self._encode(text)) for text in texts), at_once):
                vectors = self.encoder.features_many([ids for _, ids in batch], self.layers)
                for (text, ids), layers in zip(batch, vectors, strict=True):
                    for of_layer, rows in zip(rows_of, layers, strict=True):
                        of_layer.append(reduce(text, ids, _narrow(rows)))
                task.advance(len(batch))
        joined = [np.concatenate(of_layer).astype(np.float32) for of_layer in rows_of]
        return [_finite(rows, repr(name)) for rows, name in zip(joined, self._layer_names(), strict=True)]

    def _encode(self, text: str) -> Ids:
        return self.tokenizer.encode(self.tokenizer.normalize(text) if text else text)

    def _words(self, text: str, ids: Ids, rows: Array) -> Array:
        """The vector of the last token of each word of `text`, (W, 1, D)."""
        return rows[self.tokenizer.word_ends(text.split(" "), ids), None]


def _pooled(_text: str, _ids: Ids, rows: Array) -> Array:
    """Mean, last and maximum of `rows` (T, D): (1, 3, D); of no tokens, zeros."""
    if not len(rows):
        return np.zeros((1, len(POOLINGS), rows.shape[1]))
    return np.stack([rows.mean(axis=0), rows[-1], rows.max(axis=0)])[None]


def _finite(rows: Array, what: str) -> Array:
    if not np.isfinite(rows).all():
        raise ScoreError(f"the vectors of {what} are not all finite: train this model with a lower learning rate")
    return rows


def _narrow(rows: Array) -> Array:
    """Rows (T, D) that are wider than WIDE, as those of a PMI matrix, hashed into (T, NARROW)."""
    # Each number is added to one of NARROW with a random sign, which keeps inner products in expectation
    # (Weinberger et al. 2009).
    width = rows.shape[1]
    return rows if width <= WIDE else np.asarray((_hashing(width, NARROW) @ rows.T).T)


@cache
def _hashing(width: int, narrow: int) -> Any:
    """A sparse matrix (narrow, width) with one ±1 in each column, the same each time."""
    from scipy.sparse import csr_array

    rng = np.random.default_rng(0)
    place, sign = rng.integers(0, narrow, width), rng.choice(np.array([-1.0, 1.0], dtype=np.float32), width)
    return csr_array((sign, (place, np.arange(width))), shape=(narrow, width))


def _batches(texts: Iterable[tuple[str, Ids]], at_once: int) -> Iterable[list[tuple[str, Ids]]]:
    """Lists of texts with at most `at_once` tokens, or one text, in each."""
    batch: list[tuple[str, Ids]] = []
    tokens = 0
    for text, ids in texts:
        if batch and tokens + len(ids) > at_once:
            yield batch
            batch, tokens = [], 0
        batch.append((text, ids))
        tokens += len(ids)
    if batch:
        yield batch


def _load(path: Path) -> Array | None:
    """The rows in a file; None where there is none, or a damaged one: a zip has checksums of what is in it."""
    try:
        with open_file(path) as file, np.load(file, allow_pickle=False) as arrays:
            return arrays["rows"]
    except (OSError, UsageError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile):
        return None  # MemoryError: a damaged header can claim any number of rows


def _save(path: Path, rows: Array) -> None:
    """Write the rows atomically. A cache that cannot be written does not stop the probe."""
    packed = io.BytesIO()
    np.savez(packed, rows=rows)
    with suppress(OSError):
        write_atomically(path, packed.getvalue())


def _hash(*parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(np.ascontiguousarray(part).data.cast("B") if part.size else b"")
        else:
            digest.update(json.dumps(part, default=list).encode() + b"\n")
    return digest.hexdigest()
