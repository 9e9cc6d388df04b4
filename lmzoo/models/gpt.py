"""The generative pre-trained transformer: attention alone, many layers of it (Radford et al. 2018, 2019).

With token embeddings W (V, D) and position embeddings P (T, D), for the tokens u₁ … u_T of a window:

    x ← W[u] + P
    x ← x + attention(norm(x))          in each layer; see `_attention`
    x ← x + MLP(norm(x))                MLP(x) = W₂ gelu(W₁ x + b₁) + b₂, four times as wide inside
    P(next | so far) = softmax(W norm(x))

That is GPT-2 (2019), the presets gpt-nano to gpt2-xl; GPT-1 (2018) had the norms elsewhere. The preset `llama` is what
had become of it by 2023 (Touvron et al.). The first weights are N(0, 0.02), of those that add to x less by
√(2 · layers).

The defaults are what learns most from a small text in minutes, and depart from GPT-2 in this:

    x ← W[u_t] + Σ_n E[hash(u_{t-n+1} … u_t)]     the last 2, 3, 4 tokens are looked up too, half of them in training
    x ← a x + b x₀                                before each layer, x₀ being the line above; a and b are learned
    logits ← c · tanh(logits / c)

and in rotary positions, norms without bias, relu² in the MLP, normed queries and keys, zeros as the first weights of
all that adds to x, a softmax with a table of its own, and Muon. Each has a flag.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu, relu, silu

from lmzoo.errors import UsageError, nearest
from lmzoo.interface import Run
from lmzoo.neural import device
from lmzoo.neural.attention import Attention, Past, sinusoids
from lmzoo.neural.module import Memory, Net, Stack
from lmzoo.neural.training.config import Training
from lmzoo.neural.windowed import Windowed

CHOICES = {
    "positions": ("learned", "sinusoidal", "rotary"),
    "norm": ("layernorm", "rmsnorm"),
    "activation": ("gelu", "swiglu", "relu2"),
}
# Seconds. Compilation takes half a minute of two cores, and a step in bf16 two thirds of the time afterwards.
ENOUGH_TO_COMPILE = 120.0
# The architectures, whatever the defaults are.
GPT2 = {
    "norm_first": True, "positions": "learned", "norm": "layernorm", "activation": "gelu", "kv_heads": 0, "bias": True,
    "tied": True, "qk_norm": False, "zero_init": False, "softcap": 0.0, "ngrams": 1, "shortcut": False,
}  # fmt: skip
LLAMA = {
    **GPT2, "positions": "rotary", "norm": "rmsnorm", "activation": "swiglu", "kv_heads": 2, "bias": False,
    "tied": False,
}  # fmt: skip
NANO = {"layers": 4, "heads": 4, "width": 128, "window": 128, "dropout": 0.0}
ADAMW = {"optimizer": "adamw", "beta2": 0.95, "weight_decay": 0.1}
PAPERS = {**GPT2, **ADAMW, "window": 1024, "dropout": 0.1, "batch": 8, "learning_rate": 6e-4}


@dataclass
class GPT(Windowed):
    """Decoder-only transformer: every token looks at those before it in its window."""

    name: ClassVar[str] = "gpt"
    year: ClassVar[int] = 2018
    paper: ClassVar[str] = "Radford et al. 2018, Improving Language Understanding by Generative Pre-Training"
    family: ClassVar[str] = "transformer"
    title: ClassVar[str] = "GPT"
    label_settings: ClassVar[Mapping[str, str]] = {"layers": "{} layers"}

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        # for a first try
        "tiny": {**GPT2, **ADAMW, "layers": 2, "heads": 2, "width": 32, "window": 16, "learning_rate": 1e-2},
        # for ten seconds of a laptop, chosen on storyworld's validation text
        "small": {"layers": 2, "width": 64, "window": 64, "learning_rate": 1.5e-2, "ngrams": 1},
        "gpt-nano": {**GPT2, **ADAMW, **NANO, "learning_rate": 2e-3},  # GPT-2's form in minutes on a CPU
        "llama": {**LLAMA, **ADAMW, **NANO, "learning_rate": 2e-3},  # what had become of it by 2023, at that size
        "gpt2": {**PAPERS, "layers": 12, "heads": 12, "width": 768},  # 124 million weights
        "gpt2-medium": {**PAPERS, "layers": 24, "heads": 16, "width": 1024},  # 355 million
        "gpt2-large": {**PAPERS, "layers": 36, "heads": 20, "width": 1280},  # 774 million
        "gpt2-xl": {**PAPERS, "layers": 48, "heads": 25, "width": 1600},  # 1,558 million
    }

    layers: int = 4  # of attention and MLP
    heads: int = 2  # of attention, in each layer
    width: int = 128  # features of a token
    window: int = 128  # tokens that it sees at most, and of a text in a training step
    dropout: float = 0.0  # of embeddings, attention and what each layer adds
    norm_first: bool = True  # before attention and MLP, as GPT-2; else after adding them, as GPT-1 and Vaswani 2017
    positions: str = "rotary"  # learned (Radford 2018), sinusoidal (Vaswani 2017) or rotary (Su et al. 2021)
    norm: str = "rmsnorm"  # layernorm (Ba et al. 2016) or rmsnorm (Zhang & Sennrich 2019)
    activation: str = "relu2"  # gelu (Hendrycks & Gimpel 2016), swiglu (Shazeer 2020) or relu2 (So et al. 2021)
    kv_heads: int = 0  # heads for keys and values, each shared by a group of heads (Ainslie et al. 2023); 0: all
    bias: bool = False  # vectors added in every layer; Llama has none
    tied: bool = False  # one table for embedding and softmax (Press & Wolf 2017)
    qk_norm: bool = True  # norm of queries and keys (Henry et al. 2020)
    zero_init: bool = True  # zeros as the first weights of all that adds to x (Zhang et al. 2019)
    softcap: float = 15.0  # logits stay between -softcap and softcap (Gemma Team 2024); 0: any
    ngrams: int = 4  # also look up the last 2, 3 … n tokens in a table (modded-nanogpt 2025, for pairs); 1: none
    ngram_rows: int = 32768  # of that table, which n-grams are hashed into
    ngram_dropout: float = 0.5  # share of n-grams that are not looked up while it learns, not to be relied on
    shortcut: bool = True  # each layer takes in the embeddings too, as much as it learns (modded-nanogpt 2024)
    training: Training = Training(batch=16, optimizer="muon", learning_rate=6e-3)

    def build(self, vocab_size: int) -> Net:
        """The net with GPT-2's first weights. Raises UsageError for settings that cannot be."""
        self._refuse_odd_shapes()
        return GPTNet(vocab_size, self)

    def compile_pays(self, run: Run) -> bool:
        """On a CPU too, where a budget of time has room for it."""
        timed = run.steps is None and run.tokens is None and run.flops is None
        enough = run.seconds is None or run.seconds >= ENOUGH_TO_COMPILE
        on_cpu = timed and enough and device.find(run.device).type == "cpu"
        return super().compile_pays(run) or (on_cpu and device.can_compile_for_cpu())

    def _refuse_odd_shapes(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                given = getattr(self, name)
                raise UsageError(f"{name} is {' or '.join(known)}, not {given!r}{nearest(given, known)}")
        least_of = {"layers": 1, "heads": 1, "width": 1, "kv_heads": 0, "softcap": 0, "ngrams": 1, "ngram_rows": 1}
        for name, least in least_of.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in ("dropout", "ngram_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 0 and less than 1, not {getattr(self, name)}")
        if self.width % self.heads:
            raise UsageError(f"a width of {self.width} cannot be shared by {self.heads} heads: choose a multiple")
        if self.heads % (self.kv_heads or self.heads):
            raise UsageError(f"{self.heads} heads cannot share {self.kv_heads} kv_heads: choose a divisor")
        if self.positions != "learned" and self.width // self.heads % 2:
            raise UsageError(
                f"{self.positions} positions need an even width of each head, not {self.width}/{self.heads}"
            )


class GPTNet(Net):
    """Embeddings → blocks → norm → softmax.

    Memory is () or the last ids (B, N - 1), for n-grams of N, and each layer's keys and values.
    """

    def __init__(self, vocab_size: int, settings: GPT):
        super().__init__()
        s = self.settings = settings
        self.embedding = nn.Embedding(vocab_size, s.width)
        self.positions = nn.Embedding(s.window, s.width) if s.positions == "learned" else None
        self.ngrams = nn.Embedding(s.ngram_rows, s.width) if s.ngrams > 1 else None
        self.dropout = nn.Dropout(s.dropout)
        self.blocks = nn.ModuleList(Block(s) for _ in range(s.layers))
        self.norm = _norm(s) if s.norm_first else nn.Identity()
        self.output = nn.Linear(s.width, vocab_size, bias=False)
        self._first_weights()
        if s.tied:
            self.output.weight = self.embedding.weight

    def _first_weights(self) -> None:
        s = self.settings
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                adds = name.endswith(("attention.out.weight", "mlp.down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * s.layers) if adds else 0.02)
                if s.zero_init and (adds or name == "output.weight" or name == "ngrams.weight"):
                    nn.init.zeros_(weight)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def blank(self, batch: int) -> Memory:  # noqa: ARG002
        """Nothing was read."""
        return ()

    def forward(self, ids: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """ids (B, T) → hidden vectors (B, T, D), each of the tokens up to its own; no memory while it learns."""
        ends = torch.full_like(ids[:, :1], self.embedding.num_embeddings - 1).expand(-1, self.settings.ngrams - 1)
        older, *past = memory or (ends,)
        text = torch.cat([older, ids], 1)
        x = first = self.dropout(self._embed(text, past[0].shape[-2] if past else 0))
        kept: list[Tensor] = [text[:, ids.shape[1] :]]
        for n, block in enumerate(self.blocks):
            x, (keys, values) = block(x, first, (past[2 * n], past[2 * n + 1]) if past else None)
            kept += [keys, values]
        return self.norm(x), () if self.training else tuple(kept)

    def _embed(self, text: Tensor, before: int) -> Tensor:
        """The first x (B, T, D) of `text` (B, N - 1 + T) from its Nth id on, before which are `before` positions."""
        older = self.settings.ngrams - 1
        length = text.shape[1] - older
        x = self.embedding(text[:, older:])
        if self.positions is not None:
            x = x + self.positions.weight[before : before + length]
        elif self.settings.positions == "sinusoidal":
            x = x + sinusoids(before, length, self.settings.width, x.device)
        if self.ngrams is not None:
            number = text[:, older:]
            for n in range(1, older + 1):  # older tokens than the newest
                number = number * self.embedding.num_embeddings + text[:, older - n :][:, :length] + n
                found = self.ngrams(_hashed(number) * self.settings.ngram_rows >> 32)
                x = x + found * dropout(torch.ones_like(x[..., :1]), self.settings.ngram_dropout, self.training)
        return x

    def stages(self) -> dict[str, nn.Module]:
        """The table of tokens and the blocks, of which the last is seen through the norm, as the softmax sees it."""
        seen = [*self.blocks[:-1], self.norm]
        return {"embedding": self.embedding} | {f"layer {n}": module for n, module in enumerate(seen, 1)}

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, V)."""
        logits, cap = self.output(hidden), self.settings.softcap
        return cap * torch.tanh(logits / cap) if cap else logits

    def flops(self, window: int) -> float:
        """Those of the weights, and of the products of queries, keys and values: 12 · layers · width · window."""
        return super().flops(window) + 12.0 * self.settings.layers * self.settings.width * window


def _hashed(numbers: Tensor) -> Tensor:
    """Numbers below 2³² that look random (the multipliers are Knuth's and Marsaglia's); what overflows wraps."""
    numbers = numbers * 2_654_435_761 % (1 << 32)
    return (numbers ^ numbers >> 15) * 1_181_783_497 % (1 << 32)


class Block(nn.Module):
    """x ← x + attention(norm(x)); x ← x + MLP(norm(x)). GPT-1 has the norm outside: x ← norm(x + attention(x))."""

    def __init__(self, settings: GPT):
        super().__init__()
        s = settings
        self.norm_first = s.norm_first
        self.norms = nn.ModuleList([_norm(s), _norm(s)])
        rotary = s.positions == "rotary"
        self.attention = Attention(s.width, s.heads, s.kv_heads or s.heads, s.bias, rotary, s.qk_norm, s.dropout)
        self.mlp = MLP(s)
        self.dropout = nn.Dropout(s.dropout)
        self.shares = nn.Parameter(torch.tensor([1.0, 0.0])) if s.shortcut else None

    def forward(self, x: Tensor, first: Tensor, past: Past | None) -> tuple[Tensor, Past]:
        """x (B, T, D) after `past`; `first` is x as it came from the embeddings."""
        if self.shares is not None:
            x = self.shares[0] * x + self.shares[1] * first
        attend, transform = self.norms
        if self.norm_first:
            found, past = self.attention(attend(x), past)
            x = x + self.dropout(found)
            return x + self.dropout(self.mlp(transform(x))), past
        found, past = self.attention(x, past)
        x = attend(x + self.dropout(found))
        return transform(x + self.dropout(self.mlp(x))), past


class MLP(nn.Module):
    """W₂ f(W₁ x), four times as wide inside. SwiGLU has a third matrix, so it is 8/3 as wide: as many weights."""

    def __init__(self, settings: GPT):
        super().__init__()
        s = settings
        self.activation = s.activation
        inner = -(-8 * s.width // 3 // 8) * 8 if s.activation == "swiglu" else 4 * s.width
        self.up = Stack(s.width, [inner, inner] if s.activation == "swiglu" else [inner], s.bias)
        self.down = nn.Linear(inner, s.width, bias=s.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        inner = self.up(x)
        if self.activation == "swiglu":
            gate, inner = inner.chunk(2, -1)
            return self.down(silu(gate) * inner)
        return self.down(relu(inner).square() if self.activation == "relu2" else gelu(inner, approximate="tanh"))


def _norm(settings: GPT) -> nn.Module:
    if settings.norm == "rmsnorm":
        return nn.RMSNorm(settings.width, eps=1e-5)
    return nn.LayerNorm(settings.width, bias=settings.bias)
