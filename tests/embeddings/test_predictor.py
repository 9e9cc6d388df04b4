"""The predictor that all associations share: what it computes, what is fitted, and where contexts end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo import testing
from lmzoo.data import corpus, tokenizers
from lmzoo.embeddings import gpu
from lmzoo.embeddings.predictor import NOWHERE
from lmzoo.errors import FormatError, ScoreError, UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.ngram import Ngram
from lmzoo.models.pmi import PMI
from lmzoo.models.svd import SVD

V = testing.VOCAB_SIZE
END = V - 1
TRAIN, VALID = testing.practice_text(3000), testing.practice_text(500, seed=1)
MODELS = [PMI(window=3, min_count=1), SVD(dimensions=5, window=3, min_count=1)]


@pytest.fixture(params=MODELS, ids=lambda model: model.name)
def model(request):
    return type(request.param)(**request.param.config()).fit(Data.of(TRAIN, VALID, V))


def by_hand(model, contexts):
    """log p(w | contexts) as the formula has it, with no help from the model but p(w), β, λ and s."""
    unigrams = (model.counts_ + 1) / (model.counts_ + 1).sum()
    logits = model.exponent_ * np.log(unigrams)
    for weight, context in zip(model.lambdas_, contexts, strict=False):
        logits = logits + weight * model.scores(np.arange(V), np.full(V, context))
    return logits - np.log(np.exp(logits).sum())


def test_it_is_the_formula(model):
    state = model.advance(model.start(), np.array([1, 4, 7, 2]))
    np.testing.assert_allclose(model.next_log_probs(state), by_hand(model, [2, 7, 4]), atol=1e-5)


def test_contexts_reach_back_to_end_and_no_further(model):
    state = model.advance(model.start(), np.array([1, END, 7]))
    np.testing.assert_allclose(model.next_log_probs(state), by_hand(model, [7, END]), atol=1e-5)
    np.testing.assert_allclose(model.next_log_probs(model.start()), by_hand(model, [END]), atol=1e-5)


texts = st.lists(st.integers(0, V - 1), max_size=12).map(lambda ids: np.array(ids, dtype=np.int32))


@given(text=texts)
@settings(max_examples=50, deadline=None)
def test_contexts_are_those_of_stepping(text):
    model = PMI(window=3)
    model.vocab_size_ = V
    contexts = model._contexts(np.concatenate([model.start(), text]))
    for t in range(len(text) + 1):
        found = [END, *text[:t].tolist()][::-1][:3]
        found = found[: found.index(END) + 1] if END in found else found
        assert contexts[t].tolist() == found + [NOWHERE] * (3 - len(found))


def test_the_scalars_are_where_the_likelihood_of_the_validation_text_is_highest(model):
    best = model.log_probs(VALID)[0].mean()
    for name, amount in (("exponent_", 0.02), ("exponent_", -0.02)):
        other = type(model)(**model.config()).restore(model.arrays())
        setattr(other, name, model.exponent_ + amount)
        assert other.log_probs(VALID)[0].mean() < best
    for d in range(model.window):
        for amount in (0.02, -0.02):
            other = type(model)(**model.config()).restore(model.arrays())
            other.lambdas_ = model.lambdas_ + amount * np.eye(model.window)[d]
            assert other.log_probs(VALID)[0].mean() < best + 1e-6


def test_it_beats_the_unigram(model):
    unigram = Ngram(order=1).fit(Data.of(TRAIN, VALID, V))
    test = testing.practice_text(1000, seed=2)
    assert model.log_probs(test)[0].mean() > unigram.log_probs(test)[0].mean() + 0.05


def test_without_validation_text_it_is_the_unigram_and_says_so():
    model = PMI(min_count=1).fit(Data.of(TRAIN, TRAIN[:0], V))
    assert (model.exponent_, model.lambdas_.tolist()) == (1.0, [0.0] * 5)
    assert "no validation text" in model.remarks[0]
    counts = np.bincount(TRAIN, minlength=V) + 1
    np.testing.assert_allclose(model.next_log_probs(model.start()), np.log(counts / counts.sum()), atol=1e-6)


def test_a_refit_counts_the_validation_text_but_weighs_as_if_it_were_unseen():
    fitted = PMI(min_count=1).fit(Data.of(TRAIN, VALID, V))
    refitted = PMI(min_count=1).fit(Data.of(np.concatenate([TRAIN, VALID]), VALID, V, refit=True))
    np.testing.assert_array_equal(refitted.lambdas_, fitted.lambdas_)
    assert refitted.counts_.sum() == len(TRAIN) + len(VALID)


def test_associations_learned_elsewhere_can_be_weighed_on_another_text(model):
    lambdas = model.lambdas_.copy()
    model.calibrate(TRAIN[:1000], testing.practice_text(300, seed=5))
    assert model.counts_.sum() == 1000
    assert not np.array_equal(model.lambdas_, lambdas)


def test_scores_too_large_for_single_precision_are_named():
    model = SVD(dimensions=5, window=3, min_count=1).fit(Data.of(TRAIN, VALID, V))
    model.words_ = model.words_ * np.float32(1e30)
    with pytest.raises(ScoreError, match="svd: the square of a score is no number: its scores are too large"):
        model.calibrate(TRAIN[:1000], VALID)


def test_what_was_fitted_is_told(model):
    assert model.facts["lambdas"] == model.lambdas_.tolist()
    assert model.facts["exponent"] == model.exponent_


def test_features_are_the_vectors_of_the_tokens(model):
    rows = model.features(np.array([3, 3, 5]))
    assert rows.shape[0] == 3
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_many_texts_at_once_are_each_scored_from_the_start(model):
    texts = [TRAIN[:40], TRAIN[40:41], TRAIN[:0], TRAIN[60:90]]
    for together, text in zip(model.log_probs_many(texts), texts, strict=True):
        np.testing.assert_allclose(together, model.log_probs(text)[0], atol=1e-5)


def test_a_damaged_run_is_refused(model):
    for name, value in (("counts", np.array([1])), ("lambdas", np.array([1.0])), ("exponent", np.array(np.nan))):
        with pytest.raises(FormatError, match="this run is damaged"):
            type(model)(**model.config()).restore(model.arrays() | {name: value})


def test_another_device_gives_the_same_scores(model):
    pytest.importorskip("torch")
    here = model.log_probs(VALID)[0]
    model._on_device = model._moved("cpu")
    np.testing.assert_allclose(model.log_probs(VALID)[0], here, atol=1e-4)
    many = model.log_probs_many([VALID[:30], VALID[30:50]])
    model.to("cpu")
    for a, b in zip(many, model.log_probs_many([VALID[:30], VALID[30:50]]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_device_that_is_not_there_is_named(model):
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="no device cuda:99"):
        model.to("cuda:99")


def test_without_a_driver_auto_is_the_cpu(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "NVIDIA", tmp_path / "nowhere")
    assert gpu.accelerator("auto") is None


def test_a_seed_is_a_model():
    fits = [SVD(dimensions=4, min_count=1).fit(Data.of(TRAIN, VALID, V), Run(seed=3)) for _ in range(2)]
    np.testing.assert_array_equal(fits[0].words_, fits[1].words_)


@pytest.mark.data
@pytest.mark.parametrize("name", ["shakespeare", "ptb", "wikitext2", "brown", "names", "books"])
def test_it_beats_the_unigram_on_every_corpus(name):
    """With each corpus's own tokenizer: characters, pieces or words. Of the long texts a part is enough."""
    source = corpus.load(name)
    train_text, valid_text = (text[: 1 + text.rfind("\n", 0, most)] for text, most in zip(
        (source.train, source.valid), (200_000, 40_000), strict=True
    ))  # fmt: skip
    spec = "split:min=2" if name == "brown" else source.tokenizer  # which has no <unk> of its own
    made = tokenizers.train(spec, train_text, source.lines)
    train, valid = made.encode(train_text), made.encode(valid_text)
    held_out, unseen = valid[: len(valid) // 2], valid[len(valid) // 2 :]
    unigram = Ngram(order=1).fit(Data.of(train, held_out, made.vocab_size)).log_probs(unseen)[0].mean()
    model = PMI().fit(Data.of(train, held_out, made.vocab_size))
    assert model.log_probs(unseen)[0].mean() > unigram + 0.1
