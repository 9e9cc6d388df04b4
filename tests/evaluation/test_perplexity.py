"""The ruler: bits of the very text that was given, divided by counts of that same text."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo.data import tokenizers
from lmzoo.errors import ScoreError, UsageError
from lmzoo.evaluation.perplexity import Score, block_bits, block_interval, count_words, evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.cache import Cache
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform

NOTHING = np.array([], dtype=np.int32)
TEXT = "The cat sat on the mat.\nThe cats sat on the mats, café and all.\n" * 40


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

    def test_the_position_is_counted_in_characters_too(self):
        with pytest.raises(ScoreError, match=r"position 3 \(character 2\)"):
            evaluate(TextModel(*fitted(model=Broken())), "éaxyz")

    def test_maximum_likelihood_gets_no_bits_on_text_it_finds_impossible(self):
        with pytest.raises(ScoreError, match="ngram gives token 'q' at position 4"):
            evaluate(TextModel(*fitted(model=Ngram(smoothing="ml"))), "The quick")


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
        made = tokenizers.train("word:1", "abcd" * 9)
        score = Score(3, 12, 12, 3, 1, "stream", "word:1", "", 0, token_bits=np.array([1, 2, 4]), ids=np.full(3, 256))
        assert made.decode(score.ids) == "abcd" * 9 or len(made.pieces(score.ids)[0]) > 1
        bits, _ = block_bits(score, made, size=10**6)
        assert list(bits) == [7]

    def test_under_ten_blocks_there_is_no_interval(self):
        assert block_interval(np.ones(9), np.ones(9)) is None


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

    def test_the_same_numbers_give_the_same_interval(self):
        bits = self.rng.random(30)
        assert block_interval(bits, np.ones(30)) == block_interval(bits, np.ones(30))
