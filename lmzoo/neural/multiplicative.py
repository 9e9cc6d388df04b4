"""The recurrence of a multiplicative LSTM over a window, with a gradient of its own.

PyTorch has no kernel for it. Left to autograd, each of T tokens adds a gradient of the size of all weights to a sum,
which costs more than the products of a small batch. Here the gradients of the weights are one product over all tokens
of a window.
"""

from typing import Any

import torch
from torch import Tensor


class Recurrence(torch.autograd.Function):
    """m = a ⊙ U h, [i f o u] = z + W m, c ← σ(i) ⊙ tanh(u) + σ(f) ⊙ c, h ← σ(o) ⊙ tanh(c), token after token.

    a (T, B, H) and z (T, B, 4H) are what the tokens give; W is (4H, H), U (H, H); h and c (B, H) are those before the
    first token. Returns h and c after each token, (T, B, H) each. All in one type of numbers.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, z: Tensor, w: Tensor, u: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Two products and a few passes over the gates for each token."""
        size, gates = h.shape[-1], torch.empty_like(z)
        of_h, m = torch.empty_like(a), torch.empty_like(a)  # of_h is U h
        hs, cs = a.new_empty(len(a) + 1, *h.shape), a.new_empty(len(a) + 1, *h.shape)
        hs[0], cs[0] = h, c
        for t in range(len(a)):
            torch.mm(hs[t], u.T, out=of_h[t])
            torch.mul(a[t], of_h[t], out=m[t])
            now = torch.addmm(z[t], m[t], w.T, out=gates[t])
            now[:, : 3 * size].sigmoid_()
            now[:, 3 * size :].tanh_()
            i, f, o, new = now.split(size, 1)
            torch.addcmul(f * cs[t], i, new, out=cs[t + 1])
            torch.mul(o, cs[t + 1].tanh(), out=hs[t + 1])
        ctx.save_for_backward(a, w, u, gates, of_h, m, hs, cs)
        ctx.set_materialize_grads(False)
        return hs[1:].clone(), cs[1:].clone()  # views of what is kept could be written to

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        """Back through the tokens; d_x is the gradient of the loss by x."""
        a, w, u, gates, of_h, m, hs, cs = ctx.saved_tensors
        by_hs, by_cs = given
        d_z, d_a, d_of_h = torch.empty_like(gates), torch.empty_like(a), torch.empty_like(a)
        d_h, d_c = torch.zeros_like(hs[0]), torch.zeros_like(hs[0])
        for t in reversed(range(len(a))):  # a token at a time also what could be done at once: it stays in the cache
            i, f, o, new = gates[t].chunk(4, 1)
            tanh_c = cs[t + 1].tanh()
            d_h = d_h if by_hs is None else d_h + by_hs[t]
            d_o = d_h * tanh_c
            d_c = d_c + (d_h * o - d_o * o * tanh_c)  # d tanh(c) = 1 - tanh(c)²
            d_c = d_c if by_cs is None else d_c + by_cs[t]
            d_i, d_new = d_c * new * i, d_c * i
            by_gate = d_z[t].chunk(4, 1)
            torch.mul(d_i, 1 - i, out=by_gate[0])
            torch.mul(d_c * cs[t] * f, 1 - f, out=by_gate[1])
            torch.mul(d_o * o, 1 - o, out=by_gate[2])
            torch.sub(d_new, d_i * new, out=by_gate[3])
            d_m = d_z[t] @ w
            torch.mul(d_m, of_h[t], out=d_a[t])
            torch.mul(d_m, a[t], out=d_of_h[t])
            d_h, d_c = d_of_h[t] @ u, d_c * f
        d_w = d_z.flatten(0, 1).T @ m.flatten(0, 1)
        d_u = d_of_h.flatten(0, 1).T @ hs[:-1].flatten(0, 1)
        return d_a, d_z, d_w, d_u, d_h, d_c
