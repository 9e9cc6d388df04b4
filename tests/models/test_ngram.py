"""The n-gram: an example worked by hand, KenLM's own numbers, and the tables of the literature."""

import json
import os
import re
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo import testing
from lmzoo.data import corpus, tokenizers
from lmzoo.errors import FormatError, ScoreError, UsageError
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Run
from lmzoo.models import ngram
from lmzoo.models.ngram import TRIED, Ngram
from lmzoo.ngrams import ordering
from lmzoo.ngrams.counts import Level, count_ngrams
from lmzoo.ngrams.smoothing import SMOOTHINGS, JelinekMercer, Katz, ModifiedKneserNey

SMOOTH = [name for name in SMOOTHINGS if name not in ("ml", "stupid-backoff", "arpa")]
GOLDEN = json.loads(Path(__file__).with_name("kenlm.json").read_text())
NOTHING = np.array([], dtype=np.int32)


def ids(letters, alphabet="abc$"):
    return np.array([alphabet.index(letter) for letter in letters], dtype=np.int32)


def kenlm_ids(train, test):
    """KenLM's vocabulary in our numbers: words as they first appear, then <unk>, then </s> = <s>."""
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(train.split()))}
    unknown, end = len(vocabulary), len(vocabulary) + 1

    def encode(text):
        lines = text.splitlines()
        return np.array([i for line in lines for i in [*(vocabulary.get(w, unknown) for w in line.split()), end]])

    return encode(train), encode(test), end + 1


class TestCounting:
    """The text "ab$b$" is two lines, "ab" and "b"; $ is `end`, which also stands before the first."""

    levels = count_ngrams(ids("ab$b$"), 4, 3)

    def test_every_ngram_is_counted_within_its_line(self):
        words = [list(level.word) for level in self.levels]
        counts = [list(level.count) for level in self.levels]
        assert words == [[0, 1, 2, 3], [1, 3, 0, 1], [3, 1, 3]]  # a b c $ | ab b$ $a $b | ab$ $ab $b$
        assert counts == [[1, 2, 0, 2], [1, 2, 1, 1], [1, 1, 1]]

    def test_continuations_are_the_distinct_words_before(self):
        # a follows $, b follows a and $, $ follows b; nothing can follow a boundary from before it
        assert list(self.levels[0].adjusted) == [1, 2, 0, 1]
        assert list(self.levels[1].adjusted) == [1, 2, 1, 1]  # ab after $; b$ after a and $; $a, $b as they occur

    def test_the_longest_ngrams_keep_their_counts(self):
        assert list(self.levels[2].adjusted) == [1, 1, 1]

    def test_no_ngram_reaches_across_a_line_end(self):
        assert len(count_ngrams(ids("a$b$c$"), 4, 5)) == 3  # $a$ is the longest there is

    @given(st.lists(st.integers(0, 4), max_size=60), st.integers(1, 6))
    @settings(deadline=None)
    def test_counts_are_those_of_a_dictionary(self, tokens, order):
        text = [4, *tokens]
        expected: dict[tuple[int, ...], int] = {}
        for t in range(1, len(text)):
            for n in range(1, order + 1):
                gram = tuple(text[t - n + 1 : t + 1])
                if len(gram) < n or 4 in gram[1:-1]:
                    break
                expected[gram] = expected.get(gram, 0) + 1
        found = {}
        grams: list[list[tuple[int, ...]]] = [[()]]
        for level in count_ngrams(np.array(tokens, dtype=np.int32), 5, order):
            spelled = zip(level.context.tolist(), level.word.tolist(), strict=True)
            grams.append([(*grams[-1][context], word) for context, word in spelled])
            shorter = [(gram, grams[-2][suffix]) for gram, suffix in zip(grams[-1], level.suffix, strict=True)]
            assert all(gram[1:] == suffix for gram, suffix in shorter)
            found |= {gram: n for gram, n in zip(grams[-1], level.count.tolist(), strict=True) if n}
        assert found == expected


class TestByHand:
    """Trained on "abab$" with order 2: counts $a 1, ab 2, ba 1, b$ 1, and V = 4."""

    def model(self, smoothing):
        return Ngram(order=2, smoothing=smoothing).fit(Data.of(ids("abab$"), NOTHING, 4))

    def test_maximum_likelihood(self):
        p = np.exp(self.model("ml").log_probs(ids("abab$"))[0])
        assert np.allclose(p, [1, 1, 1 / 2, 1, 1 / 2])  # after $ always a; after a always b; after b: a or $

    def test_kneser_ney(self):
        # Bigrams: n1 = 3, n2 = 1, so D = 3/5. Unigrams count what they follow: a 2 (after $, b), b 1, $ 1, so
        # n1 = 2, n2 = 1 and D = 2/4. p(a) = (2 - 1/2)/4 + (3 · 1/2)/4 · 1/4.
        p_a = 1.5 / 4 + 1.5 / 4 / 4
        model = self.model("kneser-ney")
        assert np.exp(model.log_probs(ids("a"))[0]) == pytest.approx((1 - 0.6) / 1 + 0.6 * p_a)
        after_b = model.next_log_probs(model.advance(model.start(), ids("ab")))
        assert np.exp(after_b[0]) == pytest.approx((1 - 0.6) / 2 + (2 * 0.6 / 2) * p_a)
        assert np.exp(after_b[2]) == pytest.approx((2 * 0.6 / 2) * 1.5 / 4 / 4)  # c was never seen

    def test_add_k_uses_the_longest_context_alone(self):
        model = Ngram(order=2, smoothing="add-k", k=0.5).fit(Data.of(ids("abab$"), NOTHING, 4))
        after_b = np.exp(model.next_log_probs(model.advance(model.start(), ids("ab"))))
        assert after_b == pytest.approx(np.array([1.5, 0.5, 0.5, 1.5]) / 4)  # b was seen twice: 2 + 4k

    def test_absolute_discounting_without_counts_of_two(self):
        model = Ngram(order=1, smoothing="absolute").fit(Data.of(ids("aaab$"), NOTHING, 4))  # n1 = 2, n2 = 0
        assert np.exp(model.next_log_probs(0)[0]) == pytest.approx((3 - 0.75) / 5 + 3 * 0.75 / 5 / 4)
        assert "D = 0.75" in model.remarks[0]

    def test_without_a_text_maximum_likelihood_is_uniform(self):
        model = Ngram(order=2, smoothing="ml").fit(Data.of(NOTHING, NOTHING, 4))
        assert np.exp(model.next_log_probs(model.start())) == pytest.approx(np.full(4, 1 / 4))

    def test_an_unseen_context_leaves_all_to_the_shorter_one(self):
        model = self.model("kneser-ney")
        after_c = model.next_log_probs(model.advance(model.start(), ids("c")))
        assert np.allclose(after_c, model.next_log_probs(0))

    def test_too_few_counts_are_said_and_replaced_by_kenlms_fallback(self):
        model = self.model("modified-kneser-ney")
        (remark,) = model.remarks
        assert "used 0.5, 1, 1.5 as KenLM" in remark
        assert re.findall(r"order \d: \d seen once", remark) == ["order 1: 1 seen once", "order 2: 3 seen once"]
        (remark,) = self.model("katz").remarks
        assert remark.endswith("nothing was discounted (order 1: none seen 3 times; order 2: none seen 3 times)")


def jelinek_mercer_by_hand(train, valid, vocab_size, order):
    """The probability of each token of `valid`, with weights by EM: a loop over tokens, and contexts as tuples."""
    end = vocab_size - 1

    def contexts(text, t):
        """Those of the token at t, shortest first: none reaches beyond an `end`."""
        starts = range(t, max(-1, t - order), -1)
        return [tuple(text[s:t]) for s in starts if end not in text[s + 1 : t]]

    text, held_out = [end, *train.tolist()], [end, *valid.tolist()]
    counts = Counter((h, text[t]) for t in range(1, len(text)) for h in contexts(text, t))
    totals = Counter(h for t in range(1, len(text)) for h in contexts(text, t))
    weights = {}  # by order and number of binary digits of the context's count
    for _ in range(30 + 1):  # the last one has the final weights
        expected, asked, probs = Counter(), Counter(), []
        for t in range(1, len(held_out)):
            p, terms = 1 / vocab_size, []
            for h in filter(totals.get, contexts(held_out, t)):
                bucket = len(h), totals[h].bit_length()
                weight = weights.get(bucket, 0.5)
                terms.append((bucket, weight * counts[h, held_out[t]] / totals[h], (1 - weight) * p))
                p = terms[-1][1] + terms[-1][2]
            responsibility = 1.0
            for bucket, here, below in reversed(terms):
                asked[bucket] += responsibility
                expected[bucket] += responsibility * here / (here + below)
                responsibility *= below / (here + below)
            probs.append(p)
        weights = {bucket: (expected[bucket] + 1) / (asked[bucket] + 2) for bucket in asked}
    return np.array(probs)


def test_the_weights_of_jelinek_mercer_are_those_of_em():
    train, valid = testing.practice_text(300), testing.practice_text(200, seed=1)
    model = Ngram(order=4, smoothing="jelinek-mercer").fit(Data.of(train, valid, testing.VOCAB_SIZE))
    expected = jelinek_mercer_by_hand(train, valid, testing.VOCAB_SIZE, order=4)
    assert np.exp(model.log_probs(valid)[0]) == pytest.approx(expected, rel=1e-5)


def test_katz_leaves_counts_alone_whose_good_turing_discount_is_none():
    """As many words seen r + 1 times as r times would make r* = r + 1 of a count of r."""
    count = np.repeat(np.arange(1, 9), [40, 40, 20, 12, 8, 5, 4, 1])
    words = np.arange(len(count), dtype=np.int32)
    katz = Katz(vocab_size=len(count))
    katz.prepare([Level(1, words, 0 * words, count, np.array([0, len(count)]))], NOTHING)
    assert katz.ratios[1][1] == 1
    assert ((katz.ratios[1][2:8] > 0) & (katz.ratios[1][2:8] < 1)).all()
    assert katz.remarks == ["order 1: Good-Turing's discount comes out as 2.25 for counts of 1: left undiscounted"]


class TestKenLM:
    """Scores by KenLM's own programs, on a text made for this test."""

    @pytest.mark.parametrize("order", [2, 3, 4, 5])
    def test_every_token_scores_the_same(self, order):
        train, test, vocab_size = kenlm_ids(GOLDEN["text"], GOLDEN["test"])
        model = Ngram(order=order).fit(Data.of(train, NOTHING, vocab_size))
        lines = np.split(test, np.flatnonzero(test == vocab_size - 1)[:-1] + 1)
        ours = np.concatenate(model.log_probs_many(lines)) / np.log(10)
        assert np.abs(ours - GOLDEN["orders"][str(order)]["log10_probs"]).max() < 1e-6

    @pytest.mark.parametrize("order", [2, 3, 4, 5])
    def test_the_discounts_are_the_same(self, order):
        train, _, vocab_size = kenlm_ids(GOLDEN["text"], GOLDEN["test"])
        smoothing = ModifiedKneserNey(vocab_size)
        smoothing.prepare(count_ngrams(train, vocab_size, order), NOTHING)
        ours = [smoothing.discounts[n + 1][1:] for n in range(order)]
        assert np.allclose(ours, GOLDEN["orders"][str(order)]["discounts"], atol=1e-5)

    @pytest.mark.data
    @pytest.mark.parametrize("order", [2, 3, 5])
    def test_the_oracle(self, order):
        """Every token of ten PTB lines, trained on two hundred."""
        folder = Path(os.environ["LMZOO_MIRROR"]).parent / "oracle" / "kenlm"
        if not folder.is_dir():
            pytest.skip("there is no oracle/kenlm beside the mirror")
        texts = [(folder / name).read_text() for name in ("train.txt", "valid10.txt")]
        train, test, vocab_size = kenlm_ids(*texts)
        model = Ngram(order=order).fit(Data.of(train, NOTHING, vocab_size))
        ours = model.log_probs(test)[0] / np.log(10)
        printed = (folder / f"scores.o{order}.word.txt").read_text().split("\t")
        theirs = [float(word.split()[-1]) for word in printed if "=" in word]
        assert np.abs(ours - theirs).max() < 1e-6


# Test perplexities of KenLM with a closed vocabulary (it has one token more, <unk>); the literature, which prints
# one decimal, has 148.3 at order 3 and 141.2 at order 5 (Mikolov 2012).
PTB = {1: 639.19, 2: 185.705, 3: 148.281, 4: 142.715, 5: 141.186, 6: 140.837}
# Bits per character on the last tenth of Tiny Shakespeare after training on the first nine. KenLM knows 67 symbols
# and we 257, among them all bytes: what the 190 others get costs some 0.0005 bits.
# The same with other smoothings at orders 2 to 5, by an independent implementation in float64.
OTHERS = {
    "witten-bell": (199.84, 186.31, 201.45, 209.20),
    "absolute": (195.27, 166.49, 165.56, 165.86),
    "katz": (194.50, 166.58, 169.75, 173.67),
    "kneser-ney": (186.80, 150.60, 145.10, 143.51),
}
SHAKESPEARE = {
    2: 3.5830, 3: 2.9404, 4: 2.4801, 5: 2.2523, 6: 2.1967, 7: 2.1879, 8: 2.1918, 9: 2.1959, 10: 2.1965, 11: 2.1961,
    12: 2.1956,
}  # fmt: skip


def cache_of(count):
    """`count_ngrams` that counts a text at an order once, whoever asks."""
    counted = {}

    def once(tokens, vocab_size, order, scratch=None, progress=None):
        key = id(tokens), order
        if key not in counted:
            counted[key] = count(tokens, vocab_size, order, scratch, progress)
        return counted[key]

    return once


@cache
def encoded(name, refit=False):
    """A corpus with its tokenizer and the ids of its training text, once for all figures."""
    text = corpus.load(name, refit=refit)
    tokenizer = tokenizers.train(text.tokenizer, text.train, text.lines)
    return text, tokenizer, tokenizer.encode(text.train)


def fit_and_score(text, tokenizer, train, order, smoothing="modified-kneser-ney"):
    model = Ngram(order=order, smoothing=smoothing).fit(Data.of(train, NOTHING, tokenizer.vocab_size))
    return evaluate(TextModel(model, tokenizer), text.test, text.protocol)


@pytest.mark.data
class TestPublishedFigures:
    @pytest.mark.parametrize("order", PTB)
    def test_ptb(self, order):
        score = fit_and_score(*encoded("ptb"), order)
        assert score.tokens == score.words == 82430
        assert score.perplexity_per_word == pytest.approx(PTB[order], rel=1e-5)

    @pytest.mark.parametrize("order", [2, 3, 4, 5])
    def test_ptb_with_other_smoothings(self, order, monkeypatch):
        monkeypatch.setattr(ngram, "count_ngrams", cache_of(count_ngrams))  # counted once for all of them
        for smoothing, perplexities in OTHERS.items():
            score = fit_and_score(*encoded("ptb"), order, smoothing)
            assert score.perplexity_per_word == pytest.approx(perplexities[order - 2], abs=0.02), smoothing

    def test_wikitext2(self):
        score = fit_and_score(*encoded("wikitext2"), 5)
        assert score.tokens == 245569
        assert score.perplexity_per_word == pytest.approx(220.139, rel=1e-5)

    @pytest.mark.parametrize("order", SHAKESPEARE)
    def test_shakespeare_by_characters(self, order):
        score = fit_and_score(*encoded("shakespeare", refit=True), order)
        assert score.characters == 111540
        assert score.bits_per_character == pytest.approx(SHAKESPEARE[order], abs=0.001)


class TestChoosing:
    train, valid = testing.practice_text(3000), testing.practice_text(500, seed=1)

    def bits(self, model):
        return -model.fit(Data.of(self.train, self.valid, 12)).log_probs(self.valid)[0].sum()

    def test_auto_takes_the_order_that_serves_the_validation_text_best(self):
        chosen = Ngram(order="auto").fit(Data.of(self.train, self.valid, 12))
        by_hand = min(range(1, 7), key=lambda order: self.bits(Ngram(order=order)))
        assert chosen.order_ == by_hand
        assert chosen.reach == by_hand - 1
        perplexity = [f"{np.exp(self.bits(Ngram(order=by_hand + n)) / len(self.valid)):.5g}" for n in (-1, 0, 1)]
        assert chosen.remarks[0] == (
            f"order {by_hand} chosen on the validation text: perplexity {perplexity[1]} against "
            f"{perplexity[0]} (order {by_hand - 1}), {perplexity[2]} (order {by_hand + 1})"
        )

    def test_one_order_that_does_not_help_does_not_end_the_search(self):
        """Each token follows from the one before the last, and nothing from the last: a bigram is worse than none."""
        dice = np.random.default_rng(0)
        text = dice.integers(0, 4, 6000).astype(np.int32)
        for t in range(2, 6000):
            if dice.random() < 0.9:
                text[t] = (text[t - 2] + 1) % 4
        model = Ngram(order="auto", smoothing="witten-bell").fit(Data.of(text[:5000], text[5000:], 5))
        assert model.order_ == 3
        data = Data.of(text[:5000], text[5000:], 5)
        of = [-Ngram(n, "witten-bell").fit(data).log_probs(data.valid)[0].mean() for n in (1, 2, 3)]
        assert of[2] < of[0] < of[1]

    def test_auto_takes_the_best_smoothing_too(self):
        chosen = Ngram(order="auto", smoothing="auto").fit(Data.of(self.train, self.valid, 12))
        best = min(self.bits(Ngram(order=order, smoothing=name)) for name in TRIED for order in range(1, 7))
        assert self.bits(Ngram(chosen.order_, chosen.smoothing_)) == pytest.approx(best)
        assert chosen.remarks[0].startswith(f"order {chosen.order_}, {chosen.smoothing_} chosen on the validation text")
        for other in set(TRIED) - {chosen.smoothing_}:  # each with its best order
            assert chosen.remarks[0].count(f", {other})") == 1

    def test_the_choice_is_saved(self):
        chosen = Ngram(order="auto", smoothing="auto").fit(Data.of(self.train, self.valid, 12))
        again = Ngram(**chosen.config()).restore(chosen.arrays())
        assert (again.order_, again.smoothing_) == (chosen.order_, chosen.smoothing_)

    def test_without_validation_text_there_is_nothing_to_choose_by(self):
        with pytest.raises(UsageError, match="no validation text"):
            Ngram(order="auto").fit(Data.of(self.train, NOTHING, 12))


alpha = JelinekMercer.alpha


class TestRefit:
    """When the validation text is part of the training text, nothing is chosen by how well it is remembered."""

    train, valid, test = (testing.practice_text(2000, seed=seed) for seed in range(3))
    both = np.concatenate([train, valid])

    def test_jelinek_mercer_keeps_the_weights_of_the_text_it_had_not_seen(self):
        def bits(train, refit):
            model = Ngram(order=2, smoothing="jelinek-mercer").fit(Data.of(train, self.valid, 12, refit))
            return -model.log_probs(self.test)[0].sum()

        assert bits(self.both, refit=True) < bits(self.train, refit=False)

    def test_its_weights_are_those_fitted_without_the_validation_text(self, monkeypatch):
        fitted = []
        monkeypatch.setattr(JelinekMercer, "alpha", lambda self, level: fitted.append(self) or alpha(self, level))
        for train, refit in ((self.train, False), (self.both, True)):
            Ngram(order=2, smoothing="jelinek-mercer").fit(Data.of(train, self.valid, 12, refit))
        assert fitted[0] is not fitted[-1]
        np.testing.assert_array_equal(fitted[0].weights, fitted[-1].weights)

    def test_auto_chooses_as_without_it_and_counts_it_then(self):
        before = Ngram(order="auto", smoothing="auto").fit(Data.of(self.train, self.valid, 12))
        after = Ngram(order="auto", smoothing="auto").fit(Data.of(self.both, self.valid, 12, refit=True))
        assert (after.order_, after.smoothing_) == (before.order_, before.smoothing_)
        assert after.trie_.counts[0] == len(self.both)


class TestPruning:
    text = testing.practice_text(3000)

    def test_what_it_saves_is_said(self):
        whole = Ngram(order=4).fit(Data.of(self.text, NOTHING, 12))
        small = Ngram(order=4, cutoffs="0,0,1", prune=1e-4).fit(Data.of(self.text, NOTHING, 12))
        before, after = len(whole.trie_.words) - 1, len(small.trie_.words) - 1
        assert after < before
        assert small.remarks[-1] == f"pruned from {before:,} to {after:,} n-grams: {1 - after / before:.1%} saved"
        assert not any("pruned" in remark for remark in whole.remarks)


class TestStupidBackoff:
    """Scores, but no probabilities: it may rank texts, and gets no bits."""

    def test_scores_are_relative_frequencies_with_a_penalty(self):
        model = Ngram(order=2, smoothing="stupid-backoff").fit(Data.of(ids("abab$"), NOTHING, 4))
        scores = np.exp(model.log_probs(ids("aba"))[0])
        assert np.allclose(scores, [1, 1, 1 / 2])
        assert np.exp(model.log_probs(ids("b"))[0]) == pytest.approx(0.4 * 2 / 5)  # b never starts a line

    def test_the_ruler_says_why_it_gets_no_bits(self):
        made = tokenizers.train("byte", "")
        model = Ngram(smoothing="stupid-backoff").fit(Data.of(made.encode("the cat"), NOTHING, 257))
        with pytest.raises(ScoreError, match=r"do not sum to one .* smoothing stupid-backoff"):
            evaluate(TextModel(model, made), "the cat")


class TestLittleMemory:
    """Counted in sorted runs, kept in files: the same model to the last bit."""

    text = np.random.default_rng(0).zipf(1.3, 200_000).clip(0, 999).astype(np.int32)

    @pytest.mark.parametrize("smoothing", ["modified-kneser-ney", "katz"])
    def test_the_model_is_the_same(self, smoothing, monkeypatch):
        monkeypatch.setattr("lmzoo.ngrams.out_of_core.SMALL", 1 << 12)
        monkeypatch.setattr("lmzoo.ngrams.counts.PART", 5000)
        little = Ngram(order=4, smoothing=smoothing).fit(Data.of(self.text, NOTHING, 1000), Run(memory=1 << 20))
        monkeypatch.undo()
        plenty = Ngram(order=4, smoothing=smoothing).fit(Data.of(self.text, NOTHING, 1000))
        assert isinstance(little.trie_.probs, np.memmap)
        for key, array in plenty.arrays().items():
            assert np.array_equal(array, little.arrays()[key]), key

    @pytest.mark.parametrize("run", [1, 100, 30_000])
    def test_runs_of_any_size_count_the_same(self, run, monkeypatch):
        whole = count_ngrams(self.text, 1000, 4)
        monkeypatch.setattr(ordering, "RUN", run)
        monkeypatch.setattr(ordering, "THREADS", 3)
        for level, expected in zip(count_ngrams(self.text, 1000, 4), whole, strict=True):
            for name in ("word", "suffix", "count", "children"):
                assert np.array_equal(getattr(level, name), getattr(expected, name)), (level.order, name)


class TestOddInput:
    @pytest.mark.parametrize("smoothing", SMOOTH)
    @given(tokens=st.lists(st.integers(0, 3), max_size=40), order=st.integers(1, 5))
    @settings(deadline=None, max_examples=50)
    def test_any_text_makes_a_distribution(self, smoothing, tokens, order):
        model = Ngram(order=order, smoothing=smoothing).fit(Data.of(np.array(tokens, dtype=np.int32), NOTHING, 5))
        text = np.array([*tokens[:8], 4, 0], dtype=np.int32)
        assert testing.sums_to_one(model, text) == ""
        assert testing.scoring_equals_stepping(model, text) == ""

    @pytest.mark.parametrize("smoothing", SMOOTH)
    def test_a_vocabulary_of_one(self, smoothing):
        model = Ngram(smoothing=smoothing).fit(Data.of(np.zeros(3, dtype=np.int32), NOTHING, 1))
        assert np.allclose(model.log_probs([0, 0, 0])[0], 0)

    @pytest.mark.parametrize("smoothing", SMOOTH)
    def test_one_token_repeated(self, smoothing):
        repeated = np.zeros(1000, dtype=np.int32)
        model = Ngram(order=4, smoothing=smoothing).fit(Data.of(repeated, repeated[:100], 3))
        assert model.log_probs(np.zeros(10, dtype=np.int32))[0][4:].min() > np.log(0.99)  # once it is under way

    def test_an_order_beyond_the_text(self):
        model = Ngram(order=40).fit(Data.of(ids("abc"), NOTHING, 4))
        assert model.remarks[-1] == "the text has no n-grams longer than 4: order 40 adds none"
        assert np.isfinite(model.log_probs(ids("cba"))[0]).all()

    @pytest.mark.parametrize("order", [0, -1, 65])
    def test_an_order_that_cannot_be(self, order):
        with pytest.raises(UsageError, match=f"order must be 1 to 64 or auto, not {order}"):
            Ngram(order=order)

    def test_a_smoothing_that_is_not_there(self):
        with pytest.raises(UsageError, match="did you mean kneser-ney"):
            Ngram(smoothing="knesser-ney")

    @pytest.mark.parametrize(
        ("key", "value"), [("fallback", 10**6), ("children", -1), ("words", 99), ("probs", np.nan), ("gammas", np.inf)]
    )
    def test_wild_arrays_from_a_file_are_refused(self, key, value):
        arrays = Ngram(order=2).fit(Data.of(ids("abcab$"), NOTHING, 4)).arrays()
        arrays[key] = arrays[key].copy()
        arrays[key][1] = value
        with pytest.raises(FormatError, match="out of range"):
            Ngram(order=2).restore(arrays)
