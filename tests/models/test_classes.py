"""The class n-gram: a grammar it must find, likelihoods counted by hand, and two models that it must become."""

from collections import Counter
from functools import cache
from itertools import pairwise
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo import testing
from lmzoo.data import corpus, tokenizers
from lmzoo.errors import FormatError, UsageError
from lmzoo.interface import Data, Progress
from lmzoo.models.classes import Classes
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams.exchange_clustering import Exchange, _put, _take_out, cluster

NOTHING = np.array([], dtype=np.int32)
WORDS = ["the", "a", "every", "cat", "dog", "cow", "runs", "sleeps", "eats", "slowly", "often", "$"]
TRUE = [{"the", "a", "every"}, {"cat", "dog", "cow"}, {"runs", "sleeps", "eats"}, {"slowly", "often"}]


def sentences():
    """Each determiner before each animal before each verb, before each adverb or none."""
    lines = [
        [d, n, v, *adverb, "$"]
        for d in ["the", "the", "the", "a", "a", "every"]
        for n in ["cat", "dog", "dog", "cow"]
        for v in ["runs", "runs", "sleeps", "eats"]
        for adverb in (["slowly"], ["often"], ["often"], [])
    ]
    return np.array([WORDS.index(word) for line in lines for word in line], dtype=np.int32)


def by_hand(tokens, class_of):
    """ln P of the tokens under the bigram of their classes, from its definition: a product over the text."""
    end = len(class_of) - 1
    text = [end, *tokens]
    classes = [int(class_of[word]) for word in text]
    pairs = Counter(pairwise(classes))
    befores, afters, words = Counter(classes[:-1]), Counter(classes[1:]), Counter(text[1:])
    return sum(
        log(pairs[g, h] / befores[g]) + log(words[word] / afters[h])
        for (g, h), word in zip(pairwise(classes), text[1:], strict=True)
    )


def gains_of(exchange, word):
    """The change of the log-likelihood, (K,), if `word` moved to each of the classes 0 … K-1."""
    links = exchange.class_of, exchange.left, exchange.right, exchange.counts
    gains = _take_out(word, *links, exchange.phi, exchange.K)
    _put(word, 1, *links)
    return gains - gains[exchange.class_of[word]]


def groups(class_of):
    return {frozenset(np.flatnonzero(class_of == number).tolist()) for number in set(class_of.tolist())}


texts = st.lists(st.integers(0, 7), min_size=1, max_size=60).map(lambda ids: np.array(ids, dtype=np.int32))


class TestExchange:
    def test_finds_a_grammar_s_word_classes(self):
        class_of, _ = cluster(sentences(), len(WORDS), 4, 50, Progress())
        expected = {frozenset(WORDS.index(word) for word in words) for words in [*TRUE, {"$"}]}
        assert groups(class_of) == expected

    def test_words_are_dealt_out_by_frequency(self):
        exchange = Exchange(np.array([2, 2, 2, 0, 0, 4, 4, 1, 5]), 7, 2)  # 3 never occurs, 6 is `end`
        assert list(exchange.class_of) == [1, 1, 0, 2, 0, 0, 3]  # 2 0 4 1 5 by frequency: 0 1 0 1 0

    @given(texts, st.integers(1, 4), st.integers(0, 2))
    @settings(deadline=None)
    def test_a_gain_is_the_difference_of_two_likelihoods(self, tokens, classes, rounds):
        exchange = Exchange(tokens, 8, classes)
        for _ in range(rounds if exchange.K else 0):
            exchange.round(Progress())
        before = by_hand(tokens, exchange.class_of)
        assert exchange.log_likelihood() == pytest.approx(before, abs=1e-9)
        for word in exchange.words:
            gains = gains_of(exchange, word)
            for number in range(exchange.K):
                moved = exchange.class_of.copy()
                moved[word] = number
                assert gains[number] == pytest.approx(by_hand(tokens, moved) - before, abs=1e-9)

    @given(texts, st.integers(1, 4))
    @settings(deadline=None)
    def test_the_likelihood_never_falls_and_is_that_of_the_classes(self, tokens, classes):
        class_of, likelihoods = cluster(tokens, 8, classes, 20, Progress())
        assert (np.diff(likelihoods) >= 0).all()
        assert likelihoods[-1] == pytest.approx(by_hand(tokens, class_of), abs=1e-9)
        for rounds, likelihood in enumerate(likelihoods[:-1]):
            earlier, _ = cluster(tokens, 8, classes, rounds, Progress())
            assert likelihood == pytest.approx(by_hand(tokens, earlier), abs=1e-9)

    @given(texts, st.integers(1, 4))
    @settings(deadline=None)
    def test_ends_where_no_word_could_do_better(self, tokens, classes):
        class_of, _ = cluster(tokens, 8, classes, 100, Progress())
        exchange = Exchange(tokens, 8, classes)
        reached = by_hand(tokens, class_of)
        for word in exchange.words:
            for number in range(exchange.K):
                moved = class_of.copy()
                moved[word] = number
                assert by_hand(tokens, moved) <= reached + 1e-5

    @given(texts, st.integers(1, 9))
    @settings(deadline=None)
    def test_no_class_is_lost_and_the_largest_comes_first(self, tokens, classes):
        class_of, _ = cluster(tokens, 8, classes, 20, Progress())
        seen = len(set(tokens.tolist()) - {7})
        sizes = np.bincount(class_of[tokens], minlength=8)[: min(classes, seen)]
        assert (sizes > 0).all()
        assert (np.diff(sizes) <= 0).all()
        assert (class_of == class_of[7]).sum() == 1  # `end` is alone

    def test_counts_too_large_for_the_table_are_worked_out(self):
        small, large = (Exchange(sentences(), len(WORDS), 4) for _ in range(2))
        large.phi = large.phi[:3]
        assert np.allclose(gains_of(small, 3), gains_of(large, 3), atol=1e-9)

    def test_says_how_far_it_is(self):
        class Listening(Progress):
            done, notes = 0.0, ()

            def advance(self, amount=1, note=""):
                self.done += amount
                self.notes = [*self.notes, *filter(None, [note])]

        heard = Listening()
        _, likelihoods = cluster(sentences(), len(WORDS), 4, 50, heard)
        rounds = len(likelihoods) - 1
        assert 1 < rounds < 50  # it ended by itself
        assert heard.done == pytest.approx(rounds)
        assert len(heard.notes) == rounds
        assert heard.notes[-1].startswith(f"round {rounds}: 0 words moved")


class TestClasses:
    def test_a_class_s_words_share_what_follows(self):
        train = sentences()
        cow_eats = (train[:-1] == WORDS.index("cow")) & (train[1:] == WORDS.index("eats"))
        assert cow_eats.any()
        # "cow eats" is never seen, but cats and dogs eat and cows run: so cows eat, at the rate of their class
        train = np.delete(train, np.flatnonzero(cow_eats) + 1)
        model = Classes(classes=4).fit(Data.of(train, NOTHING, len(WORDS)))
        words = Ngram(order=3).fit(Data.of(train, NOTHING, len(WORDS)))

        def after(model, animal):
            return model.next_log_probs(model.advance(model.start(), np.array([0, WORDS.index(animal)])))

        assert np.array_equal(after(model, "cow"), after(model, "cat"))
        assert after(model, "cow")[WORDS.index("eats")] > after(words, "cow")[WORDS.index("eats")] + 1

    def test_one_class_is_the_unigram(self):
        """Whatever came before, two words are as likely as they are frequent; at order 1 that is all there is."""
        train = testing.practice_text(500)
        model = Classes(classes=1).fit(Data.of(train, NOTHING, testing.VOCAB_SIZE))
        counts = np.bincount(train, minlength=testing.VOCAB_SIZE)[:9]
        for text in ([], [0], [4, 4, 2], [11], [9, 1]):
            log_probs = model.next_log_probs(model.advance(model.start(), np.array(text, dtype=np.int32)))
            expected = np.log(counts / counts[0])
            assert log_probs[:9] - log_probs[0] == pytest.approx(expected, abs=1e-6)
            assert log_probs[9] == log_probs[10]  # never seen
        unigram = Classes(classes=1, order=1).fit(Data.of(train, NOTHING, testing.VOCAB_SIZE))
        by_class = np.exp(unigram.ngram_.next_log_probs(0))  # of words, of unseen words, of `end`
        assert np.exp(unigram.next_log_probs(0))[:9] == pytest.approx(by_class[0] * counts / counts.sum(), abs=1e-6)

    @given(texts, st.integers(1, 4), st.lists(st.integers(0, 7), max_size=8))
    @settings(deadline=None)
    def test_a_class_for_every_word_is_the_word_ngram(self, tokens, order, history):
        """Exactly so where every word occurs. Else the U that do not are one class among G, and not V - G words of V:

        what the word n-gram leaves to the uniform distribution, V · p(unseen | h), is shared by G and not V, so
        p_class(w | h) = p(w | h) + p(unseen | h) · (V/G - 1), and an unseen word gets p(unseen | h) · V / (G · U).
        """
        V = 8
        words = Ngram(order=order).fit(Data.of(tokens, NOTHING, V))
        classes = Classes(classes=V, order=order).fit(Data.of(tokens, NOTHING, V))
        assert classes.reach == words.reach
        seen = np.isin(np.arange(V), [*tokens, V - 1])
        U = V - seen.sum()
        G = V if U == 0 else V - U + 1
        history = np.array(history, dtype=np.int32)
        if U:
            history = history[seen[history]]  # what follows an unseen word is another question
        p, p_class = (np.exp(m.next_log_probs(m.advance(m.start(), history))) for m in (words, classes))
        unseen = p[~seen][0] if U else 0.0
        assert p_class[seen] == pytest.approx(p[seen] + unseen * (V / G - 1), abs=1e-6)
        assert p_class[~seen] == pytest.approx(unseen * V / (G * max(U, 1)), abs=1e-6)

    def test_a_discount_of_nothing_leaves_something_for_the_unseen(self):
        """Of these pairs four come once, one twice and one three times: eq. 26 gives D₂ = 0."""
        model = Classes(classes=3, order=2).fit(Data.of(np.array([0, 0, 0, 0, 2, 0, 1, 1, 1]), NOTHING, 8))
        assert testing.sums_to_one(model, np.array([1], dtype=np.int32)) == ""

    @given(texts, st.integers(1, 9), st.integers(1, 4), st.lists(st.integers(0, 7), max_size=8))
    @settings(deadline=None)
    def test_probabilities_sum_to_one(self, tokens, classes, order, history):
        model = Classes(classes=classes, order=order).fit(Data.of(tokens, NOTHING, 8))
        assert testing.sums_to_one(model, np.array(history, dtype=np.int32)) == ""

    def test_says_what_it_did_otherwise(self):
        model = Classes().fit(Data.of(testing.practice_text(3000), NOTHING, testing.VOCAB_SIZE))
        assert model.remarks[0] == "the text has 9 words: as many classes, not 200"
        assert all(remark.startswith("in the n-grams of classes: ") for remark in model.remarks[1:])

    def test_members_and_counts_are_those_of_the_text(self):
        train = sentences()
        model = Classes(classes=4).fit(Data.of(train, NOTHING, len(WORDS)))
        found = [[WORDS[word] for word in model.members(number)] for number in range(5)]
        assert ["dog", "cat", "cow"] in found  # by frequency, then by number
        assert found[-1] == ["$"]
        assert list(model.counts()) == [np.isin(train, model.members(number)).sum() for number in range(5)]
        with pytest.raises(UsageError, match="no class 5: there are classes 0 to 4"):
            model.members(5)

    @pytest.mark.parametrize(("tokens", "vocab_size"), [([], 1), ([], 3), ([0, 0, 0], 1), ([2, 2], 3), ([0] * 5, 2)])
    def test_texts_with_nothing_to_sort(self, tokens, vocab_size):
        model = Classes().fit(Data.of(np.array(tokens, dtype=np.int32), NOTHING, vocab_size))
        assert testing.sums_to_one(model, np.arange(vocab_size, dtype=np.int32)) == ""

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"classes": 0}, "classes must be 1 to 5000, not 0"),
            ({"classes": 5001}, "classes must be 1 to 5000, not 5001"),
            ({"rounds": -1}, "rounds must be 0 or more, not -1"),
            ({"order": 0}, "order must be 1 to 64, not 0"),
        ],
    )
    def test_settings_that_cannot_be(self, setting, message):
        with pytest.raises(UsageError, match=message):
            Classes(**setting)

    @pytest.mark.parametrize(
        ("name", "forged"),
        [
            ("class_of", np.full(12, 99, dtype=np.int32)),
            ("class_of", np.full(12, -1, dtype=np.int32)),
            ("class_of", np.zeros(11, dtype=np.int32)),
            ("class_of", np.zeros(12)),
            ("word_probs", np.full(12, 0.9)),
            ("word_probs", np.full(12, np.nan)),
            ("word_probs", np.zeros(12)),
            ("ngram.fallback", np.zeros(3, dtype=np.int32)),
        ],
    )
    def test_arrays_that_no_fit_made_are_refused(self, name, forged):
        arrays = Classes(classes=3).fit(Data.of(testing.practice_text(300), NOTHING, testing.VOCAB_SIZE)).arrays()
        with pytest.raises(FormatError, match="these arrays are not"):
            Classes(classes=3).restore({**arrays, name: forged})


def mixture_weight(p, q):
    """The λ that makes λp + (1-λ)q likeliest, by EM."""
    weight = 0.5
    for _ in range(50):
        weight = (weight * p / (weight * p + (1 - weight) * q)).mean()
    return weight


def perplexity(p):
    return np.exp(-np.log(p).mean())


# Measured here with modified Kneser-Ney at order 3: (valid, test, test of the mixture with the word trigram).
PTB = {50: (307.11, 285.11, 141.11), 200: (219.15, 204.64, 136.16)}


@pytest.fixture(scope="module")
def ptb():
    text = corpus.load("ptb")
    made = tokenizers.train(text.tokenizer, text.train, text.lines)
    return made, *(made.encode(part) for part in (text.train, text.valid, text.test))


@pytest.fixture(scope="module")
def fitted(ptb):
    """Models of the treebank, each fitted once: `fitted(classes)`, and the word trigram as `fitted(None)`."""
    made, train, valid, _ = ptb

    @cache
    def fit(classes):
        model = Ngram(order=3) if classes is None else Classes(classes=classes, order=3)
        return model.fit(Data.of(train, valid, made.vocab_size))

    return fit


@pytest.mark.data
class TestPennTreebank:
    """Brown et al. (1992, §3) on their corpus: words 244, classes 271, the two mixed 236."""

    @pytest.mark.parametrize("classes", PTB)
    def test_classes_lose_alone_and_win_mixed(self, ptb, fitted, classes):
        _, _, *held_out = ptb
        (words_valid, words), (classes_valid, by_class) = (
            [np.exp(model.log_probs(part)[0]) for part in held_out] for model in (fitted(None), fitted(classes))
        )
        weight = mixture_weight(classes_valid, words_valid)
        mixed = perplexity(weight * by_class + (1 - weight) * words)
        assert perplexity(words) == pytest.approx(148.28, abs=0.01)
        assert mixed < perplexity(words) < perplexity(by_class)
        figures = perplexity(classes_valid), perplexity(by_class), mixed
        assert figures == pytest.approx(PTB[classes], rel=2e-3)

    def test_the_days_of_the_week_are_a_class(self, ptb, fitted):
        made, model = ptb[0], fitted(200)
        days, months, he = (
            {made.token(word).strip() for word in model.members(model.class_of_[made.encode(f" {word} \n")[0]])}
            for word in ("monday", "june", "he")
        )
        assert {"monday", "tuesday", "wednesday", "thursday", "friday"} <= days
        assert {"january", "february", "march", "april", "june", "july", "august", "september"} <= months
        assert {"he", "she"} <= he
        assert len(days) < 30
