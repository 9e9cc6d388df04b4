"""The long short-term memory: a cell that keeps what the gates let in (Hochreiter & Schmidhuber 1997).

For each token's embedding x, and the layer's output h and cell c of the token before:

    i = σ(W_i x + U_i h + b_i)          what is let in
    f = σ(W_f x + U_f h + b_f)          what is kept (Gers et al. 2000)
    o = σ(W_o x + U_o h + b_o)          what is shown
    c ← f ⊙ c + i ⊙ tanh(W_c x + U_c h + b_c)
    h ← o ⊙ tanh(c)
    P(next | so far) = softmax(V h + d)

Layers stand on each other (Graves 2013), with dropout between them and not in time (Zaremba et al. 2014).

AWD-LSTM (Merity, Keskar & Socher 2018) is the same net, better regularised: one table for reading and for the softmax
(Press & Wolf 2017), dropout of weights of U and of whole words, masks locked in time, a penalty on large and on
changing outputs, and averaged SGD. All of it is off unless it is asked for; the preset `awd` asks for it as the paper
does. Departures from the paper: averaging begins at a set share of the budget, and windows are all of one length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from lmzoo.errors import UsageError
from lmzoo.neural import dropout as _dropout
from lmzoo.neural.language_model import Network
from lmzoo.neural.module import Memory, Net
from lmzoo.neural.training.config import Training


@dataclass
class LSTM(Network):
    """Gated recurrence: a cell remembers for as long as its forget gate stays open."""

    name: ClassVar[str] = "lstm"
    year: ClassVar[int] = 1997
    paper: ClassVar[str] = "Hochreiter & Schmidhuber 1997, Long Short-Term Memory"
    family: ClassVar[str] = "recurrent"
    title: ClassVar[str] = "LSTM"
    label_settings: ClassVar[Mapping[str, str]] = {"hidden": "{} cells"}

    # Their loss is summed over a window and ours is its mean, so the rates and lengths of gradients of zaremba-small
    # (1 and 5) are here 20 times as large and as small.
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"hidden": 32, "embedding": 16, "batch": 16, "window": 16},  # for a first try
        "small": {
            "hidden": 96, "embedding": 64, "dropout": 0.0, "window": 16, "learning_rate": 2e-2,
        },  # for ten seconds of a laptop, chosen on storyworld's validation text
        "zaremba-small": {
            "layers": 2, "hidden": 200, "embedding": 200, "dropout": 0.0, "dropout_between": 0.0,
            "batch": 20, "window": 20, "optimizer": "sgd", "learning_rate": 20.0, "weight_decay": 0.0,
            "warmup": 0.0, "cooldown": 0.7, "clip": 0.25,
        },  # 114.5 on the Penn Treebank's test text (Zaremba et al. 2014, table 1)
        "awd": {
            "layers": 3, "hidden": 1150, "embedding": 400, "tied": True, "locked": True,
            "dropout": 0.4, "dropout_between": 0.25, "dropout_inputs": 0.4, "dropout_words": 0.1, "weight_drop": 0.5,
            "alpha": 2.0, "beta": 1.0, "batch": 20, "window": 70, "optimizer": "sgd", "learning_rate": 30.0,
            "weight_decay": 1.2e-6, "warmup": 0.0, "cooldown": 0.0, "clip": 0.25, "average": 0.5,
        },  # 57.3 there, when it was then trained further (Merity et al. 2018, table 1)
    }  # fmt: skip

    layers: int = 1  # LSTMs that stand on each other
    hidden: int = 384  # cells of each
    embedding: int = 64  # size of a token's vector
    tied: bool = False  # one table of vectors for reading and for the softmax; the last layer has their size then
    dropout: float = 0.35  # of the last layer's outputs, before the softmax
    dropout_between: float = 0.3  # of the other layers' outputs
    dropout_inputs: float = 0.0  # of the vectors that the first layer reads
    dropout_words: float = 0.0  # of whole words of the table: wherever they stand, they are read as zeros
    weight_drop: float = 0.0  # of the weights from hidden to hidden (DropConnect), drawn anew in each step
    locked: bool = False  # drop the same units at all positions of a window (variational dropout)
    alpha: float = 0.0  # weight of the mean square of the dropped outputs in the loss (AR)
    beta: float = 0.0  # weight of the mean square of their change from token to token in the loss (TAR)
    training: Training = Training(window=80, optimizer="muon", learning_rate=1e-2, weight_decay=0.05)

    reach: ClassVar[None] = None

    @property
    def width(self) -> int:
        """Cells of a layer."""
        return self.hidden

    def build(self, vocab_size: int) -> Net:
        """The net: forget gates open (bias 1), a tied table even between -0.1 and 0.1, the rest as PyTorch has it."""
        self._refuse_below_one("layers", "hidden", "embedding")
        for name in ("dropout", "dropout_between", "dropout_inputs", "dropout_words", "weight_drop"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} must be 0 or more and below 1, not {getattr(self, name)}")
        if self.alpha < 0 or self.beta < 0:
            raise UsageError(f"alpha and beta must be 0 or more, not {self.alpha} and {self.beta}")
        if self.tied and self.layers == 1 and self.hidden != self.embedding:
            raise UsageError(
                f"tied: the last layer's outputs must be as large as the embeddings ({self.embedding}), and the only "
                f"layer has {self.hidden} cells: give both one size, or more layers"
            )
        return LSTMNet(vocab_size, self)


class LSTMNet(Net):
    """Embedding → LSTM layers → softmax; memory is h and c of each layer, (B, H) each."""

    def __init__(self, vocab_size: int, settings: LSTM):
        super().__init__()
        self.settings = s = settings
        self.sizes = [*[s.hidden] * (s.layers - 1), s.embedding if s.tied else s.hidden]
        self.embedding = nn.Embedding(vocab_size, s.embedding)
        layers = [nn.LSTM(n, m, batch_first=True) for n, m in pairwise([s.embedding, *self.sizes])]
        for layer in layers:
            layer.get_parameter("bias_ih_l0").data[layer.hidden_size : 2 * layer.hidden_size] = 1.0
        self.layers = nn.ModuleList(layers)
        self.output = nn.Linear(self.sizes[-1], vocab_size)
        if s.tied:
            self.output.weight = self.embedding.weight
            nn.init.uniform_(self.output.weight, -0.1, 0.1)
            nn.init.zeros_(self.output.bias)

    def blank(self, batch: int) -> Memory:
        """Zeros, as before the first token."""
        return tuple(torch.zeros(batch, size, device=self.device) for size in self.sizes for _ in ("h", "c"))

    def forward(self, ids: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """ids (B, T) → outputs of the last layer (B, T, H), with nothing dropped yet."""
        s, after = self.settings, []
        x = _dropout.embedded(self.embedding, ids, s.dropout_words)
        for n, layer in enumerate(self.layers):
            x = self._dropped(x, s.dropout_between if n else s.dropout_inputs)
            state = memory[2 * n][None], memory[2 * n + 1][None]  # PyTorch has a dimension of layers, first
            x, (h, c) = _dropout.connected(layer, x, state, s.weight_drop)
            after += [h[0], c[0]]
        return x, tuple(after)

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, V), of outputs some of which are dropped in training."""
        return self.output(self._dropped(hidden, self.settings.dropout))

    def penalty(self, hidden: Tensor) -> Tensor | float:
        """alpha · mean (m h_t)² + beta · mean (h_t - h_{t-1})², with m² of the mask as its mean, 1 / (1 - dropout)."""
        s, h = self.settings, hidden.float()
        penalty: Tensor | float = 0.0
        if s.alpha:
            penalty = penalty + s.alpha / (1 - s.dropout) * h.square().mean()
        if s.beta and h.shape[1] > 1:
            penalty = penalty + s.beta * h.diff(dim=1).square().mean()
        return penalty

    def _dropped(self, x: Tensor, p: float) -> Tensor:
        return _dropout.locked(x, p, self.training) if self.settings.locked else dropout(x, p, self.training)
