"""The recurrent network: a hidden state that is read again with the next token (Elman 1990; Mikolov et al. 2010).

For each token's embedding x, and the hidden state h at the token before:

    h ← tanh(W x + U h + b)
    P(next | so far) = softmax(V h + d)

Its gradient vanishes or explodes through time (Bengio, Simard & Frasconi 1994), so backpropagation is truncated to a
window and gradients are clipped (Mikolov 2012). The gated recurrent unit (Cho et al. 2014) lets a unit keep its value:

    r = σ(W_r x + U_r h + b_r)                               reset gate
    z = σ(W_z x + U_z h + b_z)                               update gate
    h ← z ⊙ h + (1 - z) ⊙ tanh(W x + b + r ⊙ (U h + c))

Departures: an embedding smaller than the hidden layer, stacked layers with dropout between them (as in the LSTM), and
AdamW; Mikolov's softmax was factored by word classes. The reset gate is applied after U, as in cuDNN.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lmzoo.errors import UsageError
from lmzoo.interface import Origin
from lmzoo.neural import recurrent
from lmzoo.neural.language_model import Network
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.training.config import Training

CELLS = {"elman": nn.RNN, "gru": nn.GRU}


@dataclass
class RNN(Network):
    """A network whose hidden state is read again with the next token: no limit to what it sees, and it forgets fast."""

    name: ClassVar[str] = "rnn"
    year: ClassVar[int] = 1990
    paper: ClassVar[str] = "Elman 1990, Finding Structure in Time; Mikolov et al. 2010, as a language model"
    family: ClassVar[str] = "recurrent"
    label_settings: ClassVar[Mapping[str, str]] = {"hidden": "{} units"}

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"hidden": 32, "embedding": 16, "batch": 16, "window": 16},  # for a first try
        "small": {
            "hidden": 128, "embedding": 64, "dropout": 0.0, "batch": 32, "window": 16, "learning_rate": 1e-2,
        },  # for ten seconds of a laptop, chosen on storyworld's validation text
    }  # fmt: skip

    # As Mikolov trained Elman's network in 2010.
    PERIOD: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "dropout": 0.0, "tied": False}

    cell: str = "elman"  # elman, or gru: the gated recurrent unit
    layers: int = 1  # stacked recurrent layers
    hidden: int = 512  # units of each
    embedding: int = 64  # size of a token's vector
    tied: bool = False  # one table for embedding and softmax (Press & Wolf 2017)
    dropout: float = 0.1  # of outputs, between layers and before the softmax
    training: Training = Training(batch=64, window=32)

    reach: ClassVar[None] = None

    @property
    def title(self) -> str:
        """ "Elman network", "GRU"."""
        return "GRU" if self.cell == "gru" else "Elman network"

    @property
    def origin(self) -> Origin:
        """The gated recurrent unit is a later idea."""
        if self.cell != "gru":
            return super().origin
        return Origin(2014, "Cho et al. 2014, Learning Phrase Representations using RNN Encoder–Decoder")

    @property
    def width(self) -> int:
        """Units of a layer."""
        return self.hidden

    def build(self, vocab_size: int) -> Module:
        """The module, with PyTorch's first weights."""
        self.check_sizes(layers=1, hidden=1, embedding=1)
        if self.cell not in CELLS:
            raise UsageError(f"no cell {self.cell!r}; there are: {', '.join(CELLS)} (the LSTM is a model of its own)")
        if self.tied and self.hidden != self.embedding:
            raise UsageError(
                f"tied: outputs ({self.hidden}) must be as large as embeddings ({self.embedding}): give both one size"
            )
        return RNNModule(vocab_size, self)


class RNNModule(Module):
    """Embedding → recurrent layers → softmax; carried on is h, (B, layers, H)."""

    def __init__(self, vocab_size: int, settings: RNN):
        super().__init__()
        s = settings
        between = s.dropout if s.layers > 1 else 0.0
        self.embedding = nn.Embedding(vocab_size, s.embedding)
        self.recurrent = CELLS[s.cell](s.embedding, s.hidden, s.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(s.dropout)
        self.output = nn.Linear(s.hidden, vocab_size)
        if s.tied:
            self.output.weight = self.embedding.weight
            nn.init.uniform_(self.output.weight, -0.1, 0.1)
            nn.init.zeros_(self.output.bias)

    def initial_state(self, batch: int) -> Carried:
        """Zeros, as before the first token."""
        return (torch.zeros(batch, self.recurrent.num_layers, self.recurrent.hidden_size, device=self.device),)

    def held(self, carried: Carried) -> Tensor:
        """h of the last layer."""
        return carried[0][:, -1]

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """ids (B, T) → outputs of the last layer (B, T, H)."""
        h = carried[0].transpose(0, 1).contiguous()  # (layers, B, H), as PyTorch wants it
        outputs, h = recurrent.run(self.recurrent, self.embedding(ids), h)  # (B, T, H), (layers, B, H)
        return self.dropout(outputs), (h.transpose(0, 1),)

    def layer_modules(self) -> dict[str, nn.Module]:
        """The embedding and the last layer: PyTorch returns no outputs of the layers between them."""
        return {"embedding": self.embedding, f"layer {self.recurrent.num_layers}": self.recurrent}
