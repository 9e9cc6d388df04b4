"""What a model makes of texts, as rows that a probe can learn from: pooled over their tokens, and kept on disk.

A text has the mean, the last and the maximum of its tokens' vectors in each layer; a pair (u, v) of texts has
[|u - v|, u ⊙ v] of theirs (Tai, Socher & Manning 2015; Kiros et al. 2015); a word in a text has the vector of its last
token. Vectors of more than WIDE numbers, such as rows of a PMI matrix, are hashed into NARROW: each number is added to
one of them with a random sign, which keeps inner products in expectation (Weinberger et al. 2009).

The cache holds one file for each layer of a model and list of texts. Its name is the hash of all that its contents
depend on, so nothing in it can be out of date; whatever is damaged is computed again.
"""

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
from numpy.typing import NDArray

from lmzoo.data.download import write_atomically
from lmzoo.data.tokenizers import Tokenizer
from lmzoo.data.tokenizers.pretokenized_text import ClosedVocabulary
from lmzoo.errors import ScoreError
from lmzoo.interface import Encoder, Ids, Model, Progress
from lmzoo.tasks.probing.datasets import Examples

Array = NDArray[Any]
Candidate = tuple[str, str]  # a layer and a pooling, by name

VERSION = 1  # of what is below: another one has other files
POOLINGS = ("mean", "last", "max")
LAYERS = 5  # that are tried at most: of more, the lowest, the highest and some evenly between
NUMBERS_AT_ONCE = 1 << 24  # of all vectors that are in memory at a time: 64 MB
WIDE, NARROW = 2048, 1024


class Reader:
    """A model that reads texts for a probe. `folder` is where features are kept (None: nowhere)."""

    def __init__(self, model: Model, tokenizer: Tokenizer, folder: Path | None, progress: Progress | None = None):
        """Raises TypeError for a model that is no Encoder."""
        if not isinstance(model, Encoder):
            raise TypeError(f"a {model.name} has no vectors")
        self.encoder: Encoder = model
        self.tokenizer, self.folder, self.progress = tokenizer, folder, progress or Progress()
        self.closed = ClosedVocabulary(tokenizer) if tokenizer.spec.startswith("split") else None
        count = len(model.layer_names)
        self.layers = np.unique(np.linspace(0, count - 1, min(count, LAYERS)).round().astype(int)).tolist()
        self.widths = [rows.shape[1] for rows in model.features_many([np.empty(0, dtype=np.int32)], self.layers)[0]]
        wide = max(self.widths)
        self.note = f"its vectors of {wide:,} numbers are hashed into {NARROW:,}" if wide > WIDE else ""
        self.fingerprint = _hash(f"{VERSION} {WIDE} {NARROW} {model.name}", model.config(), tokenizer.to_json())
        for name, array in sorted(model.arrays().items()):
            self.fingerprint = _hash(self.fingerprint, name, str(array.dtype), array.shape, array)

    def inputs(self, examples: Examples) -> dict[Candidate, Array]:
        """What a probe of `examples` may read: rows (N, D) for each layer and pooling.

        Raises TokenizerError for a text that the tokenizer cannot write, ScoreError for vectors that are not finite.
        """
        if examples.words:
            rows = self._read(examples.texts[0], of_words=True)
            return {(name, "word"): layer[:, 0] for name, layer in zip(self._names(), rows, strict=True)}
        columns = [self._read(texts) for texts in examples.texts]
        found = {}
        for n, name in enumerate(self._names()):
            for p, pooling in enumerate(POOLINGS):
                u, *others = (column[n][:, p] for column in columns)
                found[name, pooling] = np.hstack([np.abs(u - others[0]), u * others[0]]) if others else u
        return found

    def _names(self) -> list[str]:
        return [self.encoder.layer_names[layer] for layer in self.layers]

    # ── On disk ───────────────────────────────────────────────────────────────────────────────────

    def _read(self, texts: Sequence[str], of_words: bool = False) -> list[Array]:
        """For each layer the pooled vectors of `texts`, (N, 3, D), or those of all their words, (W, 1, D)."""
        if of_words:
            return self._cached(texts, self._words)
        once, places = np.unique(np.array(texts, dtype=object), return_inverse=True)
        return [rows[places] for rows in self._cached(once.tolist(), _pooled)]

    def _cached(self, texts: Sequence[str], reduce: "Callable[[str, Ids, Array], Array]") -> list[Array]:
        key = _hash(self.fingerprint, reduce.__name__, texts)
        paths = [self.folder / f"{_hash(key, layer)}.npz" for layer in self.layers] if self.folder else []
        found = [_load(path) for path in paths]
        if found and all(rows is not None for rows in found):
            return [rows for rows in found if rows is not None]
        computed = self._computed(texts, reduce)
        for path, rows in zip(paths, computed, strict=False):
            _save(path, rows)
        return computed

    # ── From the model ────────────────────────────────────────────────────────────────────────────

    def _computed(self, texts: Sequence[str], reduce: "Callable[[str, Ids, Array], Array]") -> list[Array]:
        """What `reduce(text, ids, vectors (T, D))` makes of each text, joined, for each layer."""
        at_once = max(64, NUMBERS_AT_ONCE // sum(self.widths))
        found: list[list[Array]] = [[] for _ in self.layers]
        with self.progress.task("reading", len(texts)) as task:
            for some in _parts(((text, self._encode(text)) for text in texts), at_once):
                vectors = self.encoder.features_many([ids for _, ids in some], self.layers)
                for (text, ids), layers in zip(some, vectors, strict=True):
                    for kept, rows in zip(found, layers, strict=True):
                        kept.append(reduce(text, ids, _narrow(rows)))
                task.advance(len(some))
        joined = [np.concatenate(kept).astype(np.float32) for kept in found]
        for layer, rows in zip(self.layers, joined, strict=True):
            if not np.isfinite(rows).all():
                name = self.encoder.layer_names[layer]
                raise ScoreError(
                    f"the vectors of {name!r} are not all finite: train this model with a lower learning rate"
                )
        return joined

    def _encode(self, text: str) -> Ids:
        return self.tokenizer.encode(self.closed.write("", text)[1] if self.closed and text else text)

    def _words(self, text: str, ids: Ids, rows: Array) -> Array:
        """The vectors of the last tokens of the words of `text`, (W, 1, D)."""
        words = text.split(" ")
        if self.closed:  # where <unk> stands for a word, tokens are not as long as words
            known = min(self.closed.known - {"\n"})  # beside which a mark that the corpus never has is left out
            pieces = [len(self.closed.write("", f"{known} {word}")[1].split()) - 1 for word in words]
            return rows[np.maximum(np.cumsum(pieces) - 1, 0), None]
        lengths = [len(word) for word in words]
        ends = np.cumsum(lengths) + np.arange(len(words))
        return rows[np.searchsorted(np.cumsum([len(piece) for piece in self.tokenizer.pieces(ids)]), ends), None]


def _pooled(_text: str, _ids: Ids, rows: Array) -> Array:
    """The mean, last and maximum of `rows` (T, D), (1, 3, D); of no tokens, zeros."""
    if not len(rows):
        return np.zeros((1, len(POOLINGS), rows.shape[1]))
    return np.stack([rows.mean(axis=0), rows[-1], rows.max(axis=0)])[None]


def _narrow(rows: Array) -> Array:
    """`rows` (T, D) hashed into (T, NARROW), where they are WIDE."""
    width = rows.shape[1]
    return rows if width <= WIDE else np.asarray((_hashing(width, NARROW) @ rows.T).T)


@cache
def _hashing(width: int, narrow: int) -> Any:
    """A sparse matrix (narrow, width) with one ±1 in each column, the same each time."""
    from scipy.sparse import csr_array

    rng = np.random.default_rng(0)
    place, sign = rng.integers(0, narrow, width), rng.choice(np.array([-1.0, 1.0], dtype=np.float32), width)
    return csr_array((sign, (place, np.arange(width))), shape=(narrow, width))


def _parts(texts: Iterable[tuple[str, Ids]], at_once: int) -> Iterable[list[tuple[str, Ids]]]:
    """Lists of texts with at most `at_once` tokens, or one text, in each."""
    some: list[tuple[str, Ids]] = []
    tokens = 0
    for text, ids in texts:
        if some and tokens + len(ids) > at_once:
            yield some
            some, tokens = [], 0
        some.append((text, ids))
        tokens += len(ids)
    if some:
        yield some


def _load(path: Path) -> Array | None:
    """The rows in a file; None where there is none that is whole: a zip knows the checksums of what it holds."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            rows: Array = arrays["rows"]
            return rows
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _save(path: Path, rows: Array) -> None:
    """Write them whole. A cache that cannot be written is no hindrance."""
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
