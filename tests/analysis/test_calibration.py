"""Whether a model knows what it does not know: at the evaluator's own probabilities, within what chance allows."""

from dataclasses import dataclass

import numpy as np
import pytest

from lmzoo.analysis import calibration
from lmzoo.data import tokenizers
from lmzoo.errors import ScoreError
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.cache import Cache
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform

NOTHING = np.array([], dtype=np.int32)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass
class Known(Uniform):
    """A source of letters whose sharpness depends on the last letter; `power` is what it makes of its odds."""

    power: float = 1.0
    reach = 1

    def rows(self):
        odds = np.random.default_rng(5).dirichlet(np.full(26, 0.15), size=self.vocab_size_)
        log_odds = np.full((self.vocab_size_, self.vocab_size_), -30.0)
        log_odds[:, [ord(letter) for letter in LETTERS]] = np.log(odds + 1e-9)
        return log_odds

    def start(self):
        return self.vocab_size_ - 1

    def advance(self, state, tokens):
        return int(tokens[-1]) if len(tokens) else state

    def next_log_probs(self, state):
        if not hasattr(self, "_rows"):
            self._rows = self.rows()
        logits = self.power * self._rows[state]
        return logits - np.logaddexp.reduce(logits)

    def log_probs(self, tokens, state=None):
        before = [self.start() if state is None else state, *tokens[:-1]]
        return np.array([self.next_log_probs(s)[t] for s, t in zip(before, tokens, strict=True)]), tokens[-1]


def known(power=1.0):
    made = tokenizers.train("byte", LETTERS)
    return Known(power).fit(Data.of(NOTHING, NOTHING, made.vocab_size)), made


@pytest.fixture(scope="module")
def letters() -> str:
    """What the source writes."""
    source, _ = known()
    rng, state, written = np.random.default_rng(1), source.start(), []
    for _ in range(4000):
        state = int(rng.choice(source.vocab_size_, p=np.exp(source.next_log_probs(state))))
        written.append(state)
    return bytes(written).decode()


def fitted(model=None, spec="word:50", lines=False):
    rng = np.random.default_rng(3)
    words = np.array(["the", "a", "cat", "dog", "bird", "sat", "ran", "sang", "on", "by", "mat", "tree"])
    text = "".join(" ".join(rng.choice(words, 9)) + ".\n" for _ in range(60))
    made = tokenizers.train(spec, text, lines)
    return (model or Ngram(order=3)).fit(Data.of(made.encode(text), NOTHING, made.vocab_size)), made, text


# The error


def test_the_true_source_is_calibrated_within_chance(letters):
    facts = calibration.facts_of(TextModel(*known()), letters)
    assert facts["error"] < facts["by_chance"]
    assert facts["confidence"] == pytest.approx(facts["accuracy"], abs=0.03)


@pytest.mark.parametrize(("power", "sign"), [(3.0, 1), (0.4, -1)])
def test_the_same_source_overconfident_or_underconfident_is_not(letters, power, sign):
    facts = calibration.facts_of(TextModel(*known(power)), letters)
    assert facts["error"] > 2 * facts["by_chance"]
    assert sign * (facts["confidence"] - facts["accuracy"]) > 0.05
    true = calibration.facts_of(TextModel(*known()), letters)
    assert facts["accuracy"] == true["accuracy"]  # the order of tokens is the same


def test_the_error_is_the_mean_gap_of_bins_by_hand():
    confidence, right, tokens = np.array([0.2, 0.9]), np.array([0.3, 0.5]), np.array([30, 10])
    assert calibration.error_of(confidence, right, tokens) == pytest.approx((30 * 0.1 + 10 * 0.4) / 40)


def test_bins_have_equally_many_and_what_is_level_stays_together():
    spread = np.random.default_rng(0).random(1500)
    assert np.bincount(calibration.bins_of(spread)).tolist() == [100] * 15
    level = np.repeat([0.1, 0.5, 0.7], [800, 400, 300])
    which = calibration.bins_of(level)
    assert all(len(set(which[level == value])) == 1 for value in level)
    assert set(which) == set(range(which.max() + 1))
    assert calibration.bins_of(np.full(9, 0.3)).tolist() == [0] * 9


# The probabilities are those that were scored


@pytest.mark.parametrize("protocol", ["stream", "lines"])
@pytest.mark.parametrize("lines", [True, False])
def test_they_are_the_evaluators_own(protocol, lines):
    for model in (Ngram(order=4), Cache()):
        fit, made, text = fitted(model, lines=lines)
        found = calibration.predictions(TextModel(fit, made), text, protocol=protocol)
        score = evaluate(TextModel(fit, made), text, protocol)
        assert found.log_probs == pytest.approx(score.log_probs[found.places])
        assert len(found.places) > 300


def test_networks_give_the_same_whichever_way_they_are_asked():
    from lmzoo.interface import Run
    from lmzoo.models.gpt import GPT
    from lmzoo.neural.training.config import Training

    _, made, text = fitted()
    ids = made.encode(text)
    gpt = GPT(layers=1, heads=1, width=16, window=16, training=Training(batch=2)).fit(
        Data.of(ids, ids[:50], made.vocab_size), Run(steps=2)
    )
    found = calibration.predictions(TextModel(gpt, made), text[:1500])
    score = evaluate(TextModel(gpt, made), text[:1500])
    assert found.log_probs == pytest.approx(score.log_probs[found.places], abs=1e-4)


def test_places_are_drawn_from_all_over_a_text_and_never_twice():
    assert calibration.choose(500, 0).tolist() == list(range(500))
    for length in (calibration.POSITIONS + 1, 9999, calibration.READ):
        places = calibration.choose(length, 0)
        assert len(places) == calibration.POSITIONS
        assert (np.diff(places) > 0).all()
        assert 0 <= places[0] < places[-1] < length
        tenths = np.bincount(places * 10 // length, minlength=10)
        assert tenths.min() > 0.8 * calibration.POSITIONS / 10
    assert (calibration.choose(9999, 0) != calibration.choose(9999, 1)).any()


def test_a_token_is_compared_with_all_others_by_hand():
    probs = np.array([[0.5, 0.2, 0.1, 0.1, 0.05, 0.04, 0.01], [1 / 7] * 7, [0.4, 0.4, 0.2, 0, 0, 0, 0]])
    with np.errstate(divide="ignore"):
        compared = calibration._compared(np.log(probs), np.array([2, 6, 1]))
    confidence, right, five, rank, log_prob = compared
    assert confidence == pytest.approx([0.5, 1 / 7, 0.4])
    assert right == pytest.approx([0, 1 / 7, 1 / 2])
    assert five == pytest.approx([1, 5 / 7, 1])
    assert rank.tolist() == [3.5, 4, 1.5]
    assert np.exp(log_prob) == pytest.approx([0.1, 1 / 7, 0.4])


def test_a_uniform_model_is_calibrated_and_knows_nothing():
    model, made, text = fitted(Uniform())
    facts = calibration.facts_of(TextModel(model, made), text)
    assert facts["accuracy"] == pytest.approx(1 / made.vocab_size)
    assert facts["among_five"] == pytest.approx(5 / made.vocab_size)
    assert facts["mean_rank"] == (made.vocab_size + 1) / 2
    assert facts["error"] == pytest.approx(0)
    assert len(facts["bins"]) == 1


# Any text, any model


def test_the_facts_add_up():
    model, made, text = fitted()
    facts = calibration.facts_of(TextModel(model, made), text)
    assert (
        sum(one["tokens"] for one in facts["bins"])
        == facts["tokens"]
        == min(calibration.POSITIONS, len(made.encode(text)))
    )
    mean = sum(one["tokens"] * one["accuracy"] for one in facts["bins"]) / facts["tokens"]
    assert mean == pytest.approx(facts["accuracy"])
    assert all(0 <= one["low"] <= one["accuracy"] <= one["high"] <= 1 for one in facts["bins"])
    assert facts == calibration.facts_of(TextModel(model, made), text)


@pytest.mark.parametrize("text", ["", "a", "the", "日本語"])
def test_a_text_of_three_characters_gives_nothing(text):
    model, made, _ = fitted(spec="byte")
    assert calibration.facts_of(TextModel(model, made), text) is None
    assert calibration.facts_of(TextModel(model, made), text, protocol="lines") is None


def test_a_model_without_probabilities_has_no_facts():
    model, made, text = fitted(Ngram(order=2, smoothing="stupid-backoff"))
    assert calibration.facts_of(TextModel(model, made), text) is None


def test_a_probability_that_is_no_number_is_refused():
    @dataclass
    class Broken(Uniform):
        def next_log_probs(self, state):
            return np.full(self.vocab_size_, np.nan)

    model, made, text = fitted(Broken())
    with pytest.raises(ScoreError, match="NaN"):
        calibration.facts_of(TextModel(model, made), text)
