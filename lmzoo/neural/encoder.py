"""The body that BERT and ELECTRA share: embeddings, and transformer layers in which every token attends to all.

    x = norm(W[tokens] + P[positions] + S[segments])        W (V + 2, E): behind the vocabulary [MASK] and [CLS]
    x ← block(x)                                            in each layer, see transformer.Block

With a convolution, x ← x + C ∗ x before the norm: an embedding is joined by those of its neighbours, in order.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from lmzoo.neural.attention import BothWays
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.transformer import MLP, Block, gpt2_scale

FRAME = 2  # ids around a text: [CLS] before it and [SEP], which is `end`, behind it


class Sizes(Protocol):
    """The settings of a body."""

    layers: int
    heads: int
    width: int
    window: int
    dropout: float
    norm_first: bool
    convolution: int
    segments: int
    exact_gelu: bool
    epsilon: float


class Embeddings(nn.Module):
    """ids (B, T), PADDING below zero → vectors (B, T, E), zero at padding."""

    def __init__(self, vocab_size: int, width: int, sizes: Sizes):
        super().__init__()
        self.end = vocab_size - 1
        self.tokens = nn.Embedding(vocab_size + FRAME, width)  # W
        self.positions = nn.Embedding(sizes.window + FRAME + (sizes.segments > 1), width)  # P
        self.segments = nn.Embedding(sizes.segments, width) if sizes.segments else None  # S
        reach = sizes.convolution
        self.convolution = nn.Conv1d(width, width, 2 * reach + 1, padding=reach) if reach else None  # C
        self.norm = nn.LayerNorm(width, eps=sizes.epsilon)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, ids: Tensor, segments: Tensor | None) -> Tensor:
        """`segments` (B, T); None: each [SEP] ends one, and the last goes on."""
        seen = (ids >= 0)[..., None]
        x = self.tokens(ids.clamp(min=0)) + self.positions.weight[: ids.shape[1]]
        if self.segments is not None:
            if segments is None:
                ends = (ids == self.end).long()
                segments = (ends.cumsum(1) - ends).clamp(max=self.segments.num_embeddings - 1)
            x = x + self.segments(segments)
        if self.convolution is not None:
            x = x * seen  # as outside of the text
            x = x + self.convolution(x.mT).mT
        vectors: Tensor = self.dropout(self.norm(x)) * seen
        return vectors


class EncoderModule(Module):
    """The body. A subclass makes `output`, whatever predicts from the vectors (…, D)."""

    def __init__(self, vocab_size: int, sizes: Sizes, embedding_width: int = 0, embeddings: Embeddings | None = None):
        super().__init__()
        s, inner = sizes, embedding_width or sizes.width
        self.vocab_size, self.width = vocab_size, s.width
        self.embeddings = embeddings or Embeddings(vocab_size, inner, s)  # given: another body's, shared
        self.project = nn.Linear(inner, s.width) if inner != s.width else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(
                BothWays(s.width, s.heads, dropout=s.dropout),
                MLP(s.width, True, "exact gelu" if s.exact_gelu else "gelu"),
                [nn.LayerNorm(s.width, eps=s.epsilon) for _ in range(2)],
                s.dropout,
                s.norm_first,
            )
            for _ in range(s.layers)
        )
        self.norm = nn.LayerNorm(s.width, eps=s.epsilon) if s.norm_first else nn.Identity()

    def initial_state(self, batch: int) -> Carried:  # noqa: ARG002
        """Nothing is carried from one text to another."""
        return ()

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """ids (B, T), PADDING behind shorter texts → vectors (B, T, D), each of the whole text.

        `carried` is nothing, or the segment (B, T) of each id.
        """
        seen = ids >= 0
        x = self.project(self.embeddings(ids, carried[0] if carried else None))
        padded = None if bool(seen.all()) else seen
        for block in self.blocks:
            x, _ = block(x, padded)
        return self.norm(x), ()

    def layer_modules(self) -> dict[str, nn.Module]:
        """The embeddings and the blocks; of the last one what the head sees, behind the norm."""
        outputs = [*list(self.blocks)[:-1], self.norm]
        return {"embedding": self.embeddings} | {f"layer {n}": module for n, module in enumerate(outputs, 1)}

    def body_flops(self, window: int) -> float:
        """Operations of a training step for each token, without those of the head: see `Module.flops`."""
        blocks: list[Tensor] = [*self.project.parameters(), *self.blocks.parameters()]
        if self.embeddings.convolution is not None:
            blocks.append(self.embeddings.convolution.weight)
        products = 12.0 * len(self.blocks) * self.width * window
        return 6.0 * sum(w.numel() for w in blocks if w.ndim > 1) + products

    def blocks_to_share(self) -> list[nn.Module]:
        """The layers."""
        return list(self.blocks)

    def initialise(self) -> None:
        """N(0, 0.02) for matrices (Devlin et al. 2018), with norms first those that add to x as GPT-2's; no biases."""
        scale = gpt2_scale(len(self.blocks)) if not isinstance(self.norm, nn.Identity) else 1.0
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                residual = name.endswith(("attention.out.weight", "mlp.down.weight"))
                nn.init.normal_(weight, std=0.02 * scale if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
        if self.embeddings.convolution is not None:
            kernel = self.embeddings.convolution.weight
            nn.init.normal_(kernel, std=(kernel.shape[1] * kernel.shape[2]) ** -0.5)


class Head(nn.Module):
    """norm(gelu(W x + b)) (…, D) → (…, E): what is multiplied with the embeddings (BERT's transform)."""

    def __init__(self, width: int, out: int, sizes: Sizes):
        super().__init__()
        self.dense = nn.Linear(width, out)
        self.approximate = "none" if sizes.exact_gelu else "tanh"
        self.norm = nn.LayerNorm(out, eps=sizes.epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, E)."""
        vectors: Tensor = self.norm(nn.functional.gelu(self.dense(x), approximate=self.approximate))
        return vectors


def zeros(size: int) -> nn.Parameter:
    """A bias (size,)."""
    return nn.Parameter(torch.zeros(size))
