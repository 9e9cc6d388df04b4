"""A long text read in parts side by side scores as it does in order; where states never agree it is read in order."""

from copy import copy

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmzoo.interface import LanguageModel
from lmzoo.neural import parts
from lmzoo.testing import VOCAB_SIZE, practice_text
from tests.neural.networks import NETWORKS, network

RECURRENT = [name for name in NETWORKS if network(name).reach is None]
FORMS = [*((name, {}) for name in RECURRENT), ("rnn", {"cell": "gru", "layers": 2}), ("lstm", {"layers": 2})]


def untrained(name, std=0.1, **options):
    torch.manual_seed(1)
    model = network(name, **options)
    model.net_, model.vocab_size_ = model.build(VOCAB_SIZE).eval(), VOCAB_SIZE
    for weight in model.net_.parameters():
        torch.nn.init.normal_(weight, std=std)
    return model


def unforgetting():
    """An LSTM whose forget gates are open: its cells add up all that it has read."""
    model = untrained("lstm")
    for layer in model.net_.layers:
        torch.nn.init.constant_(layer.bias_ih_l0[layer.hidden_size : 2 * layer.hidden_size], 30.0)
        torch.nn.init.normal_(layer.weight_ih_l0, std=0.01)  # slowly, so that no gate saturates
    return model


@pytest.fixture
def small(monkeypatch):
    """Parts short enough for a small text, of which four are a span."""
    for name, value in {"PARTS": 4, "SHORTEST": 16, "LONGEST": 64, "LEAST": 64, "STEP": 8, "LATER": 32}.items():
        monkeypatch.setattr(parts, name, value)


@pytest.fixture
def read(monkeypatch):
    """(tokens, of which read by parts) of each span from now on."""
    spans, original = [], parts._read_span

    def reading(net, before, start, tokens, use):
        result = original(net, before, start, tokens, use)
        spans.append((len(tokens), result[0]))
        return result

    monkeypatch.setattr(parts, "_read_span", reading)
    return spans


def test_which_networks_read_one_token_after_another():
    assert set(RECURRENT) == {"lstm", "mlstm", "rnn"}


@pytest.mark.parametrize(("name", "options"), FORMS, ids=str)
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(64, 700), seed=st.integers(0, 99), std=st.sampled_from([0.05, 0.1, 0.2]), begun=st.booleans())
def test_any_long_text_scores_as_in_order(small, name, options, length, seed, std, begun):
    model, text = untrained(name, std, **options), practice_text(length, seed=seed)
    state = model.advance(model.start(), practice_text(9)) if begun else None
    scores, after = model.log_probs(text, state)
    expected, last = copy(model).exactly().log_probs(text, state)
    np.testing.assert_allclose(scores, expected, atol=2e-5)
    assert scores.sum() == pytest.approx(expected.sum(), rel=1e-6)
    np.testing.assert_allclose(model.next_log_probs(after), model.next_log_probs(last), atol=2e-5)


@pytest.mark.parametrize(("name", "options"), FORMS, ids=str)
def test_distributions_of_a_long_text_are_those_of_the_loop(small, name, options):
    model, text = untrained(name, **options), practice_text(300)
    np.testing.assert_allclose(model.distributions(text), LanguageModel.distributions(model, text), atol=2e-5)


def test_all_but_a_rest_is_read_by_parts(small, read):
    untrained("lstm", std=0.05).log_probs(practice_text(607))
    assert read == [(256, 256), (256, 256), (95, 92)]


def test_what_a_network_never_forgets_is_read_in_order(small, read):
    model, text = unforgetting(), practice_text(600)
    scores = model.log_probs(text)[0]
    np.testing.assert_allclose(scores, copy(model).exactly().log_probs(text)[0], atol=2e-5)
    assert read == [(256, 0)]  # and the spans after it are not tried


def test_without_comparing_states_that_would_be_wrong(small, monkeypatch):
    monkeypatch.setattr(parts, "_differ", lambda a, _: torch.zeros(len(a[0]), dtype=torch.bool))
    model, text = unforgetting(), practice_text(600)
    wrong = np.abs(model.log_probs(text)[0] - copy(model).exactly().log_probs(text)[0])
    assert wrong.max() > 1e-3


def test_where_one_seam_stays_open_all_from_that_part_on_is_read_anew(small, read, monkeypatch):
    model, differ = untrained("lstm", std=0.03), parts._differ
    monkeypatch.setattr(parts, "_differ", lambda a, b: differ(a, b).index_fill(0, torch.tensor([len(a[0]) - 1]), True))
    text = practice_text(256)
    np.testing.assert_allclose(model.log_probs(text)[0], copy(model).exactly().log_probs(text)[0], atol=2e-5)
    assert read == [(256, 192), (64, 48)]


def test_exactly_reads_in_order(small, read):
    model = untrained("lstm").exactly()
    model.log_probs(practice_text(300))
    assert not read


def test_a_short_text_is_read_in_order(small, read):
    untrained("lstm").log_probs(practice_text(63))
    assert not read


def test_what_carries_ever_more_is_read_in_order(small, read):
    """A network that keeps all it has read, such as a cache of keys without a limit."""

    class Keeping(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, ids, carried):
            read = torch.cat([carried[0], ids.float()], 1)
            return read[:, carried[0].shape[1] :, None], (read,)

    before = torch.zeros(1, 1), torch.zeros(1, 3)
    assert parts.read(Keeping(), before, before, practice_text(300), lambda *_: None)[0] == 0
