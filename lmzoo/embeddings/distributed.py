"""Co-occurrence counts on a cluster: those of one process, to the last bit, for any number of chunks and workers.

A chunk, after rare and subsampled words are taken out, is counted together with the `window` tokens before it, and what
is counted in those alone is taken off again: each pair is counted where its later word stands. Weights are integers, so
sums do not depend on their order; they become floats once, at the end. Rows are shuffled by ranges of words.
"""

from collections.abc import Sequence
from itertools import pairwise
from operator import getitem
from typing import Any

import numpy as np

from lmzoo.cluster import DistributedIds
from lmzoo.embeddings import rows
from lmzoo.embeddings.rows import Cells, Weights
from lmzoo.interface import Array, Ids, Progress
from lmzoo.ngrams.out_of_core import Scratch

Rows = tuple[Array, Array, Array]  # values, columns and bounds of rows, as in a CSR matrix


def count_tokens(tokens: DistributedIds, vocab_size: int) -> Array:
    """Occurrences of each word, (V,) int64."""
    workers = tokens.workers
    counts = workers.reduce(_sum, [workers.submit(_tally, chunk, vocab_size) for chunk in tokens.chunks])
    (whole,) = workers.gather("counting words", [counts])
    return np.asarray(whole, np.int64)


def _tally(ids: Ids, vocab_size: int) -> Array:
    return np.bincount(ids, minlength=vocab_size)


def _sum(counts: Sequence[Array]) -> Array:
    return np.sum(counts, axis=0)


def thin(tokens: DistributedIds, keep: Array, seed: int) -> DistributedIds:
    """Those of `tokens` that are kept, each word w with probability keep[w], as in one process."""
    workers, shared = tokens.workers, tokens.workers.share(keep)
    chunks = [
        workers.submit(rows.thinned, chunk, shared, seed, start)
        for chunk, start in zip(tokens.chunks, tokens.starts(), strict=True)
    ]
    lengths = workers.gather("reading", [workers.submit(len, chunk) for chunk in chunks])
    return DistributedIds(workers, tuple(chunks), tuple(lengths))


def count_rows(text: DistributedIds, counts: Array, weights: Weights) -> Cells:
    """`rows.count_rows` of `end` and the `text`, in whose chunks the words have these `counts` (V,)."""
    workers, end = text.workers, len(counts) - 1
    window = len(weights.by_distance)
    cuts = workers.cuts(counts)
    before = [ids if len(ids) == window else np.append(np.int32(end), ids) for ids in text.before(window)]
    counted = [
        workers.submit(count_chunk, *chunk, weights, len(counts), cuts)
        for chunk in zip(text.chunks, before, strict=True)
    ]
    merged = [
        workers.submit(merge, [workers.submit(getitem, chunk, n) for chunk in counted], weights.unit, len(counts))
        for n in range(len(cuts) - 1)
    ]
    workers.wait("counting pairs", counted)
    del counted
    lengths, columns, values = (list(column) for column in zip(*workers.gather("adding pairs", merged), strict=True))
    return lengths, columns, values


def count_chunk(ids: Ids, before: Ids, weights: Weights, vocab_size: int, cuts: Sequence[int]) -> list[Rows]:
    """The pairs whose later word is in the chunk `ids` (T,), with the `before` that precede it, for each range of rows:
    int64, in units of the weights.
    """
    table = _table(np.concatenate([before, ids]), weights, vocab_size) - _table(before, weights, vocab_size)
    parts = (table[first:stop] for first, stop in pairwise(cuts))
    return [(part.data, part.indices, part.indptr) for part in parts]  # of scipy's arrays Dask sees no size


def _table(text: Array, weights: Weights, vocab_size: int) -> Any:
    from scipy.sparse import csr_array

    counts = np.bincount(text, minlength=vocab_size)
    lengths, columns, values = map(np.concatenate, rows.count_rows(text, counts, weights, True, Scratch(), Progress()))
    return csr_array((values, columns, np.append(0, np.cumsum(lengths))), (vocab_size, vocab_size))


def merge(parts: Sequence[Rows], unit: int, vocab_size: int) -> tuple[Array, Array, Array]:
    """The sum of a range of rows of all chunks: the cells of each row, their columns, and their values in float32."""
    from scipy.sparse import csr_array

    tables: list[Any] = [csr_array(part, (len(part[2]) - 1, vocab_size)) for part in parts]
    while len(tables) > 1:  # neighbours first: each cell is added to as often as the logarithm of their number
        tables = [sum(tables[i + 1 : i + 2], tables[i]) for i in range(0, len(tables), 2)]
    table = tables[0]
    return np.diff(table.indptr), table.indices.astype(np.int32), (table.data * (1.0 / unit)).astype(np.float32)
