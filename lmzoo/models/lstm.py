"""The long short-term memory: a cell that keeps what the gates let in (Hochreiter & Schmidhuber 1997).

For each token's embedding x, and the layer's output h and cell c of the token before:

    i = σ(W_i x + U_i h + b_i)          what is let in
    f = σ(W_f x + U_f h + b_f)          what is kept (Gers et al. 2000)
    o = σ(W_o x + U_o h + b_o)          what is shown
    c ← f ⊙ c + i ⊙ tanh(W_c x + U_c h + b_c)
    h ← o ⊙ tanh(c)
    P(next | so far) = softmax(V h + d)

Layers stand on each other (Graves 2013), with dropout between them and not in time (Zaremba et al. 2014).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lmzoo.models._net import Memory, Net
from lmzoo.models._network import Network


@dataclass
class LSTM(Network):
    """Gated recurrence: a cell remembers for as long as its forget gate stays open."""

    name: ClassVar[str] = "lstm"
    year: ClassVar[int] = 1997
    paper: ClassVar[str] = "Hochreiter & Schmidhuber 1997, Long Short-Term Memory"

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"hidden": 32, "embedding": 16, "batch": 16, "window": 16},  # for a first try
    }

    layers: int = 1  # LSTMs that stand on each other
    hidden: int = 512  # cells of each
    embedding: int = 64  # size of a token's vector
    dropout: float = 0.3  # of outputs, between layers and before the softmax
    batch: int = 64  # pieces of text read side by side in a step
    window: int = 32  # tokens of each that are read in a step: how far back the gradient reaches
    learning_rate: float = 5e-3  # at its highest
    weight_decay: float = 0.05  # of the matrices

    reach: ClassVar[None] = None

    @property
    def width(self) -> int:
        """Cells of a layer."""
        return self.hidden

    def build(self, vocab_size: int) -> Net:
        """The net: forget gates open (bias 1), the rest as PyTorch has it."""
        return LSTMNet(vocab_size, self)


class LSTMNet(Net):
    """Embedding → LSTM layers → softmax; memory is (h, c), each (B, layers, H)."""

    def __init__(self, vocab_size: int, settings: LSTM):
        super().__init__()
        s = settings
        self.embedding = nn.Embedding(vocab_size, s.embedding)
        self.lstm = nn.LSTM(s.embedding, s.hidden, s.layers, batch_first=True, dropout=s.dropout if s.layers > 1 else 0)
        self.dropout = nn.Dropout(s.dropout)
        self.output = nn.Linear(s.hidden, vocab_size)
        for layer in range(s.layers):
            getattr(self.lstm, f"bias_ih_l{layer}").data[s.hidden : 2 * s.hidden] = 1.0

    def blank(self, batch: int) -> Memory:
        """Zeros, as before the first token."""
        zeros = torch.zeros(batch, self.lstm.num_layers, self.lstm.hidden_size, device=self.device)
        return zeros, zeros

    def forward(self, ids: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """ids (B, T) → outputs of the last layer (B, T, H)."""
        h, c = (m.transpose(0, 1).contiguous() for m in memory)  # PyTorch has the layers first
        outputs, (h, c) = self.lstm(self.embedding(ids), (h, c))
        return self.dropout(outputs), (h.transpose(0, 1), c.transpose(0, 1))

    def head(self, hidden: Tensor) -> Tensor:
        """Logits (…, V)."""
        return self.output(hidden)
