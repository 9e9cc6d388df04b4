"""The generative pre-trained transformer: attention alone, in many layers (GPT-1, Radford et al. 2018; GPT-2, 2019).

With token embeddings W (V, D) and learned position embeddings P (T, D), for the tokens u₁ … u_T of a window:

    x ← W[u] + P
    x ← x + attention(norm(x))          in each layer; see neural/attention.py
    x ← x + MLP(norm(x))                MLP(x) = W₂ gelu(W₁ x + b₁) + b₂, four times as wide inside
    P(next | so far) = softmax(W norm(x))

That is GPT-2. GPT-1 normalises after adding, x ← norm(x + …), and has no norm before the softmax (`norm_first` false,
the preset gpt1). Departures: AdamW's rate falls linearly; the batch is what a laptop trains in minutes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from lmzoo.interface import Origin
from lmzoo.neural.attention import Attention
from lmzoo.neural.module import Module
from lmzoo.neural.training.config import Training
from lmzoo.neural.transformer import MLP, Block, Transformer, TransformerModule, gpt2_scale

GPT1 = Origin(2018, "Radford et al. 2018, Improving Language Understanding by Generative Pre-Training")
# GPT-2's batch was 512 windows of 1,024 tokens; its learning rate was "tuned" and not published. Rate, clipping and
# decay are those of nanoGPT's reproduction.
GPT2 = {"window": 1024, "dropout": 0.1, "batch": 8, "learning_rate": 6e-4}


@dataclass
class GPT(Transformer):
    """Decoder-only transformer: every token attends to those before it in its window."""

    name: ClassVar[str] = "gpt"
    year: ClassVar[int] = 2019
    paper: ClassVar[str] = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners"
    family: ClassVar[str] = "transformer"
    label_settings: ClassVar[Mapping[str, str]] = {"layers": "{} layers"}

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"layers": 2, "heads": 2, "width": 32, "window": 16, "learning_rate": 1e-2},  # for a first try
        # for ten seconds of a laptop, with the default rate, chosen on storyworld's validation text
        "small": {"layers": 2, "heads": 2, "width": 64, "window": 64},
        "gpt-nano": {"layers": 4, "heads": 4, "width": 128, "window": 128},  # the defaults: minutes on a CPU
        "gpt1": {
            "norm_first": False, "layers": 12, "heads": 12, "width": 768, "window": 512, "dropout": 0.1,
            "batch": 64, "learning_rate": 2.5e-4, "beta2": 0.999, "weight_decay": 0.01, "cooldown": 1.0,
        },  # 117 million weights with its vocabulary of 40,478 (Radford et al. 2018, section 4.1)
        "gpt2": {**GPT2, "layers": 12, "heads": 12, "width": 768},  # 124 million
        "gpt2-medium": {**GPT2, "layers": 24, "heads": 16, "width": 1024},  # 355 million
        "gpt2-large": {**GPT2, "layers": 36, "heads": 20, "width": 1280},  # 774 million
        "gpt2-xl": {**GPT2, "layers": 48, "heads": 25, "width": 1600},  # 1,558 million
    }  # fmt: skip

    PERIOD: ClassVar[Mapping[str, Any]] = {"optimizer": "adamw", "tied": True, "bias": True}  # Adam, warmed up

    layers: int = 4  # of attention and MLP
    heads: int = 4  # of attention, in each layer
    width: int = 128  # features of a token
    window: int = 128  # tokens that it sees at most, and of a sequence in a training step
    dropout: float = 0.0  # of embeddings, attention weights and what each layer adds
    norm_first: bool = True  # norm before attention and MLP, as GPT-2; else after adding them, as GPT-1
    bias: bool = True  # biases in linear layers and norms
    tied: bool = True  # one table for embedding and softmax (Press & Wolf 2017)
    exact_gelu: bool = False  # GELU itself, as in nanoGPT; else its tanh approximation, as in GPT-1 and GPT-2
    training: Training = Training(batch=16, learning_rate=2e-3, beta2=0.95, weight_decay=0.1)

    @property
    def title(self) -> str:
        """The form, not the published model."""
        return "GPT-2 form" if self.norm_first else "GPT-1 form"

    @property
    def origin(self) -> Origin:
        """GPT-2's, or with norms after adding GPT-1's."""
        return super().origin if self.norm_first else GPT1

    def build(self, vocab_size: int) -> Module:
        """The module with its first weights. Raises UsageError for settings that cannot be."""
        self.check_sizes()
        return GPTModule(vocab_size, self)


class GPTModule(TransformerModule):
    """The equations above; carried on are each layer's keys and values."""

    def __init__(self, vocab_size: int, settings: GPT):
        super().__init__()
        s = settings
        self.embedding = nn.Embedding(vocab_size, s.width)  # W
        self.positions = nn.Embedding(s.window, s.width)  # P
        self.dropout = nn.Dropout(s.dropout)
        self.blocks = nn.ModuleList(
            Block(
                Attention(s.width, s.heads, bias=s.bias, dropout=s.dropout),
                MLP(s.width, s.bias, "exact gelu" if s.exact_gelu else "gelu"),
                [nn.LayerNorm(s.width, bias=s.bias), nn.LayerNorm(s.width, bias=s.bias)],
                s.dropout,
                s.norm_first,
            )
            for _ in range(s.layers)
        )
        self.norm = nn.LayerNorm(s.width, bias=s.bias) if s.norm_first else nn.Identity()
        self.output = nn.Linear(s.width, vocab_size, bias=False)
        # GPT-1 drew all weights from N(0, 0.02); GPT-2 scales those that add to x.
        self.initialise(gpt2_scale(s.layers) if s.norm_first else 1.0)
        if s.tied:
            self.output.weight = self.embedding.weight

    def embed(self, ids: Tensor, first: int) -> Tensor:
        """W[u] + P: (B, T) → (B, T, D)."""
        return self.dropout(self.embedding(ids) + self.positions.weight[first : first + ids.shape[1]])
