"""LLaMA: what the transformer had become by 2023 (Touvron et al. 2023).

GPT-2's pre-norm layers, with three changes (section 2.2):

    norm(x) = g ⊙ x / RMS(x)                          RMSNorm (Zhang & Sennrich 2019)
    MLP(x)  = W₂ (silu(W₁ x) ⊙ W₃ x)                  SwiGLU (Shazeer 2020), 8/3 as wide inside
    q, k    rotated by angles that grow with position  rotary embeddings (Su et al. 2021), and no learned positions

and no biases, no dropout, and a softmax with a table of its own. With `kv_heads` below `heads`, keys and values are
shared by groups of query heads, as in the larger models of Llama 2 (Touvron et al. 2023b; Ainslie et al. 2023).
Departure: weights start as GPT-2's, of which the paper says nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from lmzoo.neural.attention import Attention
from lmzoo.neural.module import Module
from lmzoo.neural.training.config import Training
from lmzoo.neural.transformer import (
    Block,
    SwiGLU,
    Transformer,
    TransformerModule,
    check_even,
    gpt2_scale,
    rms_norm,
)


@dataclass
class Llama(Transformer):
    """Decoder-only transformer with RMSNorm, SwiGLU and rotary positions: the form that became the standard."""

    name: ClassVar[str] = "llama"
    year: ClassVar[int] = 2023
    paper: ClassVar[str] = "Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models"
    family: ClassVar[str] = "transformer"
    title: ClassVar[str] = "LLaMA form"
    label_settings: ClassVar[Mapping[str, str]] = {"layers": "{} layers"}

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"layers": 2, "heads": 2, "width": 32, "window": 16, "kv_heads": 0, "learning_rate": 1e-2},
        # for ten seconds of a laptop, with the default rate, chosen on storyworld's validation text
        "small": {"layers": 2, "heads": 2, "width": 64, "window": 64, "kv_heads": 0},
    }

    layers: int = 4  # of attention and MLP
    heads: int = 4  # of attention, in each layer
    width: int = 128  # features of a token
    window: int = 128  # tokens that it sees at most, and of a sequence in a training step
    kv_heads: int = 2  # heads for keys and values, each shared by a group of heads; 0: as many as heads, as LLaMA
    dropout: float = 0.0  # of embeddings, attention weights and what each layer adds
    training: Training = Training(batch=16, learning_rate=2e-3, beta2=0.95, weight_decay=0.1)

    def build(self, vocab_size: int) -> Module:
        """The module with its first weights. Raises UsageError for settings that cannot be."""
        self.check_sizes(kv_heads=0)
        check_even("rotary", self.width, self.heads)
        return LlamaModule(vocab_size, self)


class LlamaModule(TransformerModule):
    """The equations above; carried on are each layer's keys (rotated) and values."""

    def __init__(self, vocab_size: int, settings: Llama):
        super().__init__()
        s = settings
        self.embedding = nn.Embedding(vocab_size, s.width)
        self.dropout = nn.Dropout(s.dropout)
        self.blocks = nn.ModuleList(
            Block(
                Attention(s.width, s.heads, s.kv_heads, bias=False, rotary=True, dropout=s.dropout),
                SwiGLU(s.width),
                [rms_norm(s.width), rms_norm(s.width)],
                s.dropout,
            )
            for _ in range(s.layers)
        )
        self.norm = rms_norm(s.width)
        self.output = nn.Linear(s.width, vocab_size, bias=False)
        self.initialise(gpt2_scale(s.layers))

    def embed(self, ids: Tensor, first: int) -> Tensor:  # noqa: ARG002 (positions are in the attention)
        """(B, T) → (B, T, D)."""
        return self.dropout(self.embedding(ids))
