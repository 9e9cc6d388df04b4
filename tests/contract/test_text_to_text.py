"""Text-to-text models broken on purpose: the decoder's faults from `start_after`, and those of sources."""

import numpy as np
import pytest

from lmzoo import testing
from tests.contract.right_models import Copying, failures, fault


class RemembersTheLastSource(Copying):
    """Keeps the encoded source in the model, so that every state decodes from the last one read."""

    def start_after(self, source):
        self.source = super().start_after(source)[1]
        return self.vocab_size_ - 1, ()

    def next_log_probs(self, state):
        return super().next_log_probs((state[0], self.source))


class ReversesTheSource(Copying):
    """Reads its source backwards, in place."""

    def start_after(self, source):
        state = super().start_after(source)
        source[:] = source[::-1].copy()
        return state


class AnySource(Copying):
    """Counts -1 as the last token of the vocabulary."""

    def start_after(self, source):
        return super().start_after(np.clip(source, 0, self.vocab_size_ - 1))


class OnlyAfterASource(Copying):
    """Divides by the length of the source."""

    def start_after(self, source):
        last, counts = super().start_after(source)
        with np.errstate(invalid="ignore", divide="ignore"):
            return last, tuple(np.array(counts) * len(source) / len(source))


class ForgetsItsSource(Copying):
    """Loses the source when it reads many tokens at once."""

    def advance(self, state, tokens):
        flat = tuple(np.full(self.vocab_size_, 1 / self.vocab_size_))
        return (int(tokens[-1]), flat) if len(tokens) > 40 else super().advance(state, tokens)


MUTANTS = [
    (RemembersTheLastSource, "sources_stay_apart", "in the state, not in the model"),
    (ReversesTheSource, "sources_stay_apart", "changed the source"),
    (AnySource, "bad_source_id_is_named", "check_ids"),
    (OnlyAfterASource, "sums_to_one", "nan"),
    (ForgetsItsSource, "cut_anywhere", "is not advance over the whole"),
]


def test_the_model_that_is_broken_here_is_right():
    assert failures(Copying) == {}


def test_it_has_the_decoders_checks_and_none_that_need_the_probability_of_a_text():
    names = testing.check_names(Copying)
    assert "sums_to_one" in names
    assert "scoring_equals_stepping" not in names


@pytest.mark.parametrize(("broken", "check", "teaches"), MUTANTS)
def test_a_broken_model_is_caught_by_name(broken, check, teaches):
    assert teaches in fault(broken, check)
