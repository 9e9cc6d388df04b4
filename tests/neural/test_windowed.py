"""Texts longer than a window against the rule, applied token by token."""

import numpy as np
import pytest
import torch

from lmzoo.models.llama import Llama
from lmzoo.neural.windowed import Windowed
from lmzoo.testing import practice_text

V = 12


def untrained(window=8, **settings):
    torch.manual_seed(1)
    model = Llama(layers=2, heads=2, width=16, window=window, **settings)
    model.net_, model.vocab_size_ = model.build(V).eval(), V
    for weight in model.net_.parameters():  # GPT-2's first weights are so small that all contexts look alike
        torch.nn.init.normal_(weight, std=0.5)
    return model


def contexts(text, window, overlap):
    """For each token and the end of the text, what it is predicted from: the rule, one token after another."""
    context = [V - 1]
    yield context
    for token in text.tolist():
        if len(context) == window:
            context = context[-overlap:] if overlap else []
        context = [*context, token]
        yield context


@torch.no_grad()
def by_the_rule(model, text):
    rows = []
    for context in contexts(text, model.window, model.overlap):
        hidden, _ = model.net_(torch.tensor([context]), ())
        rows.append(model.net_.head(hidden[0, -1]).double().log_softmax(-1).numpy())
    return np.array(rows)


@pytest.mark.parametrize("window", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 41])
def test_a_long_text_is_scored_by_the_rule(window, length):
    model, text = untrained(window), practice_text(length)
    expected = by_the_rule(model, text)
    scores, state = model.log_probs(text)
    np.testing.assert_allclose(scores, expected[np.arange(length), text], atol=1e-4)
    np.testing.assert_allclose(model.next_log_probs(state), expected[-1], atol=1e-4)


@pytest.mark.parametrize("window", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 41])
def test_the_features_of_a_long_text_are_those_of_the_windows_it_is_scored_in(window, length):
    model, text = untrained(window), practice_text(length)
    with torch.no_grad():
        read = [
            model.net_(torch.tensor([context]), ())[0][0, -1].numpy()
            for context in contexts(text, window, model.overlap)
        ]
    np.testing.assert_allclose(model.features(text), np.array(read)[1:], atol=1e-4)


def test_features_of_long_and_short_texts_are_the_same_in_a_batch_as_alone():
    model = untrained(8)
    texts = [practice_text(length, seed=length) for length in (9, 3, 0, 8, 7, 41, 2)]
    for text, layers in zip(texts, model.features_many(texts, range(3)), strict=True):
        for layer, rows in enumerate(layers):
            np.testing.assert_allclose(rows, model.features(text, layer), atol=1e-4)


def test_a_full_window_keeps_its_newest_three_quarters():
    assert [len(context) for context in contexts(practice_text(12), 8, untrained(8).overlap)] == [
        *range(1, 9),
        7,
        8,
        7,
        8,
        7,
    ]


def test_the_overlap_is_read_again_and_carries_nothing_older():
    model, text = untrained(8), practice_text(30)
    other = text.copy()
    other[:10] = (other[:10] + 1) % V
    state, same = model.advance(model.start(), text), model.advance(model.start(), other)
    assert np.array_equal(model.next_log_probs(state), model.next_log_probs(same))


@pytest.mark.parametrize("cut", [1, 6, 7, 8, 9, 20, 40])
def test_a_text_cut_anywhere_is_the_same_text(cut):
    model, text = untrained(8), practice_text(41)
    whole, end = model.log_probs(text)
    first, state = model.log_probs(text[:cut])
    second, last = model.log_probs(text[cut:], state)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-4)
    assert last.ids.tolist() == end.ids.tolist()


def test_two_texts_can_continue_one_state():
    model, text = untrained(8), practice_text(20)
    state = model.advance(model.start(), text)
    before = model.next_log_probs(state)
    ways = [model.log_probs(np.full(9, token), state)[0] for token in (0, 1, 0)]
    assert np.array_equal(ways[0], ways[2])
    assert not np.allclose(ways[0], ways[1])
    assert np.array_equal(model.next_log_probs(state), before)


def test_texts_of_many_lengths_are_scored_in_a_batch_as_alone():
    model = untrained(8)
    texts = [practice_text(length, seed=length) for length in (3, 40, 8, 0, 9, 1, 8)]
    for together, text in zip(model.log_probs_many(texts), texts, strict=True):
        np.testing.assert_allclose(together, model.log_probs(text)[0], atol=1e-4)


def test_many_windows_are_read_in_one_batch(monkeypatch):
    """A step of the net for each token of a long text would take minutes."""
    model, calls = untrained(64), []
    forward = model.net_.forward
    monkeypatch.setattr(model.net_, "forward", lambda *given: calls.append(given[0].shape) or forward(*given))
    model.log_probs(practice_text(10_000))
    assert len(calls) < 15


@pytest.mark.parametrize("plainly", [False, True])
def test_the_kv_cache_spares_reading_again(plainly, monkeypatch):
    model, calls = untrained(64), []
    for way in ("forward", "next"):
        original = getattr(model.net_, way)
        monkeypatch.setattr(
            model.net_, way, lambda *given, way=original: calls.append(given[0].shape[1]) or way(*given)
        )
    if plainly:
        model.exactly()
    state = model.start()
    for token in practice_text(200):
        state = model.advance(state, np.array([token]))
    assert sum(calls) < 201 * 5  # one each, and three quarters of a window for every quarter
    assert 190 < calls.count(1) <= 202  # of which one compares the two ways


def test_nothing_is_carried_in_training():
    assert not Windowed.carries_state
    model = untrained().net_.train()
    assert model(torch.zeros(2, 3, dtype=torch.long), model.initial_state(2))[1] == ()
