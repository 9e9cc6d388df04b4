"""The class n-gram: predict the class of the next word, then the word within its class (Brown et al. 1992, §3).

    p(w | h) = p(w | c(w)) · p(c(w) | c of each word in h)

Every word w belongs to one class c(w). Trigrams of classes are far less sparse than those of words, so less depends on
smoothing, and what is learned about "Tuesday" applies to "Wednesday". But within a class the history is ignored: alone
the model is worse than the word n-gram, and interpolated with it better (§3).

Classes maximise the likelihood of the training text under the class bigram, as far as exchanging single words leads
(`ngrams/exchange_clustering.py`; Kneser & Ney 1993, Martin, Liermann & Ney 1998).

Departures: Brown et al. merge classes bottom-up; exchange is faster and reaches likelihoods as good or better. They
smooth the class n-gram by Jelinek-Mercer; here it has modified Kneser-Ney (`ngram.py`). p(w | c) = c(w) / c(c) is the
relative frequency within the class. `end` is a class of its own, so that contexts stop there. Words that do not occur
in the training text form one more class, uniform within, which gets what smoothing leaves to unseen class n-grams.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from lmzoo.errors import FormatError, UsageError, in_range
from lmzoo.interface import Array, Data, Encoder, Ids, LanguageModel, Run, State, check_ids
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams.exchange_clustering import cluster

MOST = 5000  # classes: two tables of class bigrams take 400 MB
INNER = "ngram."  # prefix of the names of the class n-gram's arrays


@dataclass
class Classes(LanguageModel, Encoder):
    """P(w | the classes of the last order-1 tokens): an n-gram of word classes, found by the exchange algorithm."""

    classes: int = 200  # number of word classes, 1 to 5000; `end` and unseen words have their own
    order: int = 3  # length of the longest n-grams of classes, 1 to 64
    rounds: int = 50  # passes over the vocabulary, at most; it ends when no word moves

    name: ClassVar[str] = "classes"
    year: ClassVar[int] = 1992
    paper: ClassVar[str] = "Brown et al. 1992, Class-Based n-gram Models of Natural Language"
    family: ClassVar[str] = "count"
    label_settings: ClassVar[Mapping[str, str]] = {"classes": "{} classes"}

    def __post_init__(self) -> None:
        in_range("classes", self.classes, 1, MOST, why="every word is in one of them")
        in_range("rounds", self.rounds, 0, why="0 leaves words in their initial classes")
        in_range("order", self.order, 1, 64, why="it is the length of the longest n-grams")

    @property
    def reach(self) -> int:
        """The classes of order - 1 tokens."""
        return self.order - 1

    def warm_up(self) -> None:
        """Compile the loops, or load them from numba's cache."""
        tokens = np.array([0, 1, 2], dtype=np.int32)
        Classes(classes=2).fit(Data.of(tokens, tokens, 4)).log_probs_many([tokens])

    @property
    def title(self) -> str:
        """ "class 3-gram"."""
        return f"class {self.order}-gram"

    def fit(self, data: Data, run: Run | None = None) -> Self:
        """Cluster the words of `data.train` and fit the class n-gram. `remarks` says where there were too few words."""
        run = run or Run()
        train, vocab_size = data.train, data.vocab_size
        self.vocab_size_ = vocab_size
        self.class_of_, _ = cluster(train, vocab_size, self.classes, self.rounds, run.progress)
        self.word_probs_ = _within_classes(train, self.class_of_)
        self.ngram_ = Ngram(order=self.order)
        self.ngram_.fit(
            Data.of(self.class_of_[train], self.class_of_[data.valid], self._end_class + 1, data.refit), run
        )
        words = np.unique(train[train != vocab_size - 1]).size
        few = [f"the text has {words} words: as many classes, not {self.classes}"] if words < self.classes else []
        self.remarks = [*few, *(f"in the n-grams of classes: {remark}" for remark in self.ngram_.remarks)]
        return self

    @property
    def _end_class(self) -> int:
        return int(self.class_of_[-1])

    def members(self, number: int) -> Array:
        """The words of class `number`, most frequent first. Raises UsageError where there is no such class."""
        if not 0 <= number <= self._end_class:
            raise UsageError(f"no class {number}: there are classes 0 to {self._end_class}")
        words = np.flatnonzero(self.class_of_ == number)
        return words[np.argsort(-self.word_probs_[words], kind="stable")]

    def counts(self) -> Array:
        """Occurrences of each class in the training text, (G,): descending, with that of `end` last."""
        return self.ngram_.trie_.counts[1 : self._end_class + 2]

    def size(self) -> tuple[int, str]:
        """The distinct n-grams of classes, and the V words' probabilities within their classes."""
        return self.ngram_.size()[0] + self.vocab_size_, "class n-grams"

    def arrays(self) -> dict[str, Array]:
        """Each word's class and probability within it, (V,), and the arrays of the class n-gram."""
        inner = {INNER + key: value for key, value in self.ngram_.arrays().items()}
        own = {"vocab_size": np.asarray(self.vocab_size_), "class_of": self.class_of_, "word_probs": self.word_probs_}
        return own | inner

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        inner = {key.removeprefix(INNER): value for key, value in arrays.items() if key.startswith(INNER)}
        self.ngram_ = Ngram(order=self.order).restore(inner)
        self.vocab_size_ = int(arrays["vocab_size"])
        self.class_of_, self.word_probs_ = arrays["class_of"], arrays["word_probs"]
        if not self._is_sound():
            raise FormatError("these arrays are not a class n-gram's: classes or probabilities are out of range")
        return self

    def _is_sound(self) -> bool:
        classes, probs, total = self.class_of_, self.word_probs_, self.ngram_.vocab_size_
        return bool(
            classes.shape == probs.shape == (self.vocab_size_,)
            and classes.dtype.kind == "i"
            and probs.dtype.kind == "f"
            and classes[-1] == total - 1
            and 0 <= classes.min() <= classes.max() < total
            and probs.min() > 0
            and np.allclose(np.bincount(classes, probs, total), 1)
        )

    # A state is that of the class n-gram: the longest context of classes that was seen in training.

    def start(self) -> State:
        """The context that consists of `end`."""
        return self.ngram_.start()

    def advance(self, state: State, tokens: Ids) -> State:
        """The state after reading the classes of `tokens` (T,)."""
        return self.ngram_.advance(state, self._classes(tokens))

    def next_log_probs(self, state: State) -> Array:
        """log P of every token, (V,), in nats: that of its class plus that within it."""
        return self.ngram_.next_log_probs(state)[self.class_of_] + np.log(self.word_probs_)

    def distributions(self, tokens: Ids, state: State | None = None) -> Array:
        """`next_log_probs` before each of `tokens` (T,) is read, in one pass: (T, V)."""
        rows = self.ngram_.distributions(self._classes(tokens), state)[:, self.class_of_]
        rows += np.log(self.word_probs_)
        return rows

    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Array, State]:
        """log P of each of `tokens` (T,), in nats, and the state after them."""
        classes, state = self.ngram_.log_probs(self._classes(tokens), state)
        return classes + np.log(self.word_probs_[np.asarray(tokens, dtype=np.int32)]), state

    def log_probs_many(self, texts: Sequence[ArrayLike], first: Sequence[int] | None = None) -> list[Array]:
        """`log_probs` of separate texts, or of each from its `first` token on, in one pass over all of them."""
        by_class = self.ngram_.log_probs_many([self._classes(text) for text in texts], first)
        words = [np.log(self.word_probs_[np.asarray(text, dtype=np.int32)]) for text in texts]
        return [a + b[len(b) - len(a) :] for a, b in zip(by_class, words, strict=True)]

    layer_names: ClassVar[Sequence[str]] = ("class",)

    def features(self, tokens: Ids, layer: int = -1) -> Array:  # noqa: ARG002 (there is one)
        """The class of each token, one-hot: (T, G)."""
        one_hot = np.zeros((len(tokens), self._end_class + 1), dtype=np.float32)
        one_hot[np.arange(len(tokens)), self._classes(tokens)] = 1
        return one_hot

    def _classes(self, tokens: ArrayLike) -> Array:
        return self.class_of_[check_ids(tokens, self.vocab_size_)]


def _within_classes(train: Ids, class_of: Array) -> Array:
    """p(w | its class), (V,): relative frequencies, and uniform in a class that was never seen."""
    counts = np.bincount(train, minlength=len(class_of)).astype(float)
    unseen = np.bincount(class_of, counts)[class_of] == 0
    counts[unseen] = 1
    return counts / np.bincount(class_of, counts)[class_of]
