"""The recurrence of the multiplicative LSTM: its equations as autograd does them, values and gradients."""

import torch

from lmzoo.neural.multiplicative import Recurrence


def inputs(tokens=5, batch=3, size=4):
    torch.manual_seed(0)
    shapes = [(tokens, batch, size), (tokens, batch, 4 * size), (4 * size, size), (size, size), *[(batch, size)] * 2]
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def by_autograd(a, z, w, u, h, c):
    hs, cs = [], []
    for factor, total in zip(a, z, strict=True):
        i, f, o, new = (total + (factor * (h @ u.T)) @ w.T).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * new.tanh()
        h = o.sigmoid() * c.tanh()
        hs.append(h)
        cs.append(c)
    return torch.stack(hs), torch.stack(cs)


def test_is_its_equations_and_so_are_its_gradients():
    given = inputs()
    found, expected = Recurrence.apply(*given), by_autograd(*given)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    for which in (lambda hs, _: hs.square().sum(), lambda _, cs: cs[-1].sin().sum(), lambda hs, cs: (hs * cs).sum()):
        found_gradients = torch.autograd.grad(which(*Recurrence.apply(*given)), given)
        gradients = torch.autograd.grad(which(*by_autograd(*given)), given)
        for one, other in zip(found_gradients, gradients, strict=True):
            assert torch.allclose(one, other, atol=1e-12)


def test_leaves_what_it_is_given_as_it_was():
    given = inputs()
    before = [x.detach().clone() for x in given]
    hs, _ = Recurrence.apply(*given)
    hs.sum().backward()
    assert all(torch.equal(x, y) for x, y in zip(given, before, strict=True))
