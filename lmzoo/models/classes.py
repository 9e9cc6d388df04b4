"""The class n-gram: predict the kind of word that comes next, then the word (Brown et al. 1992, §3).

    p(w | h) = p(w | c(w)) · p(c(w) | c of each word in h)

Every word w is in one class c(w). A text shows all sequences of three classes far more often than those of three
words, so much less is left to smoothing, and what was learned of "Tuesday" holds for "Wednesday". The price is that
within a class all history is forgotten: alone it predicts worse than the word n-gram, mixed with it better (§3).

The classes are those under which the class bigram finds the training text likeliest, as far as exchanging single
words leads (`ngrams/exchange_clustering.py`; Kneser & Ney 1993, Martin, Liermann & Ney 1998). Brown et al. merge
classes instead,
to the same end; exchange is faster and its likelihoods are as good or better.

p(c | classes before) is an n-gram of classes with modified Kneser-Ney smoothing (`ngram.py`): they used
Jelinek-Mercer. p(w | c) = c(w) / c(c) is how often the word was meant, of all the times the class was. `end` is a
class of its own, so contexts stop there. Words that never occur in the training text form one more class, in which
all are alike; the class n-gram gives it, like every n-gram it has not seen, what smoothing sets aside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmzoo.errors import FormatError, UsageError
from lmzoo.interface import Data, Encoder, Ids, LanguageModel, Run, State, check_ids
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams.exchange_clustering import cluster

Array = NDArray[Any]
MOST = 5000  # classes: two tables of their pairs are 400 MB
INNER = "ngram."  # before the names of the class n-gram's arrays


@dataclass
class Classes(LanguageModel, Encoder):
    """P(w | the classes of the last order-1 tokens): an n-gram of word classes, which are found by exchange."""

    classes: int = 200  # how many classes the words are put in, 1 to 5000; `end` and unseen words have their own
    order: int = 3  # the longest n-gram of classes that is counted, 1 to 64
    rounds: int = 50  # how often every word is tried in every class, at most; it ends when none moves

    name: ClassVar[str] = "classes"
    year: ClassVar[int] = 1992
    paper: ClassVar[str] = "Brown et al. 1992, Class-Based n-gram Models of Natural Language"
    family: ClassVar[str] = "count"
    label_settings: ClassVar[Mapping[str, str]] = {"classes": "{} classes"}

    def __post_init__(self) -> None:
        if not 1 <= self.classes <= MOST:
            raise UsageError(f"classes must be 1 to {MOST}, not {self.classes}: every word is in one of them")
        if self.rounds < 0:
            raise UsageError(f"rounds must be 0 or more, not {self.rounds}: 0 leaves the words where they start")
        if not 1 <= self.order <= 64:
            raise UsageError(f"order must be 1 to 64, not {self.order}: it is the length of the longest n-gram")

    @property
    def reach(self) -> int:
        """It sees the classes of order - 1 tokens back."""
        return self.order - 1

    def warm_up(self) -> None:
        """Have the loops compiled, or loaded where they were before."""
        tokens = np.array([0, 1, 2], dtype=np.int32)
        Classes(classes=2).fit(Data.of(tokens, tokens, 4)).log_probs_many([tokens])

    @property
    def title(self) -> str:
        """ "class 3-gram"."""
        return f"class {self.order}-gram"

    def fit(self, data: Data, run: Run | None = None) -> Self:
        """Put the words of `data.train` in classes, and count these. `remarks` says where there was too little."""
        run = run or Run()
        train, vocab_size = data.train, data.vocab_size
        self.vocab_size_ = vocab_size
        self.class_of_, _ = cluster(train, vocab_size, self.classes, self.rounds, run.progress)
        self.word_probs_ = _within_classes(train, self.class_of_)
        self.ngram_ = Ngram(order=self.order)
        self.ngram_.fit(
            Data.of(self.class_of_[train], self.class_of_[data.valid], self._end_class + 1, data.refit), run
        )
        self.remarks = self._what_was_done(np.unique(train[train != vocab_size - 1]).size)
        return self

    def _what_was_done(self, words: int) -> Sequence[str]:
        few = [f"the text has {words} words: as many classes, not {self.classes}"] if words < self.classes else []
        return [*few, *(f"in the n-grams of classes: {remark}" for remark in self.ngram_.remarks)]

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
        """How often each class occurs in the training text, (G,): from the most frequent, and `end`'s last."""
        counts: Array = self.ngram_.trie_.counts[1 : self._end_class + 2]
        return counts

    def size(self) -> tuple[int, str]:
        """The distinct n-grams of classes, and the V words' probabilities in theirs."""
        return self.ngram_.size()[0] + self.vocab_size_, "class n-grams"

    def arrays(self) -> dict[str, Array]:
        """Each word's class and probability in it, (V,), and the arrays of the class n-gram."""
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

    # A state is the class n-gram's: the longest context of classes that was seen in training.

    def start(self) -> State:
        """The context that consists of `end`."""
        return self.ngram_.start()

    def advance(self, state: State, tokens: Ids) -> State:
        """The state after reading `tokens` (T,): their classes are all that is seen of them."""
        return self.ngram_.advance(state, self._classes(tokens))

    def next_log_probs(self, state: State) -> Array:
        """log P of every token, (V,), in nats: of its class (G,), and in it."""
        log_probs: Array = self.ngram_.next_log_probs(state)[self.class_of_] + np.log(self.word_probs_)
        return log_probs

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
        """Which class each token is in: a one among zeros, (T, G)."""
        found = np.zeros((len(tokens), self._end_class + 1), dtype=np.float32)
        found[np.arange(len(tokens)), self._classes(tokens)] = 1
        return found

    def _classes(self, tokens: ArrayLike) -> Array:
        classes: Array = self.class_of_[check_ids(tokens, self.vocab_size_)]
        return classes


def _within_classes(train: Ids, class_of: Array) -> Array:
    """p(w | its class), (V,): relative frequencies; where a class was never seen, its words are alike."""
    counts = np.bincount(train, minlength=len(class_of)).astype(float)
    unseen = np.bincount(class_of, counts)[class_of] == 0
    counts[unseen] = 1
    probs: Array = counts / np.bincount(class_of, counts)[class_of]
    return probs
