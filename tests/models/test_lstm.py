"""The LSTM: its equations worked step by step, torch's own on the same weights, and what each regulariser does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lmzoo import testing
from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.lstm import LSTM
from lmzoo.neural import device, recurrent
from lmzoo.neural import dropout as _dropout

SMALL = {"hidden": 8, "embedding": 5, "batch": 16, "window": 8}
V = testing.VOCAB_SIZE
REGULARISED = {
    "layers": 3, "tied": True, "locked": True, "dropout": 0.4, "dropout_between": 0.25, "dropout_inputs": 0.4,
    "dropout_words": 0.1, "weight_drop": 0.5, "alpha": 2.0, "beta": 1.0,
}  # fmt: skip


def fitted(steps=20, **settings):
    text = testing.practice_text(3000)
    return LSTM.from_config(SMALL | settings).fit(Data.of(text, text[:0], V), Run(steps=steps))


def net(**settings):
    """A net in training, of a vocabulary of 50, where nothing is dropped that `settings` do not drop."""
    nothing = {"dropout": 0.0, "dropout_between": 0.0}
    torch.manual_seed(0)
    return LSTM.from_config(SMALL | nothing | settings).build(50).train()


def ids(batch=4, length=6):
    return torch.randint(0, 50, (batch, length), generator=torch.Generator().manual_seed(1))


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class TestTheNet:
    @pytest.mark.parametrize("settings", [{}, {"layers": 2}, {"layers": 2, "tied": True}])
    def test_is_its_equations(self, settings):
        model, text = fitted(**settings), testing.practice_text(20, seed=2)
        w = {name.removeprefix("net."): value.astype(float) for name, value in model.arrays().items()}
        sizes = [len(w[f"layers.{n}.bias_ih_l0"]) // 4 for n in range(model.layers)]
        hidden, cell = [np.zeros(size) for size in sizes], [np.zeros(size) for size in sizes]
        for token in [V - 1, *text]:
            x = w["embedding.weight"][token]
            for n in range(model.layers):
                a = w[f"layers.{n}.weight_ih_l0"] @ x + w[f"layers.{n}.bias_ih_l0"]
                a += w[f"layers.{n}.weight_hh_l0"] @ hidden[n] + w[f"layers.{n}.bias_hh_l0"]
                i, f, c, o = np.split(a, 4)  # in the order in which PyTorch keeps them
                cell[n] = sigmoid(f) * cell[n] + sigmoid(i) * np.tanh(c)
                x = hidden[n] = sigmoid(o) * np.tanh(cell[n])
        y = w["embedding.weight" if model.tied else "output.weight"] @ x + w["output.bias"]
        state = model.advance(model.start(), text)
        assert model.next_log_probs(state) == pytest.approx(y - np.log(np.exp(y).sum()), abs=1e-5)

    def test_equals_pytorchs_lstm_on_the_same_weights(self):
        ours = net(layers=2).eval()
        theirs = nn.LSTM(5, 8, 2, batch_first=True)
        theirs.load_state_dict(
            {
                name.replace("_l0", f"_l{n}"): value
                for n in (0, 1)
                for name, value in ours.layers[n].state_dict().items()
            }
        )
        with torch.no_grad():
            found, memory = ours(ids(), ours.initial_state(4))
            expected, (h, c) = theirs(ours.embedding(ids()))
        assert torch.allclose(found, expected, atol=1e-6)
        assert torch.allclose(torch.stack([*memory[::2], *memory[1::2]]), torch.cat([h, c]), atol=1e-6)

    def test_begins_with_open_forget_gates(self):
        for layer in net(layers=2).layers:
            assert layer.bias_ih_l0[8:16].tolist() == [1.0] * 8
            assert layer.bias_ih_l0[:8].abs().max() < 1

    def test_remembers_longer_than_an_8_gram_sees(self):
        """Lines of 0 or 1, eight times 2, and the first again: only who remembers the first token knows the last."""
        firsts = np.random.default_rng(0).integers(0, 2, size=(400, 1))
        lines = np.hstack([firsts, np.full((400, 8), 2), firsts, np.full((400, 1), 3)])
        text = lines.astype(np.int32).flatten()
        model = LSTM(
            hidden=32,
            embedding=8,
            dropout=0.0,
            training=replace(LSTM.training, batch=8, window=22, learning_rate=0.02),
        )
        scores = model.fit(Data.of(text, text[:0], 4), Run(steps=600)).log_probs(text)[0].reshape(400, 11)
        assert np.exp(scores[5:, 9]).min() > 0.9
        assert np.exp(scores[5:, 0]) == pytest.approx(0.5, abs=0.2)  # and nobody can know the first


class TestTied:
    def test_has_one_table(self):
        tied, free = (fitted(steps=1, layers=2, tied=tied) for tied in (True, False))
        assert "net.output.weight" not in tied.arrays()
        matrices = 4 * 8 * (5 + 8 + 2)  # of the first layer, with its two biases
        assert tied.size()[0] == V * 5 + matrices + 4 * 5 * (8 + 5 + 2) + V
        assert free.size()[0] == V * 5 + matrices + 4 * 8 * (8 + 8 + 2) + V * (8 + 1)

    def test_stays_tied_when_it_is_saved_and_loaded(self):
        model = fitted(layers=2, tied=True)
        again = LSTM.from_config(model.config()).restore(model.arrays())
        assert again.net_.output.weight is again.net_.embedding.weight
        assert np.array_equal(again.next_log_probs(again.start()), model.next_log_probs(model.start()))

    def test_one_layer_needs_one_size(self):
        with pytest.raises(UsageError, match="as large as the embeddings \\(5\\), and the only layer has 8 cells"):
            fitted(tied=True)
        assert fitted(steps=1, tied=True, hidden=5).size()[0] == V * 5 + 4 * 5 * 12 + V

    def test_awd_has_the_paper_s_24_million_weights(self):
        """ "24M parameters" of PTB's 10,000 words (table 1), from its sizes: 400 → 1150 → 1150 → 400 → 10,000."""
        with torch.device("meta"):
            awd = LSTM.from_config(LSTM.PRESETS["awd"]).build(10_000)
        layers = [(400, 1150), (1150, 1150), (1150, 400)]
        expected = 10_000 * 401 + sum(4 * out * (read + out + 2) for read, out in layers)
        assert sum(weight.numel() for weight in awd.parameters()) == expected == 24_221_600


class TestLockedDropout:
    def test_has_one_mask_for_all_positions_and_one_for_each_text(self):
        dropped = _dropout.locked(torch.ones(8, 20, 50), 0.5, training=True)
        assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
        assert not torch.equal(dropped[0], dropped[1])
        assert set(dropped.unique().tolist()) == {0.0, 2.0}

    def test_keeps_the_expectation(self):
        torch.manual_seed(0)
        assert _dropout.locked(torch.ones(4000, 2, 10), 0.3, training=True).mean().item() == pytest.approx(1, abs=0.02)

    @pytest.mark.parametrize("locked", [True, False])
    def test_of_inputs_is_the_same_in_time_only_if_locked(self, locked):
        """With weights that pass the input on, the same token at each place is the same input, if masks are locked."""
        n = net(dropout_inputs=0.5, locked=locked)
        seen = []
        n.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        n(torch.full((2, 10), 7), n.initial_state(2))
        assert torch.equal(seen[0], seen[0][:, :1].expand_as(seen[0])) == locked
        assert (seen[0] == 0).any()

    @pytest.mark.parametrize("locked", [True, False])
    def test_of_outputs_is_the_same_in_time_only_if_locked(self, locked):
        n = net(dropout=0.5, locked=locked)
        logits = n.head(torch.ones(2, 10, 8))
        assert torch.equal(logits, logits[:, :1].expand_as(logits)) == locked


class TestDroppedWords:
    def test_are_zero_wherever_they_stand_and_the_others_grow(self):
        torch.manual_seed(0)
        table = nn.Embedding(50, 5)
        read = torch.arange(50).repeat(3, 1)
        vectors = _dropout.embedded(table, read, 0.4)
        gone = (vectors == 0).all(-1)
        assert 5 < gone[0].sum() < 35
        assert torch.equal(gone[0], gone[1])
        assert torch.allclose(vectors[~gone], table(read)[~gone] / 0.6)

    def test_keep_the_expectation(self):
        torch.manual_seed(0)
        table = nn.Embedding(20_000, 1, _weight=torch.ones(20_000, 1))
        assert _dropout.embedded(table, torch.arange(20_000), 0.1).mean().item() == pytest.approx(1, abs=0.01)


class TestWeightDrop:
    def test_is_the_lstm_with_those_weights_zero(self):
        """The same dropped matrix, drawn from the same seed, put into a plain LSTM."""
        n = net(weight_drop=0.5)
        torch.manual_seed(3)
        found, _ = n(ids(), n.initial_state(4))
        torch.manual_seed(3)
        dropped = torch.nn.functional.dropout(n.layers[0].weight_hh_l0.detach(), 0.5)
        assert 0 < (dropped == 0).float().mean() < 1
        plain = net()
        with torch.no_grad():
            plain.layers[0].weight_hh_l0.copy_(dropped)
        assert torch.allclose(found, plain(ids(), plain.initial_state(4))[0], atol=1e-6)

    def test_leaves_the_weights_unchanged_and_trains_only_those_not_dropped(self):
        n = net(weight_drop=0.5)
        weight = n.layers[0].weight_hh_l0
        before = weight.detach().clone()
        n(ids(), n.initial_state(4))[0].square().sum().backward()
        assert torch.equal(weight, before)
        assert 0.3 < (weight.grad == 0).float().mean() < 0.7

    def test_is_drawn_for_each_step(self):
        n = net(weight_drop=0.5)
        first, second = (n(ids(), n.initial_state(4))[0] for _ in range(2))
        assert not torch.equal(first, second)
        assert torch.equal(first[:, 0], second[:, 0])  # at the first token there is no hidden state to weigh


def auxiliary(module, hidden):
    return sum(module.auxiliary_losses(hidden).values()).item()


class TestActivationRegularisation:
    def test_of_outputs_worked_by_hand(self):
        h = torch.tensor([[[1.0, 2.0], [3.0, 2.0], [3.0, 0.0]]])  # squares: 27 of 6; changes: 2 and -2, squares 8 of 4
        assert auxiliary(net(alpha=2.0), h) == pytest.approx(2 * 27 / 6)
        assert auxiliary(net(beta=3.0), h) == pytest.approx(3 * 8 / 4)
        assert auxiliary(net(alpha=2.0, beta=3.0, dropout=0.5), h) == pytest.approx(2 * 27 / 6 / 0.5 + 6)
        assert net().auxiliary_losses(h) == {}

    def test_stands_for_the_mean_over_masks(self):
        """The paper takes the squares of dropped outputs: their mean over many masks is what is added here."""
        torch.manual_seed(0)
        h = torch.randn(1, 50, 8)
        drawn = [_dropout.locked(h, 0.4, training=True).square().mean().item() for _ in range(4000)]
        assert auxiliary(net(alpha=1.0, dropout=0.4), h) == pytest.approx(np.mean(drawn), rel=0.03)

    def test_a_window_of_one_token_has_no_change(self):
        assert net(beta=1.0).auxiliary_losses(torch.ones(2, 1, 8)) == {}

    def test_makes_outputs_smaller(self):
        text = testing.practice_text(300)
        nets = [fitted(100, alpha=alpha).net_ for alpha in (0.0, 5.0)]
        sizes = [net(torch.from_numpy(text)[None].long(), net.initial_state(1))[0].abs().mean() for net in nets]
        assert sizes[1] < 0.7 * sizes[0]


class TestRegularised:
    def test_nothing_is_dropped_when_scoring(self):
        model, text = fitted(**REGULARISED), testing.practice_text(50)
        plain = LSTM.from_config(SMALL | {"layers": 3, "tied": True, "dropout": 0.0, "dropout_between": 0.0})
        plain.restore(model.arrays())
        assert np.array_equal(model.log_probs(text)[0], plain.log_probs(text)[0])

    def test_keeps_the_contract(self):
        model = fitted(**REGULARISED)
        for check in (testing.scoring_equals_stepping, testing.states_are_values, testing.many_texts):
            assert check(model) == ""

    @pytest.mark.parametrize(("name", "ratio"), [("ulmfit", 1150 / 400), ("dai-le", 1024 / 512)])
    def test_a_laptops_preset_has_the_papers_ratio_of_sizes(self, name, ratio):
        laptop, paper = (LSTM.from_config(LSTM.PRESETS[one]) for one in (name, f"{name}-paper"))
        assert laptop.hidden / laptop.embedding == paper.hidden / paper.embedding == ratio
        assert (laptop.layers, laptop.tied, laptop.locked) == (paper.layers, paper.tied, paper.locked)

    @pytest.mark.parametrize("name", ["zaremba-small", "awd"])
    def test_a_preset_learns(self, name):
        """Cut down in size, with the paper's rates: plain SGD, and its average."""
        model = LSTM.from_config(LSTM.PRESETS[name] | {"hidden": 32, "embedding": 24, "batch": 4})
        text = testing.practice_text(3000)
        scores = model.fit(Data.of(text, text[:0], V), Run(steps=60)).log_probs(text)[0]
        assert scores.mean() > -np.log(V) + 0.3


@pytest.mark.parametrize("setting", ["layers", "hidden", "embedding"])
def test_a_size_of_zero_is_an_error(setting):
    with pytest.raises(UsageError, match=f"{setting} must be 1 or more, not 0"):
        fitted(**{setting: 0})


@pytest.mark.parametrize("setting", ["dropout", "dropout_between", "dropout_inputs", "dropout_words", "weight_drop"])
def test_a_dropout_of_one_is_an_error(setting):
    with pytest.raises(UsageError, match=f"{setting} must be 0 or more and below 1, not 1"):
        fitted(**{setting: 1.0})


@pytest.mark.parametrize("emulated", [True, False])
def test_it_learns_in_bf16_on_any_cpu(emulated, monkeypatch):
    """And with some of its weights dropped. PyTorch has no LSTM in bf16 for a CPU that only emulates it."""
    if emulated:
        monkeypatch.setattr(recurrent, "cpu_has_bf16", lambda: False)
    elif not device.cpu_has_bf16():
        pytest.skip("this CPU has no bf16 of its own: with one, the LSTM itself would be in bf16 here")
    text = np.tile(np.arange(8, dtype=np.int32), 300)
    model = LSTM.from_config(LSTM.PRESETS["tiny"] | {"weight_drop": 0.2}).fit(
        Data.of(text, text[:99], 9), Run(steps=3, precision="bfloat16")
    )
    assert model.facts["precision"] == "bfloat16"
    assert np.isfinite(model.log_probs(text[:50])[0]).all()
