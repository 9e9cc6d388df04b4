"""The speedrun transformer: what learns most from a small text in minutes (modded-nanogpt, Jordan et al. 2024–2025).

GPT-2's pre-norm layers with what later work, most of it raced against the clock, found to learn faster:

    x ← W[u_t] + Σ_n E[hash(u_{t-n+1} … u_t)]     hashed n-gram tables: the last 2, 3, 4 tokens are looked up too
    x ← a x + b x₀                                before each layer, x₀ being the line above; a and b are learned
    q, k ← norm(q), norm(k), rotated              Henry et al. 2020; Su et al. 2021
    MLP(x) = W₂ relu(W₁ x)²                       So et al. 2021
    logits ← c · tanh(logits / c)                 Gemma Team 2024

RMSNorm (Zhang & Sennrich 2019), no biases, zeros as the first weights of all that adds to x (Zhang et al. 2019), a
softmax with a table of its own, and Muon (Jordan 2024). Half of the n-grams are dropped in training, so that they are
not relied on. The numbers were chosen here, on small texts and two cores. Each ingredient has a flag, so that what it
is worth can be measured by taking it away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from lmzoo.errors import one_of
from lmzoo.neural.attention import Attention, Cache, sinusoids
from lmzoo.neural.graphed import Slots
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.step import Layer
from lmzoo.neural.training.config import Training
from lmzoo.neural.transformer import (
    MLP,
    Block,
    SwiGLU,
    Transformer,
    TransformerModule,
    adds_to_residual,
    check_even,
    gpt2_scale,
    rms_norm,
)

CHOICES = {
    "positions": ("learned", "sinusoidal", "rotary"),
    "norm": ("layernorm", "rmsnorm"),
    "activation": ("gelu", "swiglu", "relu2"),
}


@dataclass
class Speedrun(Transformer):
    """Decoder-only transformer with everything that helps within minutes: n-gram tables, relu², Muon and more."""

    name: ClassVar[str] = "speedrun"
    year: ClassVar[int] = 2024
    paper: ClassVar[str] = "Jordan et al. 2024, modded-nanogpt: Speedrunning the NanoGPT baseline"
    family: ClassVar[str] = "transformer"
    title: ClassVar[str] = "Speedrun transformer"
    label_settings: ClassVar[Mapping[str, str]] = {"layers": "{} layers"}

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        # for a first try
        "tiny": {"layers": 2, "width": 32, "window": 16, "ngram_rows": 1024, "learning_rate": 1e-2},
        # for ten seconds of a laptop, chosen on storyworld's validation text
        "small": {"layers": 2, "width": 64, "window": 64, "learning_rate": 1.5e-2, "ngrams": 1},
    }

    layers: int = 4  # of attention and MLP
    heads: int = 2  # of attention, in each layer
    width: int = 128  # features of a token
    window: int = 128  # tokens that it sees at most, and of a sequence in a training step
    dropout: float = 0.0  # of embeddings, attention weights and what each layer adds
    norm_first: bool = True  # norm before attention and MLP; else after adding them
    positions: str = "rotary"  # learned (Radford 2018), sinusoidal (Vaswani 2017) or rotary (Su et al. 2021)
    norm: str = "rmsnorm"  # layernorm (Ba et al. 2016) or rmsnorm (Zhang & Sennrich 2019)
    activation: str = "relu2"  # gelu (Hendrycks & Gimpel 2016), swiglu (Shazeer 2020) or relu2 (So et al. 2021)
    kv_heads: int = 0  # heads for keys and values, each shared by a group of heads (Ainslie et al. 2023); 0: all
    bias: bool = False  # biases in linear layers and layernorm
    tied: bool = False  # one table for embedding and softmax (Press & Wolf 2017)
    qk_norm: bool = True  # norm of queries and keys (Henry et al. 2020)
    zero_init: bool = True  # zeros as the first weights of all that adds to x (Zhang et al. 2019)
    softcap: float = 15.0  # logits stay between -softcap and softcap (Gemma Team 2024); 0: no cap
    ngrams: int = 4  # also look up the last 2, 3 … n tokens in a hashed table (modded-nanogpt 2025, for pairs); 1: none
    ngram_rows: int = 32768  # rows of that table
    ngram_dropout: float = 0.5  # share of n-grams that are not looked up in training
    shortcut: bool = True  # each layer also reads the embeddings, with a learned weight (modded-nanogpt 2024)
    training: Training = Training(batch=16, optimizer="muon", learning_rate=6e-3)

    IN_TRAINING: ClassVar[frozenset[str]] = frozenset({"zero_init"})

    def build(self, vocab_size: int) -> Module:
        """The module with its first weights. Raises UsageError for settings that cannot be."""
        for name, options in CHOICES.items():
            one_of(name, getattr(self, name), options)
        self.check_sizes(kv_heads=0, softcap=0, ngrams=1, ngram_rows=1)
        if self.positions != "learned":
            check_even(self.positions, self.width, self.heads)
        return SpeedrunModule(vocab_size, self)

    def block(self) -> "ShortcutBlock":
        """One layer."""
        rotary = self.positions == "rotary"
        return ShortcutBlock(
            Attention(self.width, self.heads, self.kv_heads, self.bias, rotary, self.qk_norm, self.dropout),
            SwiGLU(self.width, self.bias)
            if self.activation == "swiglu"
            else MLP(self.width, self.bias, self.activation),
            [self.norm_module(), self.norm_module()],
            self.dropout,
            self.norm_first,
            self.shortcut,
        )

    def norm_module(self) -> nn.Module:
        """RMSNorm, or LayerNorm."""
        return rms_norm(self.width) if self.norm == "rmsnorm" else nn.LayerNorm(self.width, bias=self.bias)


class ShortcutBlock(Block):
    """A layer that reads a x + b x₀, x₀ being what came from the embeddings; a = 1 and b = 0 at first."""

    def __init__(
        self, attention: Attention, mlp: nn.Module, norms: list[nn.Module], dropout: float, norm_first: bool,
        shortcut: bool,
    ):  # fmt: skip
        super().__init__(attention, mlp, norms, dropout, norm_first)
        self.shares = nn.Parameter(torch.tensor([1.0, 0.0])) if shortcut else None  # a, b

    def forward(self, x: Tensor, cache: Cache | Slots | None, x0: Tensor | None = None) -> tuple[Tensor, Cache]:
        """x (B, T, D) after `cache` → (B, T, D), and the cache with these T tokens."""
        if self.shares is not None and x0 is not None:
            x = self.shares[0] * x + self.shares[1] * x0
        return super().forward(x, cache)

    def numpy_step(self) -> Layer:
        """`forward` of one token."""
        layer = super().numpy_step()
        if self.shares is None:
            return layer
        shares = self.shares.detach().numpy()
        return lambda x, x0, tape, place: layer(shares[0] * x + shares[1] * x0, x0, tape, place)


class SpeedrunModule(TransformerModule):
    """The equations above; carried on are the ids (B, S) of the window, for the n-grams, and each layer's cache."""

    def __init__(self, vocab_size: int, settings: Speedrun):
        super().__init__()
        s = self.settings = settings
        self.embedding = nn.Embedding(vocab_size, s.width)  # W
        self.positions = nn.Embedding(s.window, s.width) if s.positions == "learned" else None
        self.ngrams = nn.Embedding(s.ngram_rows, s.width) if s.ngrams > 1 else None  # E, one table for all n
        self.dropout = nn.Dropout(s.dropout)
        self.blocks = nn.ModuleList(s.block() for _ in range(s.layers))
        self.norm = s.norm_module() if s.norm_first else nn.Identity()
        self.output = nn.Linear(s.width, vocab_size, bias=False)
        self.initialise(gpt2_scale(s.layers))
        if s.zero_init:
            for name, weight in self.named_parameters():
                if adds_to_residual(name) or name in ("output.weight", "ngrams.weight"):
                    nn.init.zeros_(weight)
        if s.tied:
            self.output.weight = self.embedding.weight

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """ids (B, T) → hidden vectors (B, T, D), each of the tokens up to its own."""
        older, *caches = carried or (ids[:, :0],)
        x = x0 = self.dropout(self.embed(torch.cat([older, ids], 1), older.shape[1]))
        after: list[Tensor] = [torch.cat([older, ids], 1)]
        for n, block in enumerate(self.blocks):
            x, (keys, values) = block(x, (caches[2 * n], caches[2 * n + 1]) if caches else None, x0)
            after += [keys, values]
        return self.norm(x), () if self.training else tuple(after)

    def embed(self, ids: Tensor, first: int) -> Tensor:
        """x₀ of ids (B, S) from position `first` on, T of them; the ids before are n-gram context: (B, T, D)."""
        now, s = ids[:, first:], self.settings
        length = now.shape[1]
        x = self.embedding(now)
        if self.positions is not None:
            x = x + self.positions.weight[first : first + length]
        elif s.positions == "sinusoidal":
            x = x + sinusoids(first, length, s.width, x.device)
        if self.ngrams is None:
            return x
        ends = torch.full_like(ids[:, :1], self.embedding.num_embeddings - 1).expand(-1, s.ngrams - 1)
        padded = torch.cat([ends, ids], 1)  # (B, n - 1 + S): `end` stands before the window
        number = now  # the n-gram as a number in base V
        for n in range(1, s.ngrams):
            start = s.ngrams - 1 + first - n
            # "+ n" tells a pair from a triple with the same digits.
            number = number * self.embedding.num_embeddings + padded[:, start : start + length] + n
            vectors = self.ngrams(hashed(number) * s.ngram_rows >> 32)  # (B, T, D)
            x = x + vectors * dropout(torch.ones_like(x[..., :1]), s.ngram_dropout, self.training)
        return x

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, V)."""
        logits, cap = self.output(hidden), self.settings.softcap
        return cap * torch.tanh(logits / cap) if cap else logits


def hashed(numbers: Tensor) -> Tensor:
    """Numbers below 2³² that look random (the multipliers are Knuth's and Marsaglia's); overflow wraps."""
    numbers = numbers * 2_654_435_761 % (1 << 32)
    return (numbers ^ numbers >> 15) * 1_181_783_497 % (1 << 32)
