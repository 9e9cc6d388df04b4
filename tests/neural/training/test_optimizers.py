import pytest
import torch
from torch import nn
from torch.optim import _muon

from lmzoo.errors import UsageError
from lmzoo.neural.training import optimizers as _optimizers
from lmzoo.testing import VOCAB_SIZE
from tests.neural.networks import NETWORKS, network


def names_of(net, optimizer):
    names = {id(weight): name for name, weight in net.named_parameters()}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    return {names[id(weight)] for weight in getattr(optimizer, "weights", weights)}


def optimizers_of(model):
    net = model.build(VOCAB_SIZE)
    return net, _optimizers.create(net, model.training)


def test_muon_takes_the_matrices_between_hidden_layers():
    net, (muon, adamw) = optimizers_of(network("lstm", optimizer="muon", layers=2))
    assert isinstance(muon, torch.optim.Muon)
    assert names_of(net, muon) == {f"layers.{n}.weight_{kind}_l0" for kind in ("ih", "hh") for n in (0, 1)}
    assert names_of(net, muon) | names_of(net, adamw) == {name for name, _ in net.named_parameters()}


def test_muon_orthogonalises_each_gate_by_itself(monkeypatch):
    monkeypatch.setattr(_optimizers, "cpu_has_bf16", lambda: True)  # so that both are in bf16
    fused, apart = torch.nn.Parameter(torch.randn(8, 3)), [torch.nn.Parameter(torch.randn(2, 3)) for _ in range(4)]
    for n, part in enumerate(apart):
        part.data = fused.data[2 * n : 2 * n + 2].clone()
    together = _optimizers.FusedMuon([fused], {id(fused): [2] * 4}, 0.1, 0.1)
    alone = torch.optim.Muon(apart, 0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        fused.grad = torch.randn(8, 3)
        for n, part in enumerate(apart):
            part.grad = fused.grad[2 * n : 2 * n + 2].clone()
        together.step()
        alone.step()
    assert torch.equal(fused, torch.cat([part.data for part in apart]))
    together.zero_grad()
    assert fused.grad is None


@pytest.mark.parametrize(("name", "rows"), [("lstm", 4), ("rnn", 1), ("gpt", 3)])
def test_networks_say_which_matrices_are_fused(name, rows):
    _, (muon, _) = optimizers_of(network(name, optimizer="muon"))
    assert max(len(parts) for parts in muon.parts) == rows


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


def test_adamw_decays_matrices_and_nothing_else():
    _, (adamw,) = optimizers_of(network("lstm", optimizer="adamw", weight_decay=0.25))
    decays = {weight.ndim: group["weight_decay"] for group in adamw.param_groups for weight in group["params"]}
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


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (30, 30)])
def test_orthogonalising_in_float32_is_what_muon_does_in_bf16(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    given = (3.4445, -4.775, 2.0315), 5, 1e-7
    found = _optimizers.newton_schulz(matrix, *given)
    torch.testing.assert_close(found, _muon._zeropower_via_newtonschulz(matrix, *given).float(), atol=0.03, rtol=0)
    values = torch.linalg.svdvals(found)
    assert 0.5 < values.min() < values.max() < 1.5


def test_on_a_cpu_without_bf16_muon_steps_in_float32_and_leaves_pytorch_as_it_was(monkeypatch):
    theirs, steps = _muon._zeropower_via_newtonschulz, []
    for has in (True, False):
        monkeypatch.setattr(_optimizers, "cpu_has_bf16", lambda has=has: has)
        weight = nn.Parameter(torch.eye(8, 4))
        weight.grad = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
        _optimizers.FusedMuon([weight], {}, 0.1, 0.0).step()
        steps.append(weight.detach())
    assert _muon._zeropower_via_newtonschulz is theirs
    assert not torch.equal(*steps)  # one was rounded to bf16
    torch.testing.assert_close(*steps, atol=3e-3, rtol=0)
