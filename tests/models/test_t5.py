"""T5: buckets and logits beside `transformers`, states as values, what it learns, and what bad input gets."""

import numpy as np
import pytest
import torch

from lmzoo import models
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run, Vocabulary
from lmzoo.models.t5 import T5, _buckets
from tests.neural.networks import begin, network, scattered, weights

V = 12


def small(**settings):
    return T5.from_config({"layers": 2, "heads": 2, "width": 16, "window": 12, "sentinels": 8, "batch": 16, **settings})


def scatter(**settings):
    model = small(**settings)
    return model.holding(scattered(model.build(V)), V)


@pytest.mark.parametrize(
    ("preset", "vocab_size", "parameters"),
    [("t5-small", 32_128 - 101, 60_506_624), ("t5-base", 32_128 - 101, 222_903_552)],
)
def test_presets_have_the_published_number_of_weights(preset, vocab_size, parameters):
    with torch.device("meta"):
        module = models.make(T5, {"preset": preset}).build(vocab_size)
    assert sum(weight.numel() for weight in module.parameters()) == parameters


def test_positions_fall_into_buckets_by_hand():
    both = _buckets(0, 200, 32, 128, True)
    assert both[0, [0, 1, 7, 8, 9, 127, 199]].tolist() == [0, 17, 23, 24, 24, 31, 31]  # later: 16 to 31
    assert both[199, [199, 198, 192, 191, 72, 0]].tolist() == [0, 1, 7, 8, 15, 15]
    back = _buckets(3, 197, 32, 128, False)  # after three others
    assert back[0].tolist()[:5] == [3, 2, 1, 0, 0]
    assert back[196, [199 - 15, 199 - 16, 0]].tolist() == [15, 16, 31]


def test_later_tokens_of_the_source_matter_and_those_of_the_target_do_not():
    net = scatter().net_
    source, target = torch.tensor([[3, 1, 4, 1, 5, V - 1]]), torch.tensor([[2, 7, 1, 8]])
    seen = torch.ones_like(source, dtype=torch.bool)
    vectors = net.decoded(net(source, ())[0], seen, target)
    for place in range(5):
        other = source.clone()
        other[0, place] = 9
        assert not torch.allclose(net.decoded(net(other, ())[0], seen, target), vectors, atol=1e-4)
    changed = target.clone()
    changed[0, 2] = 9  # read at the last place alone
    after = net.decoded(net(source, ())[0], seen, changed)
    assert torch.allclose(after[:, :3], vectors[:, :3], atol=1e-5) and not torch.allclose(after[:, 3], vectors[:, 3])


def test_stepping_is_decoding_the_whole_target_and_padding_is_not_read():
    model = scatter(gated=True, tied=False)
    net, source, target = model.net_, np.array([3, 1, 4]), np.array([2, 7, 1, 8])
    state, rows = model.start_after(source), []
    for token in target:
        rows.append(model.next_log_probs(state))
        state = model.advance(state, np.array([token]))
    padded = torch.tensor([[3, 1, 4, V - 1, -1, -1]])
    logits = net.head(net.decoded(net(padded, ())[0], padded >= 0, torch.from_numpy(target)[None]))[0, :, :V]
    assert np.allclose(rows, logits.detach().double().log_softmax(-1).numpy(), atol=1e-4)


@torch.no_grad()
def test_blanks_are_filled_with_the_likeliest_tokens_and_sentinels_can_be_used_up():
    model = scatter()
    net, shown, blanks = model.net_, np.array([2, 0, 7, 0, 9]), np.array([False, True, False, True, False])
    spans = model.fill_spans(shown, blanks, longest=4)
    source = torch.tensor([[2, V, 7, V + 1, 9, V - 1]])
    target = [V, *spans[0], V + 1, *spans[1]]
    logits = net.head(net.decoded(net(source, ())[0], source >= 0, torch.tensor([[*target, 0]])))[0]
    best = logits.argmax(-1).tolist()  # of the token behind each
    for n, span in enumerate(spans):
        place = target.index(V + n) + 1
        assert best[place : place + len(span)] == span.tolist()
        assert len(span) == 4 or best[place + len(span)] >= V - 1
    with pytest.raises(UsageError, match="8 blanks need 9 sentinels, and this t5 has 8: leave out fewer spans"):
        model.fill_spans(np.arange(10), np.arange(10) < 8)


def test_it_learns_to_fill_spans():
    text = np.tile(np.arange(11), 200)
    settings = {"layers": 1, "window": 10, "span_share": 0.2, "span_length": 2.0, "learning_rate": 2e-2}
    model = small(**settings).fit(Data.of(text, text[:400], V), Run(steps=100))
    losses = [row["valid_nats_per_target"] for row in model.history if "valid_nats_per_target" in row]
    assert losses[-1] < 0.6  # by frequency alone 0.96: two tokens of five, the others being certain


def test_it_learns_pairs_as_text():
    """The second of two digits: "3+4" → "4"."""
    spelled = [b"%d" % n for n in range(10)] + [b"+", b"\t", b"x", b""]
    size, dice = len(spelled), np.random.default_rng(0)
    train = np.concatenate([[a, 10, b, 11, b, size - 1] for a, b in dice.integers(0, 4, (800, 2)).tolist()])
    settings = {"layers": 1, "goal": "pairs", "learning_rate": 2e-2, "window": 16}
    model = small(**settings).fit(Data(train, train[:0], Vocabulary(spelled), lines=True), Run(steps=60))
    for a, b in ((0, 0), (1, 2), (3, 3), (2, 0)):
        assert model.next_log_probs(model.start_after(np.array([a, 10, b]))).argmax() == b
    with pytest.raises(UsageError, match="no token of this tokenizer is a tab"):
        small(goal="pairs").fit(Data.of(train, train[:0], size))


def test_equal_seeds_learn_equal_weights_and_it_begins_at_log_v():
    nets = [network("t5").fit(Data.of([*range(11)] * 40, [], V), Run(steps=4, seed=n)).net_ for n in (1, 1, 2)]
    first, same, other = map(weights, nets)
    assert torch.equal(first, same) and not torch.equal(first, other)
    trainer = begin(network("t5", sentinels=4))
    (batch,) = trainer.batches.parts(0)
    loss = float(trainer.objective.loss(trainer.module, batch, ()).nats.detach())
    assert loss == pytest.approx(np.log(trainer.module.predicted), abs=0.8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heads": 3}, "cannot be shared by 3 heads"),
        ({"goal": "words"}, "no goal 'words'"),
        ({"buckets": 6}, "a multiple of 4"),
        ({"distance": 10}, "too short for 32 buckets"),
        ({"sentinels": 0}, "sentinels"),
    ],
)
def test_settings_that_cannot_be_are_named(wrong, message):
    with pytest.raises(UsageError, match=message):
        small(**wrong).build(V)
