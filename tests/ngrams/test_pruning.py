"""Pruning: what it keeps, what becomes of the probability, and what Stolcke's formula measures, by brute force."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lmzoo.data import corpus, tokenizers
from lmzoo.errors import UsageError
from lmzoo.ngrams.counts import count_ngrams
from lmzoo.ngrams.out_of_core import Scratch
from lmzoo.ngrams.pruning import cut, entropy_prune, parse_cutoffs, perplexity_rise
from lmzoo.ngrams.smoothing import SMOOTHINGS
from lmzoo.ngrams.trie import Trie

FITTED = [name for name in SMOOTHINGS if name != "arpa"]  # that one is read from a file
DISTRIBUTIONS = [name for name in FITTED if SMOOTHINGS[name].is_distribution]
NOTHING = np.array([], dtype=np.int32)
V = 5  # of the small texts: four words and `end`

# Of the text "abab ab abc$": so many repetitions that some n-grams are worth their place and some are not.
RHYME = np.array([0, 1, 0, 1, 2, 4, 0, 1, 3, 4, 0, 1, 0, 2, 4, 1, 0, 1, 2, 4, 2, 2, 0, 4] * 3, dtype=np.int32)

texts = st.lists(st.integers(0, V - 1), min_size=4, max_size=80).map(lambda ids: np.array(ids, dtype=np.int32))
cutoffs = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda more: [0, *sorted(more)])


def parts(text, order, name, vocab_size=V, valid=NOTHING):
    """The recursion, as the n-gram's docstring has it: levels, probs and gammas."""
    levels, smoothing = count_ngrams(text, vocab_size, order), SMOOTHINGS[name](vocab_size)
    smoothing.prepare(levels, valid)
    probs, gammas = [np.array([1 / vocab_size])], []
    for level in levels:
        lower = probs[-1][level.suffix]
        alpha = smoothing.alpha(level)
        gammas.append(np.maximum(smoothing.gamma(level, alpha, lower), 0))  # rounding may leave it just below
        whole = level.count > 0 if smoothing.backs_off else False
        probs.append(np.where(whole, alpha, alpha + gammas[-1][level.context] * lower))
    return levels, probs[1:], gammas


def cut_as(name, model, thresholds):
    return cut(*model, thresholds, SMOOTHINGS[name])


def trie_of(model, vocab_size=V):
    trie = Trie.build(*map(list, model), Scratch())
    trie.check(vocab_size)
    return trie


def spelled(levels):
    """The n-grams of each level, as tuples, with what their suffix is spelled as."""
    grams, suffixes = [[()]], []
    for level in levels:
        pairs = zip(level.context.tolist(), level.word.tolist(), strict=True)
        grams.append([(*grams[-1][context], word) for context, word in pairs])
        suffixes.append([grams[-2][suffix] for suffix in level.suffix.tolist()])
    return grams[1:], suffixes


def assert_sound(model, original):
    """It sums to one in every context; its n-grams are among the original's, and every suffix is the right one."""
    levels, probs, gammas = model
    assert [len(p) for p in probs] == [len(level) for level in levels]
    assert [len(g) for g in gammas] == [len(level.children) - 1 for level in levels]
    for grams, suffixes, before in zip(*spelled(levels), spelled(original[0])[0], strict=False):
        assert [gram[1:] for gram in grams] == suffixes
        assert set(grams) <= set(before)
    trie = trie_of(model)
    for context in range(len(trie.gammas)):
        if trie.children[context + 1] > trie.children[context]:
            assert trie.distribution(context, V).sum() == pytest.approx(1, abs=2e-5)


def distribution(levels, probs, gammas, history):
    """p(· | history) (V,) in float64, from the tuples: slow, and nothing to do with the trie."""
    grams, _ = spelled(levels)
    p = probs[0].copy()
    for n in range(1, len(levels)):
        context = tuple(history[len(history) - n :])
        if len(context) < n or context not in grams[n - 1]:
            break
        c = grams[n - 1].index(context)
        children = slice(*levels[n].children[c : c + 2])
        if levels[n].children[c] < levels[n].children[c + 1]:
            p *= gammas[n][c]
            p[levels[n].word[children]] = probs[n][children]
    return p


class TestCutoffs:
    def test_are_written_as_for_kenlm(self):
        assert parse_cutoffs("0") == [0]
        assert parse_cutoffs("0, 0,1") == [0, 0, 1]

    @pytest.mark.parametrize(
        ("text", "says"),
        [("1", "begin with 0"), ("0,2,1", "not decrease"), ("0,x", "'0,x'"), ("", "''"), ("0,-1", "-1")],
    )
    def test_that_cannot_work_are_refused(self, text, says):
        with pytest.raises(UsageError, match=says):
            parse_cutoffs(text)

    @pytest.mark.parametrize("name", FITTED)
    def test_of_zero_change_nothing(self, name):
        model = parts(RHYME, 3, name)
        assert cut_as(name, model, [0]) == model

    def test_drop_what_was_seen_so_often_or_less_from_that_order_on(self):
        model = parts(RHYME, 4, "witten-bell")
        levels, _, _ = cut_as("witten-bell", model, [0, 3, 5])
        for level, before, least in zip(levels, model[0], [0, 4, 6, 6], strict=True):
            kept = before.count[before.count >= least]
            assert level.count.tolist() == kept.tolist()
            assert len(kept) > 0
        assert len(levels[2]) < len(model[0][2])

    def test_give_what_the_dropped_held_to_the_shorter_context(self):
        # "abababac$" has ab three times and ac once, and too few bigrams seen twice to estimate D: it is 3/4.
        # α(c | a) = (1 − 3/4) / 4, γ(a) = (3/4 · 2) / 4; without ac, γ(a) is the sum of the two.
        model = parts(np.array([0, 1, 0, 1, 0, 1, 0, 2, 4], dtype=np.int32), 2, "absolute")
        levels, probs, gammas = cut_as("absolute", model, [0, 1])
        assert model[2][1][0] == pytest.approx(3 / 8)
        assert gammas[1][0] == pytest.approx(3 / 8 + 1 / 16)
        assert spelled(levels)[0][1] == [(0, 1), (1, 0)]
        assert probs[1][0] == pytest.approx((3 - 3 / 4) / 4 + 7 / 16 * probs[0][1])

    def test_beyond_all_counts_leave_the_unigrams(self):
        model = parts(RHYME, 3, "modified-kneser-ney")
        levels, probs, _ = cut_as("modified-kneser-ney", model, [0, 1000])
        assert len(levels) == 1
        assert probs[0].tolist() == model[1][0].tolist()
        assert_sound((levels, probs, model[2][:1]), model)

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    @given(text=texts, order=st.integers(1, 4), thresholds=cutoffs)
    @settings(deadline=None, max_examples=40)
    def test_leave_distributions(self, name, text, order, thresholds):
        model = parts(text, order, name, valid=text[:9])
        assert_sound(cut_as(name, model, thresholds), model)

    def test_leave_stupid_backoffs_scores_alone(self):
        model = parts(RHYME, 3, "stupid-backoff")
        _, probs, gammas = cut_as("stupid-backoff", model, [0, 3])
        assert set(probs[1]) <= set(model[1][1])
        assert set(gammas[1]) == {0.4}


class TestEntropyPruning:
    def test_with_threshold_0_changes_nothing(self):
        model = parts(RHYME, 4, "modified-kneser-ney")
        assert entropy_prune(*model, 0) == model

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_the_rise_of_perplexity_is_that_of_the_two_whole_distributions(self, name, n):
        """e^D − 1 with D = Σ_h p(h) Σ_w p(w|h) ln p(w|h)/p'(w|h), over all histories, all words, model by model."""
        model = tuple(part[: n + 1] for part in parts(RHYME, n + 1, name, valid=RHYME[:30]))
        levels, probs, gammas = model
        rises = perplexity_rise(*model, n)
        grams, _ = spelled(levels)
        where = {gram: i for i, gram in enumerate(grams[n])}
        expected = []
        for gram in grams[n]:
            history, only = gram[:-1], where[gram]
            without = self.without(levels, probs, gammas, n, only)
            p, q = distribution(*model, history), distribution(*without, history)
            assert q.sum() == pytest.approx(1)
            often = levels[n].count[levels[n].context == levels[n].context[only]].sum() / len(RHYME)
            some = p > 0
            expected.append(np.expm1(often * (p[some] * np.log(p[some] / q[some])).sum()))
        assert rises == pytest.approx(expected, rel=1e-6, abs=1e-12)
        assert rises.max() > 1e-4

    @staticmethod
    def without(levels, probs, gammas, n, only):
        """The model without one of the longest n-grams: that one listed at what is left to it instead."""
        level = levels[n]
        c = level.context[only]
        kept = np.flatnonzero(level.context == c)
        kept = kept[kept != only]
        lower = probs[n - 1][level.suffix]
        gamma = (1 - probs[n][kept].sum()) / (1 - lower[kept].sum())
        new_probs, new_gammas = [p.copy() for p in probs], [g.copy() for g in gammas]
        new_gammas[n][c] = gamma
        new_probs[n][only] = gamma * lower[only]
        return levels, new_probs, new_gammas

    def test_drops_the_longest_exactly_where_the_rise_is_below_the_threshold(self):
        model = parts(RHYME, 3, "modified-kneser-ney")
        rises = perplexity_rise(*model, 2)
        threshold = float(np.median(rises))
        levels, _, _ = entropy_prune(*model, threshold)
        kept = {gram for gram, rise in zip(spelled(model[0])[0][2], rises, strict=True) if rise >= threshold}
        assert set(spelled(levels)[0][2]) == kept
        assert 0 < len(kept) < len(rises)

    def test_keeps_what_a_kept_one_begins_or_ends_with(self):
        model = parts(RHYME, 4, "witten-bell")
        grams, _ = spelled(entropy_prune(*model, 0.002)[0])
        assert 0 < len(grams[-1]) < len(model[0][-1])
        for shorter, longer in pairwise(grams):
            assert {gram[:-1] for gram in longer} | {gram[1:] for gram in longer} <= set(shorter)

    def test_an_ngram_that_says_what_the_shorter_one_says_goes_first(self):
        # After any word a and b are equally likely: the bigrams say nothing that the unigrams do not.
        rng = np.random.default_rng(1)
        text = rng.integers(0, 2, 4000).astype(np.int32)
        levels, _, _ = entropy_prune(*parts(text, 2, "witten-bell", 3), 1e-3)
        assert len(levels) == 1

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    @given(text=texts, order=st.integers(1, 4), threshold=st.floats(1e-6, 0.1))
    @settings(deadline=None, max_examples=40)
    def test_leaves_distributions(self, name, text, order, threshold):
        model = parts(text, order, name, valid=text[:9])
        assert_sound(entropy_prune(*model, threshold), model)

    @given(text=texts, order=st.integers(2, 4), thresholds=cutoffs, threshold=st.floats(1e-6, 0.1))
    @settings(deadline=None, max_examples=40)
    def test_goes_on_from_cutoffs(self, text, order, thresholds, threshold):
        model = parts(text, order, "katz")
        cut_model = cut_as("katz", model, thresholds)
        assume(len(cut_model[0]) > 1)
        assert_sound(entropy_prune(*cut_model, threshold), model)


@pytest.fixture(scope="module")
def treebank():
    text = corpus.load("ptb")
    words = tokenizers.train("split", text.train)
    return words.vocab_size, *(words.encode(part) for part in (text.train, text.valid, text.test))


@pytest.fixture(scope="module")
def kneser_ney(treebank):
    return parts(treebank[1], 5, "modified-kneser-ney", treebank[0])


@pytest.mark.data
class TestOnThePennTreebank:
    """KenLM's lmplz --prune 0 0 1, and SRILM's Good-Turing with its default cut-offs (Mikolov 2012, table 4.1)."""

    @staticmethod
    def perplexity(model, text, vocab_size):
        trie = trie_of(model, vocab_size)
        _, start = trie.walk(np.array([vocab_size - 1], dtype=np.int32), 0)
        return np.exp(-np.log(trie.walk(text, start)[0]).mean())

    def test_singletons_cut_as_kenlm_cuts_them(self, treebank, kneser_ney):
        model = cut_as("modified-kneser-ney", kneser_ney, [0, 0, 1])
        assert [len(level) for level in model[0]] == [10_000, 264_990, 81_305, 43_110, 22_983]
        assert self.perplexity(model, treebank[2], treebank[0]) == pytest.approx(154.601, abs=5e-4)
        assert self.perplexity(model, treebank[3], treebank[0]) == pytest.approx(147.400, abs=5e-4)

    @pytest.mark.parametrize(("order", "published"), [(3, 165.2), (5, 162.3)])
    def test_katz_with_cutoffs_is_srilms_good_turing(self, treebank, order, published):
        model = cut_as("katz", parts(treebank[1], order, "katz", treebank[0]), [0, 0, 1])
        assert self.perplexity(model, treebank[3], treebank[0]) == pytest.approx(published, abs=0.05)

    def test_size_falls_and_perplexity_rises_with_the_threshold(self, treebank, kneser_ney):
        sizes, perplexities = [], []
        for threshold in (0, 1e-8, 1e-7, 1e-6, 1e-5):
            model = entropy_prune(*kneser_ney, threshold)
            sizes.append(sum(map(len, model[0])))
            perplexities.append(self.perplexity(model, treebank[3], treebank[0]))
        assert sizes == sorted(sizes, reverse=True)
        assert perplexities == sorted(perplexities)
        # A third of the n-grams are gone for two thousandths of perplexity, nine tenths for an eighth.
        assert sizes[1] < 0.71 * sizes[0] and perplexities[1] < 1.002 * perplexities[0]
        assert sizes[3] < 0.10 * sizes[0] and perplexities[3] < 1.14 * perplexities[0]
