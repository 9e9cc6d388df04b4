"""The ruler: bits of the very text that was given, divided by counts of that same text."""

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo.data import tokenizers
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation import perplexity
from lmzoo.evaluation.perplexity import (
    Score,
    UnknownWordsError,
    block_bits,
    block_interval,
    count_words,
    evaluate,
    mix,
    opening,
    parts_of,
    pseudo_evaluate,
    scored_parts,
)
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.cache import Cache
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform
from tests.tasks.models import Cloze

NOTHING = np.array([], dtype=np.int32)
TEXT = "The cat sat on the mat.\nThe cats sat on the mats, café and all.\n" * 40


def scored(text, tokenizer, token_bits):
    """A Score with these bits for each token."""
    ids, counts = tokenizer.encode(text), (len(text), len(text), len(token_bits), len(text.split()))
    bits = np.array(token_bits, dtype=float)
    return Score(bits.sum(), *counts, "stream", tokenizer.spec, "", 0.0, token_bits=bits, ids=ids)


def fitted(spec="byte", text=TEXT, lines=False, model=None):
    made = tokenizers.train(spec, text, lines)
    return (model or Ngram(order=3)).fit(Data.of(made.encode(text), NOTHING, made.vocab_size)), made


class TestScore:
    def test_uniform_over_bytes_costs_log2_of_257_a_byte(self):
        score = evaluate(TextModel(*fitted(model=Uniform())), "naïve")
        assert (score.characters, score.bytes, score.tokens, score.words) == (5, 6, 6, 1)
        assert score.bits == pytest.approx(6 * np.log2(257))
        assert score.bits_per_byte == pytest.approx(np.log2(257))
        assert score.bits_per_character == pytest.approx(6 / 5 * np.log2(257))
        assert score.perplexity_per_token == pytest.approx(257)
        assert score.perplexity_per_word == pytest.approx(257**6)

    def test_the_hash_is_that_of_the_text(self):
        assert evaluate(TextModel(*fitted()), "naïve").sha256 == hashlib.sha256("naïve".encode()).hexdigest()

    def test_json_holds_every_numerator_and_denominator(self):
        facts = evaluate(TextModel(*fitted()), TEXT).to_json()
        assert facts["bits_per_character"] == facts["bits"] / facts["characters"]
        assert facts["bits_per_byte"] == facts["bits"] / facts["bytes"]
        assert facts["perplexity_per_token"] == pytest.approx(2 ** (facts["bits"] / facts["tokens"]))
        assert facts["perplexity_per_word"] == pytest.approx(2 ** (facts["bits"] / facts["words"]))

    def test_a_text_without_words_has_no_perplexity_per_word(self):
        assert evaluate(TextModel(*fitted()), "   ").perplexity_per_word is None

    def test_the_empty_text_is_refused(self):
        with pytest.raises(UsageError, match="empty"):
            evaluate(TextModel(*fitted()), "")

    def test_a_tokenizer_of_another_run_is_refused(self):
        model, _ = fitted("byte")
        with pytest.raises(UsageError, match="257 tokens and the tokenizer word:50"):
            evaluate(TextModel(model, tokenizers.train("word:50", TEXT)), TEXT)

    def test_an_unknown_protocol_is_refused(self):
        with pytest.raises(UsageError, match="stream, lines"):
            evaluate(TextModel(*fitted()), TEXT, "windows")

    @given(st.text(max_size=40))
    @settings(max_examples=50, deadline=None)
    def test_any_text_has_finite_bits(self, text):
        if text:
            assert 0 < evaluate(TextModel(*fitted()), text).bits < np.inf

    def test_no_probability_of_a_distribution_that_does_not_sum_to_one(self):
        with pytest.raises(ScoreError, match=r"do not sum to one .*smoothing stupid-backoff"):
            evaluate(TextModel(*fitted(model=Ngram(smoothing="stupid-backoff"))), TEXT)

    def test_log_probs_are_the_models_in_nats(self):
        model, made = fitted()
        score = evaluate(TextModel(model, made), TEXT)
        np.testing.assert_allclose(score.log_probs, model.log_probs(made.encode(TEXT))[0])

    def test_json_and_the_tokens_give_the_score_back(self):
        score = evaluate(TextModel(*fitted()), TEXT)
        assert score.replaced == 0
        assert Score.from_json(score.to_json(), score.token_bits.copy(), score.ids.copy()) == score
        assert "token_bits" not in repr(score)
        assert "ids" not in repr(score)

    def test_the_seconds_are_those_of_scoring(self, monkeypatch):
        clock = iter([10.0, 12.5])
        monkeypatch.setattr(perplexity.time, "perf_counter", lambda: next(clock))
        score = evaluate(TextModel(*fitted(model=Uniform())), "abcdefghij")
        assert score.seconds == 2.5
        assert score.tokens_per_second == 4

    def test_a_perplexity_that_no_float_holds_is_left_out(self):
        made = tokenizers.train("byte", "x")
        assert scored("a", made, [999.0]).perplexity_per_word == 2.0**999
        assert scored("a", made, [1000.0]).perplexity_per_word is None
        assert scored("a", made, [1100.0]).perplexity_per_token is None
        assert scored("a", made, [1100.0]).to_json()["perplexity_per_token"] is None

    def test_a_mixture_has_the_mean_probability_of_each_token_and_the_seconds_of_all(self):
        made = tokenizers.train("byte", "x")
        parts = [replace(scored("ab", made, [1.0, 2.0]), seconds=3), replace(scored("ab", made, [3.0, 1.0]), seconds=4)]
        score = mix(parts, np.array([0.25, 0.75]))
        expected = -np.log2([0.25 / 2 + 0.75 / 8, 0.25 / 4 + 0.75 / 2])
        np.testing.assert_allclose(score.token_bits, expected)
        assert score.bits == pytest.approx(expected.sum())
        assert score.seconds == 7


class TestParts:
    @pytest.mark.parametrize("text", ["a b\n", "a b\n\nb", "\n", "b\na\n\n"])
    @pytest.mark.parametrize("end_is_newline", [True, False])
    def test_under_lines_each_line_is_a_part_with_its_end(self, text, end_is_newline):
        made = tokenizers.train("char", TEXT, end_is_newline)
        parts = parts_of(made, text, "lines")
        assert [made.decode(part) for part in parts] == text.splitlines(keepends=True)
        assert [made.decode(part) for part in parts_of(made, text, "stream")] == [text]

    def test_a_model_that_adapts_reads_all_parts_as_one(self):
        static, cache = TextModel(*fitted()), TextModel(*fitted(model=Cache()))
        assert [len(part) for part in scored_parts(static, "a b\nb", "lines")] == [4, 1]
        assert [len(part) for part in scored_parts(cache, "a b\nb", "lines")] == [5]
        assert scored_parts(static, "", "lines") == []

    @pytest.mark.parametrize(
        ("text", "longest", "first"),
        [
            ("ab\ncd\nef", 8, "ab\ncd\nef"),  # not longer
            ("abcd\nef\ngh", 8, "abcd\nef\n"),  # at the last line end
            ("abc\ndefghij", 6, "abc\n"),  # in the second half
            ("ab\ncdefghij", 6, "ab\ncde"),  # else anywhere
            ("abcdef\nghij", 6, "abcdef"),  # the line end is one too far
        ],
    )
    def test_an_opening_ends_with_a_line_in_its_second_half(self, text, longest, first):
        assert opening(text, longest) == first


class TestProtocols:
    @given(
        st.lists(st.text("ab \n", min_size=1, max_size=12), min_size=1, max_size=5), st.sampled_from(["byte", "word:9"])
    )
    @settings(max_examples=40, deadline=None)
    def test_the_bits_of_lines_are_the_sum_over_each_line_alone(self, lines, spec):
        """The same whether a line end is `end` or an ordinary token, and where the last line has none."""
        text = "".join(lines)
        for end_is_newline in (True, False):
            model, made = fitted(spec, lines=end_is_newline)
            alone = [part + "\n" for part in text.split("\n")[:-1]] + [part for part in text.split("\n")[-1:] if part]
            whole = evaluate(TextModel(model, made), text, "lines")
            assert whole.bits == pytest.approx(
                sum(evaluate(TextModel(model, made), line, "lines").bits for line in alone)
            )
            assert whole.characters == len(text)

    def test_a_stream_is_the_chain_rule(self):
        model, made = fitted()
        first, rest = TEXT[:100], TEXT[100:]
        _, state = model.log_probs(made.encode(first))
        bits_of_rest = model.log_probs(made.encode(rest), state)[0].sum() / -np.log(2)
        bits = evaluate(TextModel(model, made), first).bits + bits_of_rest
        assert evaluate(TextModel(model, made), TEXT).bits == pytest.approx(bits)

    @pytest.mark.parametrize("end_is_newline", [True, False])
    def test_a_model_that_adapts_reads_on_across_the_ends_of_lines(self, end_is_newline):
        """And a static one does not: it would have been surprised by each line as by a first one."""
        cache, made = fitted(lines=end_is_newline, model=Cache())
        score = evaluate(TextModel(cache, made), TEXT, "lines")
        assert score.bits == pytest.approx(cache.log_probs(score.ids)[0].sum() / -np.log(2))
        assert score.words == count_words(TEXT, "lines")
        alone = sum(evaluate(TextModel(cache, made), line + "\n", "lines").bits for line in TEXT.split("\n")[:-1])
        assert score.bits < alone

    def test_line_ends_are_words_under_lines_alone(self):
        assert count_words(" no it was \n \n", "lines") == 5
        assert count_words(" no it was \n \n", "stream") == 3

    def test_words_a_closed_vocabulary_lacks_are_replaced_and_said(self):
        model, made = fitted("split", " the <unk> sat \n the cat sat \n")
        score = evaluate(TextModel(model, made), " the dog sat \n", "lines")
        assert score.replaced == 1
        assert score.bits == evaluate(TextModel(model, made), " the <unk> sat \n", "lines").bits
        assert score.characters == len(" the <unk> sat \n")

    def test_an_unknown_word_may_have_a_space_of_unicode_in_it(self):
        model, made = fitted("split", " the <unk> sat \n the cat sat \n")
        assert evaluate(TextModel(model, made), " the 10\u00a0000 sat \n", "lines").replaced == 1


@dataclass
class Broken(Uniform):
    """Uniform, but for the score of one token."""

    at: int = 3
    log_prob: float = -np.inf
    name: ClassVar[str] = "broken"

    def log_probs(self, tokens, state=None):
        scores, state = super().log_probs(tokens, state)
        scores[self.at] = self.log_prob
        return scores, state


class TestNonsense:
    @pytest.mark.parametrize(
        ("log_prob", "said"), [(-np.inf, "zero"), (np.nan, "NaN"), (np.inf, "infinity"), (0.5, "1.64")]
    )
    def test_what_is_no_probability_is_an_error_that_names_token_and_position(self, log_prob, said):
        with pytest.raises(ScoreError, match=f"gives token 'x' at position 3 .character 3. a probability of {said}"):
            evaluate(TextModel(*fitted(model=Broken(log_prob=log_prob))), "abcxyz")

    def test_rounding_may_lift_a_probability_a_little_above_one(self):
        assert evaluate(TextModel(*fitted(model=Broken(log_prob=5e-4))), "abcxyz").tokens == 6
        with pytest.raises(ScoreError, match=r"a probability of 1\.002"):
            evaluate(TextModel(*fitted(model=Broken(log_prob=2e-3))), "abcxyz")

    def test_the_position_is_counted_in_characters_too(self):
        with pytest.raises(ScoreError, match=r"position 3 \(character 2\)"):
            evaluate(TextModel(*fitted(model=Broken())), "éaxyz")

    def test_maximum_likelihood_gets_no_bits_on_text_it_finds_impossible(self):
        with pytest.raises(ScoreError, match="ngram gives token 'q' at position 4"):
            evaluate(TextModel(*fitted(model=Ngram(smoothing="ml"))), "The quick")


@dataclass
class Closed(Uniform):
    """Uniform over the words that it knows: the first, <unk>, has probability zero."""

    name: ClassVar[str] = "closed"

    def log_probs(self, tokens, state=None):
        return np.where(np.asarray(tokens) == 0, -np.inf, -np.log(self.vocab_size_ - 1)), state


class TestUnknownWords:
    """As KenLM and SRILM do: no figure of the whole, beside that of the words that are known, and both counted."""

    KNOWN = " <unk> the cat sat \n"  # and the line end: four tokens with a probability

    def test_the_figure_without_them_stands_beside_the_refusal(self):
        with pytest.raises(UnknownWordsError) as error:
            evaluate(TextModel(*fitted("split", self.KNOWN, model=Closed())), " the dog sat \n the cow \n", "lines")
        assert str(error.value) == (
            "2 of 7 tokens are unknown words, such as 'dog', which closed gives probability zero: no bits can be given "
            "for the whole text; without them, 5 tokens: 10.0 bits, perplexity 4.00 per token"
        )
        assert error.value.excluding == {"unknown": 2, "tokens": 5, "bits": 10.0, "perplexity_per_token": 4.0}
        facts = error.value.score.to_json()
        assert (facts["tokens"], facts["words"], facts["replaced"], facts["bits"]) == (7, 7, 2, None)
        assert facts["bits_per_character"] is facts["perplexity_per_token"] is None

    def test_a_text_of_unknown_words_alone_has_no_figure_at_all(self):
        with pytest.raises(UnknownWordsError, match="without them, 0 tokens: no perplexity"):
            evaluate(TextModel(*fitted("split", self.KNOWN, model=Closed())), " dog")

    def test_another_impossible_token_is_no_unknown_word(self):
        with pytest.raises(ScoreError, match="gives token 'sat' at position 3") as error:
            evaluate(TextModel(*fitted("split", self.KNOWN, model=Broken())), " the dog cat sat")
        assert type(error.value) is ScoreError


class TestBlocks:
    @pytest.mark.parametrize("spec", ["byte", "char", "word:20"])
    def test_blocks_hold_every_bit_and_character_once(self, spec):
        model, made = fitted(spec)
        score = evaluate(TextModel(model, made), TEXT)
        bits, characters = block_bits(score, made, size=100)
        assert bits.sum() == pytest.approx(score.bits)
        assert characters.sum() == score.characters
        assert len(bits) == score.characters // 100

    def test_a_token_belongs_to_the_block_it_starts_in(self):
        made = tokenizers.train("word:2", "abcd ef " * 9)
        score = scored("ef abcd ef", made, token_bits=[1, 2, 4, 8])  # start at characters 0, 1, 2 and 7
        assert [len(piece) for piece in made.pieces(score.ids)] == [1, 1, 5, 3]
        bits, characters = block_bits(score, made, size=5)
        assert (list(bits), list(characters)) == ([7, 8], [5, 5])  # " abcd" crosses into the second block

    def test_the_last_block_takes_the_characters_left_over(self):
        made = tokenizers.train("byte", "x")
        bits, characters = block_bits(scored("abcdefgh", made, 2.0 ** np.arange(8)), made, size=3)
        assert (list(bits), list(characters)) == ([7, 248], [3, 5])
        bits, characters = block_bits(scored("ab", made, [1, 2]), made, size=3)
        assert (list(bits), list(characters)) == ([3], [2])

    def test_under_ten_blocks_there_is_no_interval(self):
        assert block_interval(np.ones(9), np.ones(9)) is None
        assert block_interval(np.ones(10), np.ones(10)) == (1, 1)


class TestInterval:
    rng = np.random.default_rng(0)

    def test_it_covers_the_mean_about_as_often_as_it_says(self):
        hits = 0
        for trial in range(60):
            bits = self.rng.gamma(4, 500, size=60)  # mean 2000 bits in 1000 characters
            low, high = block_interval(bits, np.full(60, 1000.0), seed=trial)
            hits += low <= 2 <= high
        assert hits >= 50  # 95 % of 60 is 57; 50 or fewer has a chance under 1 in 1000

    def test_pairing_sees_a_difference_that_the_single_intervals_hide(self):
        hard = self.rng.gamma(2, 1000, size=50)
        better, worse = hard, hard + self.rng.normal(20, 20, size=50)
        characters = np.full(50, 1000.0)
        low, high = block_interval(worse - better, characters)
        assert 0 < low < (worse - better).mean() / 1000 < high < 0.03
        assert block_interval(better, characters)[1] > block_interval(worse, characters)[0]

    def test_no_spread_no_width(self):
        assert block_interval(np.full(20, 8.0), np.full(20, 4.0)) == (2, 2)
        sizes = np.arange(1.0, 21.0)
        assert block_interval(2 * sizes, sizes) == (2, 2)

    def test_the_same_numbers_give_the_same_interval(self):
        bits = self.rng.random(30)
        assert block_interval(bits, np.ones(30)) == block_interval(bits, np.ones(30))


class TestPseudoPerplexity:
    """Salazar et al. 2020: exp of minus the mean pseudo-log-likelihood per token."""

    def cloze(self):
        words = tokenizers.train("word:20", TEXT)
        ids = words.encode(TEXT)
        return TextModel(Cloze().fit(Data(ids, ids[:0], words.vocabulary)), words)

    def test_it_is_that_of_every_token_given_all_others(self):
        cloze, text = self.cloze(), "The cat sat\n"
        ids = cloze.tokenizer.encode(text)
        log_probs = [cloze.model.fill_log_probs(ids, np.arange(len(ids)) == t)[0, token] for t, token in enumerate(ids)]
        score = pseudo_evaluate(cloze, text)
        assert score.pseudo_perplexity == pytest.approx(np.exp(-np.mean(log_probs)))
        assert score.tokens == len(ids)

    def test_lines_are_scored_alone_and_tokens_counted_over_all(self):
        cloze, lines = self.cloze(), ["The cat sat\n", "The cats on the mats\n"]
        whole, parts = pseudo_evaluate(cloze, "".join(lines)), [pseudo_evaluate(cloze, line) for line in lines]
        assert whole.nats == pytest.approx(sum(part.nats for part in parts))
        assert whole.tokens == sum(part.tokens for part in parts)

    def test_it_has_no_bits_and_no_characters_to_divide_by(self):
        facts = asdict(pseudo_evaluate(self.cloze(), "The cat"))
        assert "pseudo_perplexity" in facts
        assert not [key for key in facts if "bits" in key or "character" in key]

    def test_only_a_masked_model_has_one(self):
        with pytest.raises(UsageError, match="ngram fills no blanks, so it has no pseudo-perplexity"):
            pseudo_evaluate(TextModel(*fitted()), "The cat")
        with pytest.raises(UsageError, match="cloze gives no probability to a text, so it has no bits"):
            evaluate(self.cloze(), "The cat")

    def test_an_empty_text_and_an_impossible_token_are_errors(self):
        with pytest.raises(UsageError, match="empty"):
            pseudo_evaluate(self.cloze(), "")
        cloze = self.cloze()
        cloze.model.pseudo_log_probs = lambda tokens: np.full(len(tokens), -np.inf)
        with pytest.raises(ScoreError, match="log-probability of -inf"):
            pseudo_evaluate(cloze, "The cat")
