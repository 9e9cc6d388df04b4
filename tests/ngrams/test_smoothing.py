"""What smoothing methods estimate, against their definitions on texts small enough to count by hand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.errors import UsageError
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams.counts import count_ngrams
from lmzoo.ngrams.smoothing import SMOOTHINGS, Katz, binary_digits, fill_unknown, held_out_counts

V = 5
END = V - 1
texts = st.lists(st.integers(0, END), min_size=1, max_size=30)


def ngrams_ending_at_each_token(tokens, n):
    """After the start symbol, the n-gram that ends at each token; None where it would cross an `end`."""
    text = (END, *tokens)
    grams = [text[t - n + 1 : t + 1] if t >= n - 1 else () for t in range(1, len(text))]
    return [gram if len(gram) == n and END not in gram[1:-1] else None for gram in grams]


@given(train=texts, held_out=texts)
def test_held_out_counts_are_those_of_the_training_text(train, held_out):
    levels = count_ngrams(np.array(train, dtype=np.int32), V, order=4)
    for level, (count, total) in zip(levels, held_out_counts(levels, np.array(held_out)), strict=True):
        occurrences = Counter(ngrams_ending_at_each_token(train, level.order))
        grams = ngrams_ending_at_each_token(held_out, level.order)
        assert count.tolist() == [occurrences[gram] if gram else 0 for gram in grams]
        contexts = Counter()
        for gram, number in occurrences.items():
            if gram:
                contexts[gram[:-1]] += number
        assert total.tolist() == [contexts[gram[:-1]] if gram else 0 for gram in grams]


def test_totals_are_grouped_by_their_binary_digits():
    totals = np.array([0, 1, 2, 3, 4, 500, 2**40])
    assert binary_digits(totals).tolist() == [0, 1, 2, 2, 3, 9, 32]


@pytest.mark.parametrize(
    ("known", "filled"),
    [
        ([0, 1, 0, 0, 1, 0], [0.1, 0.1, 0.1, 0.1, 0.4, 0.4]),  # from below; from above where nothing is below
        ([1, 0, 0, 1, 0, 0], [0.3, 0.3, 0.3, 0.3, 0.3, 0.3]),  # bucket 0 is nobody's neighbour
        ([1, 0, 0, 0, 0, 0], [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),  # none is known
        ([0, 1, 1, 1, 1, 1], [0.1, 0.1, 0.2, 0.3, 0.4, 0.5]),
    ],
)
def test_a_bucket_without_tokens_takes_the_weight_of_its_nearest_neighbour(known, filled):
    weights = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert fill_unknown(weights, np.array(known, dtype=bool)).tolist() == filled


def test_weights_of_jelinek_mercer_raise_the_probability_of_the_validation_text():
    rng = np.random.default_rng(0)
    text = np.array([(3 * n + int(rng.integers(2))) % END for n in range(400)], dtype=np.int32)
    train, valid = text[:300], text[300:]
    fitted = Ngram(3, "jelinek-mercer").fit(Data.of(train, valid, V))
    halves = Ngram(3, "jelinek-mercer").fit(Data.of(train, [], V))
    assert fitted.log_probs(valid)[0].sum() > halves.log_probs(valid)[0].sum()
    assert fitted.remarks == []
    assert halves.remarks == ["no validation text to fit the weights of Jelinek-Mercer on: all are 1/2"]


def test_each_weight_of_jelinek_mercer_is_one_em_step_from_itself():
    """At the fixed point a weight is the smoothed share of its order in the probability of the validation text."""
    rng = np.random.default_rng(1)
    train, valid = rng.integers(0, END, 500), rng.integers(0, END, 200)
    smoothing = SMOOTHINGS["jelinek-mercer"](V)
    levels = count_ngrams(train.astype(np.int32), V, order=1)
    smoothing.prepare(levels, valid)
    frequency = np.bincount(train, minlength=V)[valid] / 500
    bucket = 9  # 500 has nine binary digits: all tokens share the one context, and so the one weight
    weight = smoothing.weights[1][bucket]
    share = weight * frequency / (weight * frequency + (1 - weight) / V)
    assert weight == pytest.approx((share.sum() + 1) / (200 + 2), abs=2e-3)


@pytest.mark.parametrize("validation", [True, False])
def test_a_refit_fits_weights_on_text_that_they_do_not_count(validation):
    """Weights fitted on text that is counted too would trust the highest order alone."""
    rng = np.random.default_rng(2)
    text = rng.integers(0, END, 300).astype(np.int32)
    refit = Ngram(3, "jelinek-mercer").fit(Data.of(text, text[200:], V, refit=validation))
    counted = Ngram(3, "jelinek-mercer").fit(Data.of(text, text[200:], V))
    same = np.allclose(refit.log_probs(text)[0], counted.log_probs(text)[0])
    assert same is not validation


def katz(words_seen):
    """Katz fitted on a text with words_seen[r] words that occur r times, its only level, and d_r of each word."""
    train = np.repeat(np.arange(sum(words_seen.values())), [r for r, words in words_seen.items() for _ in range(words)])
    vocab_size = len(set(train)) + 40
    (level,) = count_ngrams(train.astype(np.int32), vocab_size, order=1)
    smoothing = Katz(vocab_size)
    smoothing.prepare([level], train[:0])
    return smoothing, level, smoothing.alpha(level) * level.count.sum() / np.maximum(level.count, 1)


def test_katz_discounts_counts_up_to_seven_by_good_turing():
    n = {r: round(2520 / (r * (r + 1))) for r in range(1, 12)}
    smoothing, level, ratios = katz(n)
    common = 8 * n[8] / n[1]  # (K + 1) n_{K+1} / n_1
    for r in range(1, 12):
        expected = ((r + 1) * n[r + 1] / (r * n[r]) - common) / (1 - common) if r <= 7 else 1
        np.testing.assert_allclose(ratios[level.count == r], expected)
    assert smoothing.remarks == []


def test_katz_gives_the_shorter_context_to_unseen_words_only():
    model = Ngram(2, "katz").fit(Data.of([0, 1, 0, 1, 0, 2], [], V))  # too small for discounts: as after one more token
    after_0 = np.exp(model.next_log_probs(model.advance(model.start(), np.array([0]))))
    np.testing.assert_allclose(after_0[[1, 2]], [2 / 4, 1 / 4])
    assert after_0[[0, 3, 4]].sum() == pytest.approx(1 / 4)


def test_a_discount_that_is_none_is_left_out_and_said():
    smoothing, level, ratios = katz({r: 60 // r + 3 for r in range(1, 12)})
    np.testing.assert_allclose(ratios[level.count == 6], 1)  # Good-Turing would raise these counts
    assert ratios[level.count == 1].max() < 1
    (remark,) = smoothing.remarks
    assert "comes out as 1.05 for counts of 6" in remark
    assert remark.endswith("left undiscounted")


def test_witten_bell_counts_the_kinds_of_words_that_were_seen():
    model = Ngram(1, "witten-bell").fit(Data.of([0, 1, 1, 1], [], V))  # 4 tokens of 2 kinds
    unseen = 2 / 6 / V
    expected = [1 / 6 + unseen, 3 / 6 + unseen, unseen, unseen, unseen]
    np.testing.assert_allclose(np.exp(model.next_log_probs(model.start())), expected)


@pytest.mark.parametrize(
    ("smoothing", "remark"),
    [
        ("katz", "too few n-grams for Good-Turing, nothing was discounted (order 1: none seen 2 times)"),
        (
            "absolute",
            "too few n-grams to estimate discounts from, used D = 0.75 (order 1: 1 seen once, 0 twice)",
        ),
    ],
)
def test_counts_too_few_for_a_discount_are_said(smoothing, remark):
    assert Ngram(1, smoothing).fit(Data.of([0, 1, 1, 1], [], V)).remarks == [remark]


def test_a_file_of_probabilities_cannot_be_fitted():
    with pytest.raises(UsageError, match="cannot be fitted"):
        Ngram(2, "arpa").fit(Data.of([0, 1], [], V))
