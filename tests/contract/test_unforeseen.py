"""Faults that no check was written for: fifteen were tried, two were caught, and ten have a check by now.

The other three break no promise: an array that is lent must not be written to, `advance` need not check ids that its
caller has checked, and a model may need more than one token to learn from.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from tests.contract.right_models import Bigram, fault, log_normalised


class WideIds(Bigram):
    """Keeps the last token in a byte: right for up to 256 tokens."""

    def advance(self, state, tokens):
        return int(np.uint8(tokens[-1] & 255)) if len(tokens) else state


class OneBuffer(Bigram):
    """Writes every prediction into one array, so that an earlier one changes while it is still looked at."""

    def next_log_probs(self, state):
        buffer = vars(self).setdefault("buffer", np.empty(self.vocab_size_))
        buffer[:] = super().next_log_probs(state)
        return buffer


class FitAddsUp(Bigram):
    """Fitted again, it still has what it learned before."""

    def fit(self, data, run=None):
        before = vars(self).get("counts_", 0.0)
        super().fit(data)
        if np.shape(before) == np.shape(self.counts_):
            self.counts_ = self.counts_ + before
        return self


class SharedByClass(Bigram):
    """Its counts belong to the class, so all its models are the last one that was fitted."""

    shared: ClassVar[dict[int, np.ndarray]] = {}

    def fit(self, data, run=None):
        super().fit(data)
        self.shared[data.vocab_size] = self.counts_
        return self

    def next_log_probs(self, state):
        return log_normalised(self.shared.get(self.vocab_size_, self.counts_)[state])


class WrongInShort(Bigram):
    """Gives a text of up to three tokens the scores of a uniform distribution."""

    def log_probs(self, tokens, state=None):
        scores, state = super().log_probs(tokens, state)
        return (np.full(len(scores), -np.log(self.vocab_size_)) if 0 < len(scores) <= 3 else scores), state


class OneType(Bigram):
    """Reads ids of 64 bits as pairs of ids of 32."""

    def log_probs(self, tokens, state=None):
        ids = np.asarray(tokens)
        return super().log_probs(ids.view(np.int32)[::2] * 0 if ids.dtype == np.int64 and ids.size else ids, state)


@dataclass
class ChangesSettings(Bigram):
    """Finds a better setting while it is fitted, and puts it in place of the one it was given."""

    name: ClassVar[str] = "changes-settings"
    add: float = 1.0  # what every count starts from

    def fit(self, data, run=None):
        self.add = 0.5
        return super().fit(data)


class NoEmptyBatch(Bigram):
    """Knows no batch without texts."""

    def log_probs_many(self, texts, first=None):
        assert max(len(text) for text in texts) >= 0
        return super().log_probs_many(texts, first)


class Contiguous(Bigram):
    """Reads the memory behind the ids as if there were no gaps between them: a view of every second one is misread."""

    def log_probs(self, tokens, state=None):
        ids = np.asarray(tokens)
        if ids.base is not None and ids.ndim == 1 and ids.strides[0] > ids.itemsize and ids.base.dtype == ids.dtype:
            ids = ids.base.ravel()[: len(ids)]
        return super().log_probs(ids, state)


class EmptyRows(Bigram):
    """Of no tokens it has predictions of no shape."""

    def distributions(self, tokens, state=None):
        return super().distributions(tokens, state) if len(tokens) else np.empty(0)


@dataclass
class ManyCuts(Bigram):
    """A state that has been read on from more than three times in pieces of more than one token is lost."""

    name: ClassVar[str] = "many-cuts"

    def start(self):
        return (self.vocab_size_ - 1, 0)

    def advance(self, state, tokens):
        return (int(tokens[-1]), state[1] + (len(tokens) > 1)) if len(tokens) else state

    def next_log_probs(self, state):
        return super().next_log_probs(state[0] if state[1] <= 3 else 0)


class LazyTable(Bigram):
    """Makes its table at the first question for a prediction; a score that is asked for before that is uniform."""

    def next_log_probs(self, state):
        vars(self)["ready"] = True
        return super().next_log_probs(state)

    def log_probs(self, tokens, state=None):
        ready = "ready" in vars(self)
        scores, after = super().log_probs(tokens, state)
        return (scores if ready else np.full(len(scores), -np.log(self.vocab_size_))), after


class AnyIdInRows(Bigram):
    """Takes an id that is none for another token, where only rows of predictions are asked for."""

    def distributions(self, tokens, state=None):
        return super().distributions(np.asarray(tokens) % self.vocab_size_, state)


MUTANTS = [
    (WideIds, "ids_above_255", "are they kept in a byte?"),
    (OneBuffer, "predictions_share_no_buffer", "not one buffer for all"),
    (FitAddsUp, "fit_starts_anew", "fitted on one text and then on another"),
    (SharedByClass, "asking_changes_nothing", "predicting must not change what was learned"),
    (WrongInShort, "scoring_cut_anywhere", "cut after 1 tokens"),
    (OneType, "ids_of_any_kind", "ids of 64 bits"),
    (ChangesSettings, "fit", "fit changed its settings"),
    (NoEmptyBatch, "empty_batch", "it raised ValueError"),
    (Contiguous, "ids_of_any_kind", "in a view of every second place"),
    (EmptyRows, "empty_batch", "not (0, V)"),
    (ManyCuts, "long_text_cut_anywhere", "read in pieces"),
    (LazyTable, "any_question_first", "called first on a model that was just loaded, log_probs gives"),
    (AnyIdInRows, "bad_id_is_named", "went unnoticed"),
]


@pytest.mark.parametrize(("broken", "check", "teaches"), MUTANTS)
def test_an_unforeseen_fault_is_caught_by_name(broken, check, teaches):
    assert teaches in fault(broken, check)
