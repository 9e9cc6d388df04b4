import inspect
import os
import signal
import sys

import pytest
import torch
from torch import nn

from lmzoo.errors import UsageError
from lmzoo.interface import Data, Run
from lmzoo.models.finetuned import FineTuned
from lmzoo.models.lstm import LSTM
from lmzoo.neural.training import optimizers as _optimizers
from lmzoo.testing import VOCAB_SIZE
from tests.neural.networks import NETWORKS, TRAIN, VALID, network, stop_at


def names_of(net, optimizer):
    names = {id(weight): name for name, weight in net.named_parameters()}
    return {names[id(weight)] for group in optimizer.param_groups for weight in group["params"]}


def optimizers_of(model):
    net = model.build(VOCAB_SIZE)
    return net, _optimizers.create(net, model.training)


def test_muon_takes_the_matrices_between_hidden_layers():
    net, (muon, adamw) = optimizers_of(network("lstm", optimizer="muon", layers=2))
    assert isinstance(muon, torch.optim.Muon)
    assert names_of(net, muon) == {f"layers.{n}.weight_{kind}_l0" for kind in ("ih", "hh") for n in (0, 1)}
    assert names_of(net, muon) | names_of(net, adamw) == {name for name, _ in net.named_parameters()}


def transcribed(matrix, steps=5):
    """Jordan's algorithm, one matrix at a time."""
    x = matrix / matrix.norm()
    if tall := len(x) > x.shape[1]:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    return x.T if tall else x


@pytest.mark.parametrize("at_once", [_optimizers.AT_ONCE, 48])
@pytest.mark.parametrize(("bf16", "tolerance"), [(False, 1e-5), (True, 2e-3)])
def test_muon_orthogonalises_each_matrix_of_each_weight_by_itself(monkeypatch, at_once, bf16, tolerance):
    monkeypatch.setattr(_optimizers, "cpu_has_bf16", lambda: bf16)
    monkeypatch.setattr(_optimizers, "AT_ONCE", at_once)
    random = torch.Generator().manual_seed(0)
    # An LSTM's gates, a wide and a tall matrix and a square one: parts of 4 × 6, 6 × 4 and 4 × 4.
    sizes = [(16, 6, [4] * 4), (6, 4, [6]), (4, 6, [4]), (12, 4, [4] * 3)]
    weights = [nn.Parameter(torch.randn(n, m, generator=random)) for n, m, _ in sizes]
    muon = _optimizers.FusedMuon(weights, {id(w): rows for w, (*_, rows) in zip(weights, sizes, strict=True)}, 0.1, 0.2)
    expected = [weight.detach().clone() for weight in weights]
    means = [torch.zeros_like(weight) for weight in weights]
    for _ in range(3):
        for n, (weight, (*_, rows)) in enumerate(zip(weights, sizes, strict=True)):
            weight.grad = torch.randn(weight.shape, generator=random)
            means[n] = 0.95 * means[n] + 0.05 * weight.grad
            parts = (0.05 * weight.grad + 0.95 * means[n]).split(rows)
            scale = 0.1 * 0.2 * max(parts[0].shape) ** 0.5
            expected[n] = (1 - 0.1 * 0.2) * expected[n] - scale * torch.cat([transcribed(part) for part in parts])
        muon.step()
    torch.testing.assert_close([w.detach() for w in weights], expected, atol=tolerance, rtol=0)


def test_muon_is_pytorchs_where_no_weight_is_fused(monkeypatch):
    monkeypatch.setattr(_optimizers, "cpu_has_bf16", lambda: True)  # as theirs
    ours = [nn.Parameter(torch.randn(8, 12)), nn.Parameter(torch.randn(12, 8))]
    theirs = [nn.Parameter(weight.detach().clone()) for weight in ours]
    both = [
        _optimizers.FusedMuon(ours, {}, 0.1, 0.1),
        torch.optim.Muon(theirs, 0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = b.grad = torch.randn(a.shape)
        for optimizer in both:
            optimizer.step()
    torch.testing.assert_close([w.detach() for w in ours], [w.detach() for w in theirs], atol=5e-3, rtol=0)


@pytest.mark.parametrize(("name", "rows"), [("lstm", 4), ("rnn", 1), ("gpt", 3)])
def test_networks_say_which_matrices_are_fused(name, rows):
    _, (muon, _) = optimizers_of(network(name, optimizer="muon"))
    assert max(map(len, muon.rows)) == rows


def test_muon_tells_the_vocabulary_from_a_hidden_layer_of_the_same_size():
    settings = {"optimizer": "muon", "hidden": VOCAB_SIZE, "embedding": VOCAB_SIZE}
    net, (muon, _) = optimizers_of(network("lstm", **settings))
    assert names_of(net, muon) == {"layers.0.weight_ih_l0", "layers.0.weight_hh_l0"}


@pytest.mark.parametrize("name", NETWORKS)
def test_muon_takes_no_embedding_and_no_softmax_matrix(name):
    net, optimizers = optimizers_of(network(name, optimizer="muon"))
    inner = names_of(net, optimizers[0]) if len(optimizers) > 1 else set()
    tables = {f"{name}.weight" for name, module in net.named_modules() if isinstance(module, torch.nn.Embedding)}
    assert not inner & tables
    assert all(dict(net.named_parameters())[name].ndim == 2 for name in inner)
    assert "output.weight" not in inner


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weight_decay_is_of_matrices_and_nothing_else(name):
    _, (optimizer,) = optimizers_of(network("lstm", optimizer=name, weight_decay=0.25))
    decays = {weight.ndim: group["weight_decay"] for group in optimizer.param_groups for weight in group["params"]}
    assert decays == {2: 0.25, 1: 0.0}


def test_each_learning_rate_is_a_share_of_its_own_peak():
    _, optimizers = optimizers_of(network("lstm", optimizer="muon", learning_rate=0.5, matrix_rate=0.25))
    _optimizers.set_rate(optimizers, 0.5)
    _optimizers.set_rate(optimizers, 0.1)
    assert [group["lr"] for optimizer in optimizers for group in optimizer.param_groups] == [0.025, 0.05, 0.05]


def test_an_unknown_optimizer_is_an_error():
    with pytest.raises(UsageError, match=r"no optimizer 'adam'.* adamw, muon, sgd"):
        optimizers_of(network("lstm", optimizer="adam"))


def test_an_average_is_the_plain_mean_and_swaps_with_the_weights():
    net = torch.nn.Linear(3, 2)
    average = _optimizers.Average(net)
    seen = []
    for number in range(7):
        torch.nn.init.normal_(net.weight, number)
        seen.append(net.weight.detach().clone())
        average.add()
    average.swap()
    assert torch.allclose(net.weight, torch.stack(seen).mean(0), atol=1e-6)
    average.swap()
    assert torch.equal(net.weight, seen[-1])


def test_orthogonalised_matrices_have_singular_values_of_about_one():
    sizes = torch.tensor([1e-3, 1, 9])[:, None, None]
    matrices = sizes * torch.randn(3, 24, 40, generator=torch.Generator().manual_seed(0))
    found = _optimizers.newton_schulz(matrices, (3.4445, -4.775, 2.0315), 5, 1e-7)
    values = torch.linalg.svdvals(found)
    assert 0.5 < values.min() < values.max() < 1.5
    turned = found @ matrices.mT  # U Vᵀ V S Uᵀ = U S Uᵀ, about
    torch.testing.assert_close(turned, turned.mT, atol=0.05 * float(turned.abs().max()), rtol=0)


def test_a_matrix_without_a_gradient_is_left_as_it_is():
    still, moved = nn.Parameter(torch.eye(3)), nn.Parameter(torch.eye(3))
    moved.grad = torch.randn(3, 3)
    _optimizers.FusedMuon([still, moved], {}, 0.1, 0.1).step()
    assert torch.equal(still, torch.eye(3))
    assert not torch.equal(moved, torch.eye(3))


def test_a_cpu_that_emulates_bf16_orthogonalises_in_float32(monkeypatch):
    steps = []
    for has in (True, False):
        monkeypatch.setattr(_optimizers, "cpu_has_bf16", lambda has=has: has)
        weight = nn.Parameter(torch.eye(8, 4))
        weight.grad = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
        _optimizers.FusedMuon([weight], {}, 0.1, 0.0).step()
        steps.append(weight.detach())
    assert not torch.equal(*steps)  # one was rounded to bf16
    torch.testing.assert_close(*steps, atol=3e-3, rtol=0)


def test_adamws_momenta_are_settings_and_ulmfits_first_is_0_7():
    for preset, betas in (({}, (0.9, 0.99)), ({"beta1": 0.7}, (0.7, 0.99))):
        net = network("lstm", optimizer="adamw", **preset)
        (adamw,) = _optimizers.create(net.build(VOCAB_SIZE), net.training)
        assert adamw.defaults["betas"] == betas
    assert FineTuned.PRESETS["ulmfit"]["beta1"] == LSTM.PRESETS["ulmfit-paper"]["beta1"] == 0.7


@pytest.mark.parametrize("optimizer", _optimizers.NAMES)
def test_training_and_saving_need_no_compiler(optimizer, monkeypatch, tmp_path):
    """PyTorch's optimisers import theirs, which takes longer than a small training."""
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):  # as in a process that has not yet
        monkeypatch.delattr(inspect.unwrap(getattr(torch.optim.Optimizer, name)), "__dynamo_disable", raising=False)
    _optimizers.leave_the_compiler.cache_clear()
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    model = network("lstm", optimizer=optimizer)
    model.warm_up()
    stop_at(monkeypatch, 2, lambda trainer: os.kill(os.getpid(), signal.SIGTERM) if not trainer.run.resume else None)
    with pytest.raises(KeyboardInterrupt):
        model.fit(Data.of(TRAIN, VALID, VOCAB_SIZE), Run(steps=3, folder=tmp_path))
    model.fit(Data.of(TRAIN, VALID, VOCAB_SIZE), Run(steps=3, folder=tmp_path, resume=True))
