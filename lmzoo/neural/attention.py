"""Causal self-attention: each token attends to itself and to all tokens before it (Vaswani et al. 2017, section 3.2).

    attention(Q, K, V) = softmax(Q Kᵀ / √d) V,    row t seeing columns 0 … t

in several heads of d features each. K and V of what was read are cached (the KV cache), so no token is read twice.
Without the restriction on columns it is that of an encoder: `BothWays`.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import dropout, rms_norm, scaled_dot_product_attention

from lmzoo.neural import step
from lmzoo.neural.graphed import Slots
from lmzoo.neural.module import FusedLinear

Cache = tuple[Tensor, Tensor]  # keys and values (B, K, S, d) of the S tokens read before, in K heads


class Attention(nn.Module):
    """Multi-head attention with H heads for queries and K heads for keys and values.

    K = H; or fewer, each shared by H/K query heads: grouped-query attention (Ainslie et al. 2023), multi-query with
    K = 1 (Shazeer 2019).
    """

    def __init__(
        self, width: int, heads: int, kv_heads: int = 0, bias: bool = True, rotary: bool = False,
        qk_norm: bool = False, dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        kv_heads = kv_heads or heads
        self.size = width // heads  # d
        self.sizes = [heads * self.size, kv_heads * self.size, kv_heads * self.size]
        self.rotary, self.qk_norm, self.dropout = rotary, qk_norm, dropout
        self.qkv = FusedLinear(width, self.sizes, bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor, cache: Cache | Slots | None) -> tuple[Tensor, Cache]:
        """x (B, T, D) after `cache` → (B, T, D), and the keys and values of all that was read.

        With slots for keys and values x is of one token, which is written there.
        """
        q, k, v = self._project(x)
        if isinstance(cache, Slots):
            if self.rotary:
                turns = _turns(cache.keys.shape[2], self.size, x.device)[:, cache.place].to(x.dtype)
                q, k = _turn(q, *turns), _turn(k, *turns)
            seen = cache.write(k, v)[None, None, None]
            gqa = k.shape[1] < q.shape[1]
            y = scaled_dot_product_attention(q, cache.keys, cache.values, seen, enable_gqa=gqa)
            return self.out(y.transpose(1, 2).flatten(2)), cache[:2]
        if self.rotary:
            first = cache[0].shape[-2] if cache else 0
            q, k = rotate(q, first), rotate(k, first)
        if cache:
            k, v = torch.cat([cache[0], k], -2), torch.cat([cache[1], v], -2)  # (B, K, S, d)
        y = attend(q, k, v, self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).flatten(2)), (k, v)  # (B, H, T, d) → (B, T, D)

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, T, D) → q (B, H, T, d), k and v (B, K, T, d), not yet rotated."""
        q, k, v = (part.unflatten(-1, (-1, self.size)).transpose(1, 2) for part in self.qkv(x).split(self.sizes, -1))
        if self.qk_norm:  # Henry et al. 2020; here with RMSNorm and no gain
            q, k = rms_norm(q, (self.size,)), rms_norm(k, (self.size,))
        return q, k, v

    def weights(self, x: Tensor) -> Tensor:
        """How much each of T tokens attends to each: x (B, T, D) from the first token → (B, H, T, T), rows sum to 1.

        `forward` never has them: its fused kernel makes none. To look at, see `neural/inside.py`.
        """
        q, k, _ = self._project(x)
        if self.rotary:
            q, k = rotate(q, 0), rotate(k, 0)
        scores = q @ k.repeat_interleave(q.shape[1] // k.shape[1], dim=1).mT / math.sqrt(self.size)
        return (scores + _causal_mask(x.shape[1], x.shape[1], scores)).softmax(-1)

    def numpy_step(self) -> Callable[[step.Vector, NDArray[np.float32], int], step.Vector]:
        """`forward` of one token at `place`: x (D,) → (D,); its key and value are written to a tape (2, K, S, d)."""
        qkv, out, d = step.linear(self.qkv), step.linear(self.out), self.size
        heads, kv_heads = (size // d for size in self.sizes[:2])

        def attention(x: step.Vector, tape: NDArray[np.float32], place: int) -> step.Vector:
            y = qkv(x).reshape(-1, d)
            q, k = y[:heads], y[heads : heads + kv_heads]
            if self.qk_norm:
                q, k = (z / np.sqrt((z * z).mean(-1, keepdims=True) + _EPS) for z in (q, k))
            if self.rotary:
                angles = _angles(place, 1, d, torch.device("cpu")).numpy()
                cos, sin = np.cos(angles), np.sin(angles)
                q, k = _turned(q, cos, sin), _turned(k, cos, sin)
            tape[0, :, place], tape[1, :, place] = k, y[heads + kv_heads :]
            keys, values = tape[:, :, : place + 1]
            scores = q.reshape(kv_heads, -1, d) * np.float32(d**-0.5) @ keys.transpose(0, 2, 1)  # (K, H / K, S + 1)
            weights = np.exp(scores - np.maximum.reduce(scores, -1, keepdims=True))
            y = weights @ values / np.add.reduce(weights, -1, keepdims=True)
            return out(y.reshape(-1))

        return attention


_EPS = np.finfo(np.float32).eps  # of PyTorch's RMSNorm


def _turned(x: NDArray[np.float32], cos: NDArray[np.float32], sin: NDArray[np.float32]) -> NDArray[np.float32]:
    """`rotate` of one token: (K, d)."""
    a, b = x[:, : len(cos[0])], x[:, len(cos[0]) :]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


class BothWays(Attention):
    """Attention of each token to all tokens of its text, before and after it: an encoder's."""

    def forward(self, x: Tensor, seen: Tensor | None) -> tuple[Tensor, None]:  # type: ignore[override]
        """x (B, T, D) → (B, T, D); `seen` (B, T) is False at padding, None where there is none."""
        q, k, v = self._project(x)
        mask = None if seen is None else seen[:, None, None]  # (B, 1, 1, T): the same for each head and query
        y = scaled_dot_product_attention(q, k, v, mask, self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).flatten(2)), None


def attend(q: Tensor, k: Tensor, v: Tensor, p: float = 0.0) -> Tensor:
    """Attention of the last T of S tokens, q (B, H, T, d), to k and v (B, K, S, d): (B, H, T, d)."""
    (heads, queries), keys = q.shape[1:3], k.shape[-2]
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        # Here the fused kernel is two to four times slower than these lines in bf16, mostly in its backward pass
        # (windows of 64 to 512); in float32 it is up to a fifth faster.
        k, v = (z.repeat_interleave(heads // z.shape[1], dim=1) for z in (k, v))
        scores = (q / math.sqrt(q.shape[-1])) @ k.mT  # (B, H, T, S)
        if queries > 1:
            scores = scores + _causal_mask(queries, keys, scores)
        return dropout(scores.softmax(-1), p) @ v
    # `is_causal` aligns the mask at the first key; here the first of T queries sees the first S - T + 1 keys.
    mask = _causal_mask(queries, keys, q) if 1 < queries < keys else None
    causal = 1 < queries == keys
    return scaled_dot_product_attention(q, k, v, mask, p, causal, enable_gqa=k.shape[1] < heads)


def _causal_mask(queries: int, keys: int, like: Tensor) -> Tensor:
    """(T, S): -∞ where a query would see a later key, else 0."""
    return torch.full((queries, keys), -math.inf, dtype=like.dtype, device=like.device).triu(keys - queries + 1)


def rotate(x: Tensor, first: int) -> Tensor:
    """Rotary position embedding (Su et al. 2021): turn each pair of features of x (…, T, d) by an angle that grows
    with the position, which begins at `first`.

    A product of two rotated vectors depends on their distance alone. Pairs are (i, i + d/2), as in Llama.
    """
    last = first + x.shape[-2]
    if x.is_cuda:
        cos, sin = _turns(last, x.shape[-1], x.device)[:, first:last].to(x.dtype)
    else:
        angles = _angles(first, x.shape[-2], x.shape[-1], x.device)  # (T, d/2)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return _turn(x, cos, sin)


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def _turns(length: int, features: int, device: torch.device) -> Tensor:
    """Cosines and sines (2, T, d/2) of at least the first `length` positions."""
    return _turns_of(1 << (length - 1).bit_length(), features, device)


# What `torch.compiler.assume_constant_result` does, without importing the compiler: a constant of the compiled step,
# which else computes these powers, cosines and sines in every layer again, for 10 of the 34 ms of a step on an H100.
_turns._dynamo_marked_constant = True  # type: ignore[attr-defined]


@lru_cache(16)
def _turns_of(length: int, features: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # scoring may ask first, and training cannot use what inference made
        angles = _angles(0, length, features, device)
        return torch.stack([angles.cos(), angles.sin()])


def sinusoids(first: int, length: int, width: int, device: torch.device) -> Tensor:
    """Fixed position embeddings (T, D) from position `first` on: sines and cosines of many wavelengths (Vaswani et al.
    2017, section 3.5).
    """
    angles = _angles(first, length, width, device)
    return torch.cat([angles.sin(), angles.cos()], -1)


def _angles(first: int, length: int, features: int, device: torch.device) -> Tensor:
    """(T, d/2): position · 10000^(-2i/d)."""
    positions = torch.arange(first, first + length, device=device)
    frequencies = 10_000.0 ** (-torch.arange(0, features, 2, device=device) / features)
    return positions[:, None] * frequencies
