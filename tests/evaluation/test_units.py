"""Single units of recurrent networks: what they hold, of prepared texts, and networks with one of them held fast."""

import numpy as np
import pytest
import torch

from lmzoo import models
from lmzoo.data import tokenizers
from lmzoo.errors import UsageError
from lmzoo.evaluation import units
from lmzoo.evaluation.text_model import TextModel
from lmzoo.neural import inside

FORMS = ["lstm", "lstm:layers=2", "rnn", "rnn:cell=gru,layers=2", "mlstm", "mlstm:cell=rnn"]


def untrained(spec, lines=False):
    """A network with its first weights, which reads bytes."""
    name, _, settings = spec.partition(":")
    given = dict(part.split("=") for part in settings.split(",") if part)
    tokenizer = tokenizers.train("byte", "a\n", lines=lines)
    cls = models.find(name)
    model = models.make(cls, {"preset": "tiny", **given})
    torch.manual_seed(0)
    return TextModel(model.holding(model.build(tokenizer.vocab_size).eval(), tokenizer.vocab_size), tokenizer)


def test_a_text_is_prepared_as_reviews_were():
    assert units.prepared("  Tom &amp; Jerry:\n&lt;good&gt;\n") == "\n Tom & Jerry: <good> "
    assert units.prepared("") == "\n  "


@pytest.mark.parametrize("lines", [False, True])
def test_the_line_end_before_a_text_is_read_once(lines):
    """By a tokenizer of lines it is `end`, which every network has read at its start."""
    text_model = untrained("lstm", lines)
    assert units.encoded(text_model, "ab").tolist() == [10, 32, 97, 98, 32][lines:]


@pytest.mark.parametrize("spec", FORMS)
def test_the_state_after_texts_is_what_was_held_after_their_last_tokens(spec):
    text_model = untrained(spec)
    texts = ["a longer text than the others", "", "short"]
    rows = units.final(text_model, texts)
    for row, text in zip(rows, texts, strict=True):
        assert row == pytest.approx(units.values(text_model, units.encoded(text_model, text))[-1], abs=1e-6)
    assert rows.shape == (3, units.count(text_model))


@pytest.mark.parametrize("spec", ["lstm:layers=2", "rnn:cell=gru,layers=2"])
def test_units_hold_the_cells_of_the_top_layer(spec):
    """As they are computed from all gates at once."""
    text_model = untrained(spec)
    ids = text_model.tokenizer.encode("the cat sat")
    top = inside.read(text_model.model.net_, np.append(text_model.tokenizer.end, ids)).recurrent[-1]
    assert units.values(text_model, ids) == pytest.approx(top.cells[1:], abs=1e-5)


@pytest.mark.parametrize("spec", FORMS)
def test_a_clamped_unit_has_that_value_after_every_token_and_changes_what_follows(spec):
    text_model = untrained(spec)
    held = units.clamped(text_model, 3, 2.5)
    ids = text_model.tokenizer.encode("the cat")
    rows = units.values(held, ids)
    assert (rows[:, 3] == 2.5).all()
    assert not np.allclose(rows[-1], units.values(text_model, ids)[-1], atol=1e-3)
    free, bound = (one.model.next_log_probs(one.model.advance(one.model.start(), ids)) for one in (text_model, held))
    assert np.abs(free - bound).max() > 1e-3
    assert np.exp(bound).sum() == pytest.approx(1)
    state = text_model.model.start()
    before = [part.clone() for part in state.carried]
    held.model.advance(state, ids)
    assert all(torch.equal(one, other) for one, other in zip(before, state.carried, strict=True))


@pytest.mark.parametrize("unit", [-1, 16])
def test_a_unit_that_there_is_not_is_an_error(unit):
    with pytest.raises(UsageError, match=f"no unit {unit} in this mlstm: there are 0 to 15"):
        units.clamped(untrained("mlstm"), unit, 1.0)


@pytest.mark.parametrize("spec", ["gpt", "mlp"])
def test_a_network_that_is_not_recurrent_has_none(spec):
    with pytest.raises(UsageError, match=f"{spec} has no units that hold something from token to token"):
        units.final(untrained(spec), ["a"])
