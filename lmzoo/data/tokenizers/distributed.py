"""Tokenizers of a text on a cluster: its words are counted where it is read, and it is encoded there.

A vocabulary is that of the whole text read in one place: words of the parts are joined in the order of their first
appearance. Merges of bytes (bpe) are learned in one place.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from lmzoo.cluster import DistributedIds, Workers
from lmzoo.data import tokenizers
from lmzoo.data.remote import RemoteText
from lmzoo.data.tokenizers.base import BYTES, Tokenizer, Tokens
from lmzoo.data.tokenizers.bpe import LARGEST
from lmzoo.data.tokenizers.normalizer import UNKNOWN

KEPT = 2  # tokenizers that a worker has ready


def train(spec: str, text: RemoteText, lines: bool, workers: Workers) -> Tokenizer:
    """`tokenizers.train` on a text that workers read. Raises as it does."""
    kind, _, size = spec.partition(":")
    if kind == "bpe":
        return tokenizers.train(spec, text.read(), lines)
    line, end, _ = text.beginning(1 << 16).partition("\n") if kind == "split" else ("", "", "")
    empty = tokenizers.train(spec, line + end, lines)  # without words, but with the layout of the first line
    if kind not in ("char", "word", "split"):
        return empty
    parts = text.ranges(len(workers))
    if kind == "char":
        alphabets = [workers.submit(_chars, part) for part in parts]
        (chars,) = workers.gather("reading", [workers.reduce(_all_chars, alphabets)])
        return tokenizers.from_json(empty.to_json() | {"chars": sorted(chars)})
    read = [workers.submit(_words, part, kind, lines) for part in parts]
    whole = workers.reduce(_all_words, read)
    workers.wait("reading", read)
    ((words, counts),) = workers.gather("counting words", [whole])
    if kind == "word":
        words = [words[n] for n in np.argsort(-counts, kind="stable")[: int(size)]]
    elif size:
        least, counted = int(size.removeprefix("min=")), dict(zip(words, counts.tolist(), strict=True))
        counted[UNKNOWN] = counted.get(UNKNOWN, 0) + least
        words = [word for word, count in counted.items() if count >= least]
    return tokenizers.from_json(empty.to_json() | {"words": words})


def encode(tokenizer: Tokenizer, text: RemoteText, workers: Workers) -> DistributedIds:
    """The ids of `text`, left where they were computed."""
    saved = workers.share(json.dumps(tokenizer.to_json()))
    chunks = [workers.submit(_encode, part, saved) for part in text.ranges(len(workers))]
    lengths = [workers.submit(len, chunk) for chunk in chunks]
    return DistributedIds(workers, tuple(chunks), tuple(workers.gather("tokenizing", lengths)))


def _chars(part: RemoteText) -> set[str]:
    return set(tokenizers.train("char", part.read()).to_json()["chars"])


def _all_chars(parts: Sequence[set[str]]) -> set[str]:
    return set(chain.from_iterable(parts))


def _words(part: RemoteText, kind: str, lines: bool) -> tuple[list[str], Any]:
    """The words of a part by first appearance, without those that are single bytes, and how often each occurs."""
    spec = f"word:{LARGEST}" if kind == "word" else "split"
    tokenizer, ids = tokenizers.train_and_encode(spec, part.read(), lines)
    words, first_id = tokenizer.to_json()["words"], BYTES if kind == "word" else 0
    found, first, counts = np.unique(ids, return_index=True, return_counts=True)
    learned = (found >= first_id) & (found < first_id + len(words))
    order = np.argsort(first[learned])
    return [words[n - first_id] for n in found[learned][order]], counts[learned][order]


def _all_words(parts: Sequence[tuple[list[str], Any]]) -> tuple[list[str], Any]:
    number: dict[str, int] = {}
    numbers = [np.array([number.setdefault(word, len(number)) for word in words], np.int64) for words, _ in parts]
    totals = np.zeros(len(number), np.int64)
    for of_part, (_, counts) in zip(numbers, parts, strict=True):
        totals[of_part] += counts  # each word once in a part
    return list(number), totals


def _encode(part: RemoteText, saved: str) -> Tokens:
    return _tokenizer(saved).encode(part.read())


@lru_cache(KEPT)
def _tokenizer(saved: str) -> Tokenizer:
    return tokenizers.from_json(json.loads(saved))
