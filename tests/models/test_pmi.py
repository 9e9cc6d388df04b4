"""PMI: the formula, its variants, and the bigram that it is when its window is one token to the left."""

import numpy as np
import pytest
import scipy.sparse

from lmzoo import testing
from lmzoo.data import corpus
from lmzoo.errors import FormatError, UsageError
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Run
from lmzoo.models.pmi import PMI, pmi
from lmzoo.runs import train

V = testing.VOCAB_SIZE
TRAIN, VALID = testing.practice_text(3000), testing.practice_text(500, seed=1)
COUNTS = np.array([[0, 4, 2], [4, 0, 1], [2, 1, 0]], dtype=np.float32)


def test_the_formula_by_hand():
    found = pmi(scipy.sparse.csr_array(COUNTS), smoothing=1.0, positive=False).toarray()
    assert found[0, 1] == pytest.approx(np.log(4 * 14 / (6 * 5)))
    assert found[1, 2] == pytest.approx(np.log(1 * 14 / (5 * 3)))


def test_smoothed_contexts_have_the_total_of_smoothed_contexts():
    """Levy, Goldberg & Dagan 2015, as their program has it: n(w, c) Σ n(c)^α / (n(w) n(c)^α)."""
    contexts = np.array([6.0, 5.0, 3.0]) ** 0.75
    found = pmi(scipy.sparse.csr_array(COUNTS), smoothing=0.75, positive=False).toarray()
    assert found[1, 2] == pytest.approx(np.log(1 * contexts.sum() / (5 * contexts[2])), rel=1e-6)


def test_positive_drops_what_is_below_zero_and_shift_lowers_all():
    plain = pmi(scipy.sparse.csr_array(COUNTS), 1.0, 1.0, False).toarray()
    assert (pmi(scipy.sparse.csr_array(COUNTS), 1.0).toarray() == np.maximum(plain, 0)).all()
    shifted = pmi(scipy.sparse.csr_array(COUNTS), 1.0, 1.5, False).toarray()
    np.testing.assert_allclose(shifted[COUNTS > 0], plain[COUNTS > 0] - np.log(1.5), rtol=1e-5)


def test_symmetric_counts_have_symmetric_pmi_unless_contexts_are_smoothed():
    model = PMI(smoothing=1.0, min_count=1).fit(Data.of(TRAIN, VALID, V))
    table = model.vectors().toarray()
    np.testing.assert_allclose(table, table.T, atol=1e-6)


def test_the_preset_bigram_is_the_bigram_where_it_was_seen():
    model = PMI(**PMI.PRESETS["bigram"]).fit(Data.of(TRAIN, VALID, V))
    model.exponent_, model.lambdas_ = 1.0, np.array([1.0])
    pairs = np.stack([np.concatenate([[V - 1], TRAIN[:-1]]), TRAIN], axis=1)
    after = pairs[pairs[:, 0] == 4][:, 1]
    seen = np.unique(after)
    relative = np.bincount(after, minlength=V)[seen] / len(after)
    state = model.advance(model.start(), np.array([4]))
    found = np.exp(model.next_log_probs(state))[seen]
    np.testing.assert_allclose(found / found.sum(), relative, rtol=0.02)  # p(w) has one added to each count


def test_scores_are_the_table():
    model = PMI(min_count=1).fit(Data.of(TRAIN, VALID, V))
    words, contexts = np.divmod(np.arange(V * V), V)
    np.testing.assert_array_equal(model.scores(words, contexts).reshape(V, V), model.vectors().toarray())


def test_words_that_are_rare_go_with_nothing():
    model = PMI(min_count=5).fit(Data.of(np.concatenate([TRAIN, [10, 10, 10]]), VALID, V))
    assert abs(model.vectors()[[10]]).sum() == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0}, "window must be 1 or more, not 0"),
        ({"weights": "harmonc"}, "no weights 'harmonc'; did you mean harmonic?"),
        ({"sides": "right"}, "no sides 'right'"),
        ({"shift": 0.0}, "shift must be above 0"),
        ({"smoothing": 2.0}, "smoothing must be 0 to 1"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        PMI(**settings)


def test_a_text_of_one_word_has_nothing_to_associate():
    with pytest.raises(UsageError, match="min-count"):
        PMI().fit(Data.of(np.zeros(100, dtype=np.int32), VALID[:0], 2))


def test_a_window_longer_than_the_text_is_refused():
    with pytest.raises(UsageError, match="window must be at most the text's length"):
        PMI(window=50, min_count=1).fit(Data.of(TRAIN[:20], VALID, V))


def test_a_damaged_table_is_refused():
    model = PMI(min_count=1).fit(Data.of(TRAIN, VALID, V))
    arrays = model.arrays()
    for name, value in (("indptr", arrays["indptr"][:-1]), ("indices", arrays["indices"] + V)):
        with pytest.raises(FormatError, match="this run is damaged"):
            PMI(min_count=1).restore(arrays | {name: value})


@pytest.mark.data
def test_on_the_penn_treebank_it_is_between_unigram_and_bigram():
    """A unigram has perplexity 639 there, a bigram with modified Kneser-Ney smoothing 186."""
    ptb = corpus.load("ptb")
    text = train.encode(ptb, None, Run())
    model = PMI(sides="left").fit(Data.of(text.train, text.valid, text.tokenizer.vocab_size))
    score = evaluate(TextModel(model, text.tokenizer), ptb.test, ptb.protocol)
    assert score.perplexity_per_token == pytest.approx(248.9, abs=0.5)
