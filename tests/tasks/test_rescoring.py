"""N-best rescoring: word errors, the choice between candidates, and its weight."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data import corpus, tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform
from lmzoo.tasks import nbest, rescoring
from lmzoo.tasks.nbest import Candidate, NBest
from lmzoo.tasks.rescoring import RescoringTest
from tests.fake_models import Knowing

BYTES = tokenizers.train("byte", "")


def oracle(lists):
    """A model that gives the references a probability of 1, and everything else less."""
    references = (tuple(BYTES.encode(one.before + one.reference + one.after)) for one in lists)
    return Knowing(references, BYTES.vocab_size, otherwise=-9.0)


def uniform():
    return Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), BYTES.vocab_size))


# ── Word error rate ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reference", "text", "errors"),
    [
        ("the cat sat", "the cat sat", 0),
        ("the cat sat", "the  cat\nsat ", 0),
        ("the cat sat", "the bat sat", 1),
        ("the cat sat", "the sat", 1),
        ("the cat sat", "the cat sat down", 1),
        ("recognise speech", "wreck a nice beach", 4),
        ("it is hard to recognise speech", "it is hard to wreck a nice beach", 4),
        ("a b c d", "b c d a", 2),
        ("the cat", "", 2),
    ],
)
def test_word_errors_by_hand(reference, text, errors):
    assert rescoring.word_errors(reference, text) == errors


@functools.cache
def distance(a, b):
    """Levenshtein's, from its definition."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b[1:]) + (a[0] != b[0]), distance(a[1:], b) + 1, distance(a, b[1:]) + 1)


@given(st.lists(st.sampled_from("abc"), max_size=7), st.lists(st.sampled_from("abc"), max_size=7))
def test_word_errors_are_the_levenshtein_distance(one, other):
    assert rescoring.word_errors(" ".join(one), " ".join(other)) == distance(tuple(one), tuple(other))


# ── The choice ────────────────────────────────────────────────────────────────────────────────────


def test_the_rate_is_over_the_words_of_the_tested_lists_by_hand():
    wrong = NBest("a b c d", (Candidate("a b x d", 0.0), Candidate("a b c d", -1.0)))
    right = NBest("a b", (Candidate("a b", 0.0), Candidate("b", -1.0)))
    test = RescoringTest.of([wrong, right, wrong])  # the third is for fitting
    assert test.is_fitted_on.tolist() == [False, False, True]
    assert test.result(test.errors_of_first, "task", "").value == 1 / 6
    assert test.result(test.errors_of_best, "task", "").value == 0
    result = test.result(test.errors_of_first, "task", "how")
    assert (result.kind, result.metric, result.items, result.training) == ("rescoring", "word error rate", 2, 1)
    assert result.protocol == "lower is better; how"


def test_a_model_that_knows_the_references_makes_no_errors(lists):
    test = RescoringTest.of(lists)
    everywhere = [one for one in lists if one.has_reference]
    result, _ = rescoring.rescore(TextModel(oracle(lists), BYTES), RescoringTest.of(everywhere))
    assert result.value == 0
    assert result.details["weight"] > 0
    assert test.rate(test.errors_of_best, ~test.is_fitted_on) < test.rate(test.errors_of_first, ~test.is_fitted_on)


def test_with_weight_zero_the_first_candidates_are_chosen(lists):
    test = RescoringTest.of(lists)
    result, _ = rescoring.rescore(TextModel(uniform(), BYTES), test, weight=0.0)
    assert result.details["weight"] == 0
    assert result.value == result.chance == test.rate(test.errors_of_first, ~test.is_fitted_on)
    assert result.interval[0] < result.value < result.interval[1]
    assert result.protocol == "lower is better; weight 0, weight given"


def test_no_choice_has_fewer_errors_than_the_oracle(lists):
    test, source = RescoringTest.of(lists), np.random.default_rng(0)
    for weight in (0.1, 10):
        chosen = test.errors_of_choices([source.normal(size=len(scores)) for scores in test.scores], weight)
        assert (chosen >= test.errors_of_best).all()


def test_the_weight_is_fitted_on_lists_that_are_not_tested():
    better = NBest("a b", (Candidate("a x", 0.0), Candidate("a b", -4.0)))
    worse = NBest("a x", (Candidate("a x", 0.0), Candidate("a b", -4.0)))
    for third, expected in ((better, 5.0), (worse, 1.0)):
        test = RescoringTest.of([better, worse, third])
        assert test.fit_weight([np.array([-1.0, 0.0])] * 3) == expected


def test_the_text_in_front_is_read_and_the_text_behind_is_scored():
    text = "the cat sat on the mat and the dog sat on the log\n" * 20
    ids = BYTES.encode(text)
    model = Ngram(order=4).fit(Data.of(ids, ids, BYTES.vocab_size))
    one = NBest("cat", (Candidate("cat", 0.0), Candidate("dog", 0.0)), "the ", " sat")
    (found,) = rescoring.log_probs(TextModel(model, BYTES), [one])
    for candidate, log_prob in zip(("cat", "dog"), found, strict=True):
        whole, before = (model.log_probs(BYTES.encode(t))[0].sum() for t in (f"the {candidate} sat", "the "))
        assert log_prob == pytest.approx(whole - before)


def test_lists_are_normalized_for_a_closed_vocabulary():
    text = " the cat sat \n the dog sat \n" * 5
    made = tokenizers.train("split", text, lines=True)
    ids = made.encode(text)
    model = Ngram(order=2).fit(Data.of(ids, ids, made.vocab_size))
    (found,) = rescoring.log_probs(
        TextModel(model, made), [NBest("the cat sat", (Candidate("the cat sat", 0.0),), after="\n")]
    )
    assert found[0] == pytest.approx(model.log_probs(made.encode(" the cat sat \n"))[0].sum())


def test_a_probability_of_zero_gives_no_value_and_a_note(lists):
    ids = BYTES.encode("the cat sat on the mat")
    model = Ngram(order=2, smoothing="ml").fit(Data.of(ids, ids, BYTES.vocab_size))
    result, _ = rescoring.rescore(TextModel(model, BYTES), RescoringTest.of(lists))
    assert result.value is None
    assert "weight" not in result.details
    assert "must give every token a probability above zero" in result.note


def test_a_tokenizer_that_cannot_encode_a_candidate_gives_no_value_and_a_note(lists):
    closed = tokenizers.train("split", "the cat sat\n", lines=True)
    model = Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), closed.vocab_size))
    result, _ = rescoring.rescore(TextModel(model, closed), RescoringTest.of(lists))
    assert result.value is None
    assert "is not in the closed vocabulary" in result.note


def test_one_list_is_too_few():
    with pytest.raises(UsageError, match=r"there must be 2 n-best lists or more, .*, not 1"):
        RescoringTest.of([NBest("a", (Candidate("a", 0.0),))])


@pytest.mark.data
def test_five_words_of_context_lower_the_word_error_rate_on_the_treebank(treebank_5gram):
    treebank, words = corpus.load("ptb"), treebank_5gram.tokenizer
    test = RescoringTest.of(nbest.make(treebank, lists=150, candidates=30))
    unigram = Ngram(order=1).fit(Data.of(words.encode(treebank.train), [], words.vocab_size))
    rates = {}
    for order, text_model in ((1, TextModel(unigram, words)), (5, treebank_5gram)):
        rates[order] = rescoring.rescore(text_model, test)[0].value
    first, best = (test.rate(errors, ~test.is_fitted_on) for errors in (test.errors_of_first, test.errors_of_best))
    assert best < rates[5] < 0.85 * first
    assert rates[5] < rates[1]
