"""word2vec: word vectors learned by predicting words from their neighbours (Mikolov, Chen, Corrado & Dean 2013).

    skip-gram   in(c) predicts w, for each c up to r tokens from w, with r drawn from 1 … window for each w
    CBOW        the mean of all those in(c) predicts w

The objective, maximised by stochastic gradient ascent with a linearly decaying learning rate, is either of

    negative sampling      log σ(out(w) · in(c)) + Σ_{i ≤ k} log σ(-out(n_i) · in(c))     n_i ~ p(n)^¾
    hierarchical softmax   Σ_j log σ(±node_j · in(c)) over the inner nodes j on the path to w in a Huffman tree

Negative sampling, and subsampling of frequent words with probability 1 - √(t/f), are from Mikolov, Sutskever, Chen,
Corrado & Dean (2013). The vector of a word is in(w). The predictor's score is out(w) · in(c), whose optimum is
PMI(w, c) - log k (Levy & Goldberg 2014); hierarchical softmax has no out(w), so there it is in(w) · in(c).

Departures: as in the authors' program, subsampling keeps √(t/f) + t/f. gensim does the training (Řehůřek & Sojka 2010):
given the same lines, settings, seed and one worker, the vectors are gensim's own, to the bit. Sentences are the text
between `end`s, cut every 10,000 tokens; `end` is no word, and its vector is zero, as are those of rare words.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from lmzoo.embeddings.predictor import LowRank
from lmzoo.errors import LmzooError, UsageError, in_range, not_installed, one_of
from lmzoo.interface import Array, Ids, Run

ARCHITECTURES = ("skip-gram", "cbow")
OUTPUTS = ("negative-sampling", "hierarchical-softmax")
LONGEST_SENTENCE = 10_000  # tokens: gensim ignores the rest of a longer one
KEPT = 1 << 24  # tokens of a text whose sentences are kept from one epoch to the next, at most
POLL = 0.1  # seconds between two updates of the progress bar


@dataclass
class Word2Vec(LowRank):
    """Words as dense vectors that predict the words around them."""

    dimensions: int = 100  # of a word vector (gensim: vector_size)
    window: int = 5  # largest distance of a context, in tokens, 1 or more; the predictor looks back as far
    architecture: str = "skip-gram"  # skip-gram, or cbow: the mean of all neighbours predicts a word (gensim: sg)
    output: str = "negative-sampling"  # negative-sampling or hierarchical-softmax (gensim: hs)
    negative: int = 5  # k, the negative samples for each positive one
    noise_exponent: float = 0.75  # negative samples are drawn by word frequency to this power (gensim: ns_exponent)
    subsample: float = 1e-3  # t: drop occurrences of words more frequent than this share; 0: none (gensim: sample)
    min_count: int = 5  # words that occur less often are dropped
    epochs: int = 5  # passes over the text
    learning_rate: float = 0.025  # initial learning rate (gensim: alpha)
    min_learning_rate: float = 1e-4  # final learning rate, after linear decay (gensim: min_alpha)
    cbow_mean: bool = True  # false: the sum of the neighbours' vectors predicts instead of their mean
    workers: int = 1  # threads; with more than one, results are not reproducible

    name: ClassVar[str] = "word2vec"
    year: ClassVar[int] = 2013
    paper: ClassVar[str] = (
        "Mikolov, Chen, Corrado & Dean 2013, Efficient Estimation of Word Representations in Vector Space"
    )
    family: ClassVar[str] = "association"
    label_settings: ClassVar[Mapping[str, str]] = {"dimensions": "{} dimensions"}

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"dimensions": 8, "window": 2, "min_count": 1, "subsample": 0.0, "learning_rate": 0.1}
    }  # for a first try

    def __post_init__(self) -> None:
        for kind, known in (("architecture", ARCHITECTURES), ("output", OUTPUTS)):
            one_of(kind, getattr(self, kind), known)
        for key in ("dimensions", "window", "negative", "min_count", "epochs", "workers"):
            in_range(key.replace("_", "-"), getattr(self, key), 1)
        if not 0 <= self.subsample < 1:
            raise UsageError(f"subsample must be 0 or a share of the text below 1, as 1e-3, not {self.subsample}")
        if not 0 < self.min_learning_rate <= self.learning_rate < float("inf"):
            raise UsageError(
                f"the learning rate must fall from learning-rate to min-learning-rate, both above 0, not from "
                f"{self.learning_rate} to {self.min_learning_rate}"
            )
        if not np.isfinite(self.noise_exponent):
            raise UsageError(f"noise-exponent must be finite, not {self.noise_exponent}: 0.75 is the papers'")

    @property
    def title(self) -> str:
        """ "skip-gram", "CBOW with hierarchical softmax"."""
        title = "CBOW" if self.architecture == "cbow" else self.architecture
        return title if self.output == OUTPUTS[0] else f"{title} with {self.output.replace('-', ' ')}"

    def warm_up(self) -> None:
        """Import gensim, which takes a second or more. Without it a trained model can still be used."""
        if find_spec("gensim"):
            super().warm_up()

    def _learn(self, train: Ids, vocab_size: int, run: Run) -> None:
        try:
            from gensim.models import Word2Vec as Gensim
        except ImportError:
            raise not_installed("word2vec", "gensim") from None
        sentences = Sentences(train, vocab_size - 1)
        self._check(sentences)
        model = Gensim(
            vector_size=self.dimensions, window=self.window, sg=int(self.architecture == "skip-gram"),
            hs=int(self.output == "hierarchical-softmax"),
            negative=self.negative if self.output == "negative-sampling" else 0, ns_exponent=self.noise_exponent,
            sample=self.subsample, min_count=self.min_count, epochs=self.epochs, alpha=self.learning_rate,
            min_alpha=self.min_learning_rate, cbow_mean=int(self.cbow_mean), workers=self.workers,
            seed=run.seed % 2**32,
        )  # fmt: skip
        model.build_vocab_from_freq(sentences.counts, corpus_count=len(sentences))
        _train(model, sentences, run)
        ids = np.array(model.wv.index_to_key).astype(np.int64)  # gensim sorts by frequency
        self.words_ = _rows(model.wv.vectors, ids, vocab_size)  # in(w), (V, D)
        vars(self).pop("outputs_", None)  # out(w), (V, D); hierarchical softmax has none
        if self.output == "negative-sampling":
            self.outputs_ = _rows(model.syn1neg, ids, vocab_size)
        if not all(np.isfinite(table).all() for table in self._tables()):
            raise LmzooError(
                f"training diverged, vectors are not finite: try --learning-rate {self.learning_rate / 3:.1g} (it is "
                f"{self.learning_rate})"
            )

    def _check(self, sentences: "Sentences") -> None:
        """Raises UsageError for a text with fewer than two frequent words, or shorter than the window."""
        frequent = sum(count >= self.min_count for count in sentences.counts.values())
        if frequent < 2:
            raise UsageError(
                f"of {len(sentences.counts)} different words {frequent} are in these {sentences.tokens:,} tokens "
                f"often enough (min-count {self.min_count}), and only two can co-occur: lower min-count, or "
                "train on another text"
            )
        if self.window > sentences.tokens:
            raise UsageError(f"window must be at most the text's length, {sentences.tokens:,} words, not {self.window}")

    def _tables(self) -> tuple[Array, ...]:
        return tuple(vars(self)[key] for key in ("words_", "outputs_") if key in vars(self))

    def vectors(self) -> Array:
        """in(w) of every word, (V, D) float32."""
        return self.words_

    def factors(self) -> tuple[Array, Array]:
        """out(w), or in(w) if there is none, and in(c): (V, D) each."""
        return self._tables()[-1], self.words_


class Sentences:
    """A text (T,) as an iterable of sentences for gensim: lists of words, each an id in decimal digits.

    `counts`: word → occurrences, in order of first occurrence, which is how gensim breaks ties; `tokens`: the number of
    words; `read`: how many gensim has read so far, in all epochs.
    """

    def __init__(self, train: Ids, end: int):
        self._train = train
        self._starts, self._stops = _cut(train, end)
        self._names = np.array([str(i) for i in range(end)], dtype=object)
        counts, first = np.bincount(train, minlength=end + 1)[:end], np.zeros(end + 1, np.int64)
        first[train[::-1]] = np.arange(len(train))[::-1]  # of equal words the first is written last
        seen = np.flatnonzero(counts)
        self.counts = {str(i): int(counts[i]) for i in seen[np.argsort(first[seen])].tolist()}
        self.tokens = sum(self.counts.values())
        self.read = 0
        self._kept: list[list[str]] | None = None
        self._stopped = False

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[list[str]]:
        if self._kept is None and self.tokens <= KEPT:
            self._kept = list(self._named())
        for sentence in self._named() if self._kept is None else self._kept:
            if self._stopped:
                return
            yield sentence
            self.read += len(sentence)

    def _named(self) -> Iterator[list[str]]:
        for start, stop in zip(self._starts.tolist(), self._stops.tolist(), strict=True):
            yield self._names[self._train[start:stop]].tolist()

    def stop(self) -> None:
        """Yield no more sentences, so that an interrupted training ends by itself."""
        self._stopped = True


def _cut(train: Ids, end: int) -> tuple[Array, Array]:
    """Where the sentences of `train` (T,) start and stop, without empty ones."""
    ends = np.flatnonzero(train == end)
    starts, stops = np.append(0, ends + 1), np.append(ends, len(train))
    pieces = -(-(stops - starts) // LONGEST_SENTENCE)  # rounded up; 0 for an empty one
    before = np.repeat(np.cumsum(pieces) - pieces, pieces)
    cut = np.repeat(starts, pieces) + LONGEST_SENTENCE * (np.arange(pieces.sum()) - before)
    return cut, np.minimum(cut + LONGEST_SENTENCE, np.repeat(stops, pieces))


def _train(model: Any, sentences: Sentences, run: Run) -> None:
    """Let gensim train in another thread: it reports no progress within an epoch, but `sentences` does."""
    epochs = model.epochs
    with ThreadPoolExecutor(1) as pool, run.progress.task("training word2vec", epochs * sentences.tokens) as task:
        training = pool.submit(model.train, sentences, total_examples=len(sentences), epochs=epochs)
        seen = 0
        try:
            while not training.done():
                wait([training], POLL)
                task.advance(sentences.read - seen, f"epoch {min(epochs, 1 + sentences.read // sentences.tokens)}")
                seen = sentences.read
        finally:
            sentences.stop()
        training.result()


def _rows(vectors: Array, ids: Array, vocab_size: int) -> Array:
    """gensim's `vectors` (N, D) as rows of a (V, D) table, zeros elsewhere."""
    table = np.zeros((vocab_size, vectors.shape[1]), dtype=np.float32)
    table[ids] = vectors
    return table
