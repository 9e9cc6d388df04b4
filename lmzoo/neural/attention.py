"""Causal self-attention: each token asks all before it, and itself (Vaswani et al. 2017).

    attention(Q, K, V) = softmax(Q Kᵀ / √d) V,    row t seeing columns 0 … t

in several heads of d features each. A text that is read in pieces keeps its K and V, so that no token is read twice.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, rms_norm, scaled_dot_product_attention

from lmzoo.neural.module import Stack

Past = tuple[Tensor, Tensor]  # keys and values (B, K, S, d) of the S tokens read before, K heads of them


class Attention(nn.Module):
    """H heads that ask and K heads that answer: K = H, or fewer, each for H/K of the others (Ainslie et al. 2023)."""

    def __init__(self, width: int, heads: int, kv_heads: int, bias: bool, rotary: bool, qk_norm: bool, dropped: float):
        super().__init__()
        self.size = width // heads
        self.sizes = [heads * self.size, kv_heads * self.size, kv_heads * self.size]
        self.rotary, self.qk_norm, self.dropped = rotary, qk_norm, dropped
        self.qkv = Stack(width, self.sizes, bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor, past: Past | None) -> tuple[Tensor, Past]:
        """x (B, T, D) after `past` → (B, T, D), and the keys and values of all that was read."""
        q, k, v = (part.unflatten(-1, (-1, self.size)).transpose(1, 2) for part in self.qkv(x).split(self.sizes, -1))
        if self.qk_norm:
            q, k = rms_norm(q, (self.size,)), rms_norm(k, (self.size,))
        if self.rotary:
            first = past[0].shape[-2] if past else 0
            q, k = rotate(q, first), rotate(k, first)
        if past:
            k, v = torch.cat([past[0], k], -2), torch.cat([past[1], v], -2)
        y = attend(q, k, v, self.dropped if self.training else 0.0)
        return self.out(y.transpose(1, 2).flatten(2)), (k, v)


def attend(q: Tensor, k: Tensor, v: Tensor, dropped: float = 0.0) -> Tensor:
    """What the last T of S tokens, q (B, H, T, d), find in k and v (B, K, S, d): (B, H, T, d)."""
    (heads, asking), seen = q.shape[1:3], k.shape[-2]
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        # The fused kernel is two to four times slower here in bf16, backwards above all (windows 64 to 512), and up to
        # a fifth faster in float32.
        k, v = (z.repeat_interleave(heads // z.shape[1], dim=1) for z in (k, v))
        scores = (q / math.sqrt(q.shape[-1])) @ k.mT
        if asking > 1:
            scores = scores + _blinds(asking, seen, scores)
        return dropout(scores.softmax(-1), dropped) @ v
    # Its `is_causal` lets the first row see one column; here the first of T rows sees the first S - T + 1.
    mask = _blinds(asking, seen, q) if 1 < asking < seen else None
    causal = 1 < asking == seen
    return scaled_dot_product_attention(q, k, v, mask, dropped, causal, enable_gqa=k.shape[1] < heads)


def _blinds(asking: int, seen: int, like: Tensor) -> Tensor:
    """(T, S): -∞ where a token would see a later one, else 0."""
    return torch.full((asking, seen), -math.inf, dtype=like.dtype, device=like.device).triu(seen - asking + 1)


def rotate(x: Tensor, first: int) -> Tensor:
    """Turn each pair of features of x (…, T, d) by an angle that grows with its position (Su et al. 2021).

    The product of two of them then depends on how far they are apart alone. Pairs are (i, i + d/2), as in Llama.
    """
    turns = _angles(first, x.shape[-2], x.shape[-1], x.device)
    cos, sin = turns.cos().to(x.dtype), turns.sin().to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def sinusoids(first: int, length: int, width: int, device: torch.device) -> Tensor:
    """Fixed vectors (T, D) for the positions from `first` on: sines and cosines of many wavelengths (Vaswani 2017)."""
    turns = _angles(first, length, width, device)
    return torch.cat([turns.sin(), turns.cos()], -1)


def _angles(first: int, length: int, features: int, device: torch.device) -> Tensor:
    """(T, d/2): position · 10000^(-2i/d)."""
    positions = torch.arange(first, first + length, device=device)
    frequencies = 10_000.0 ** (-torch.arange(0, features, 2, device=device) / features)
    return positions[:, None] * frequencies
