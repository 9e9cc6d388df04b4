"""Long short-term memory: a recurrent network whose cells gates write, keep and read (Hochreiter & Schmidhuber 1997).

For each token's embedding x, and the layer's output h and cell c at the token before:

    i = σ(W_i x + U_i h + b_i)                 input gate
    f = σ(W_f x + U_f h + b_f)                 forget gate (Gers et al. 2000)
    o = σ(W_o x + U_o h + b_o)                 output gate
    c ← f ⊙ c + i ⊙ tanh(W_c x + U_c h + b_c)
    h ← o ⊙ tanh(c)
    P(next | so far) = softmax(V h + d)

Layers are stacked (Graves 2013), with dropout between them and not in time (Zaremba et al. 2014).

AWD-LSTM (Merity, Keskar & Socher 2018) is the same network, better regularised: one table for embedding and softmax
(Press & Wolf 2017), dropout of hidden-to-hidden weights and of whole word types, the same dropout mask at all
positions, activation regularisation (AR, TAR), and averaged SGD. All of it is off by default; the preset `awd` turns it
on. Departures from that paper: averaging begins at a set share of the budget, and windows are all of one length.

A sequence autoencoder (Dai & Le 2015, `--goal autoencoder`) reads a window or a line, and from its last state the same
weights say it again. `--from` then begins a language model or a classifier with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from lmzoo.errors import UsageError, one_of
from lmzoo.interface import Data, Run
from lmzoo.neural import dropout as _dropout
from lmzoo.neural import softmax
from lmzoo.neural.language_model import Network
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.training.config import Training
from lmzoo.neural.training.objectives import Autoencoder, Objective

GOALS = ("next", "autoencoder")
REPEATS = (
    "it learned to say again what it has read, not to predict a text: --from this run with --goal next begins a "
    "language model"
)
# What ULMFiT's networks share with AWD-LSTM, whatever their size.
AWD_LSTM = {"layers": 3, "tied": True, "locked": True, "alpha": 2.0, "beta": 1.0, "window": 70}


@dataclass
class LSTM(Network):
    """Gated recurrence: a cell keeps its value for as long as its forget gate is open."""

    name: ClassVar[str] = "lstm"
    year: ClassVar[int] = 1997
    paper: ClassVar[str] = "Hochreiter & Schmidhuber 1997, Long Short-Term Memory"
    family: ClassVar[str] = "recurrent"
    title: ClassVar[str] = "LSTM"
    label_settings: ClassVar[Mapping[str, str]] = {"hidden": "{} cells"}

    # Zaremba's loss is the sum over a window of 20 tokens and ours the mean, so that learning rate of 1 and clipping
    # at 5 become 20 and 0.25.
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"hidden": 32, "embedding": 16, "batch": 16, "window": 16},  # for a first try
        "small": {
            "hidden": 96, "embedding": 64, "dropout": 0.0, "window": 16, "learning_rate": 2e-2,
        },  # for ten seconds of a laptop, chosen on storyworld's validation text
        "zaremba-small": {
            "layers": 2, "hidden": 200, "embedding": 200, "dropout": 0.0, "dropout_between": 0.0,
            "batch": 20, "window": 20, "optimizer": "sgd", "learning_rate": 20.0, "weight_decay": 0.0,
            "warmup": 0.0, "cooldown": 0.7, "clip": 0.25,
        },  # perplexity 114.5 on the Penn Treebank's test text (Zaremba et al. 2014, table 1)
        "awd": {
            "layers": 3, "hidden": 1150, "embedding": 400, "tied": True, "locked": True,
            "dropout": 0.4, "dropout_between": 0.25, "dropout_inputs": 0.4, "dropout_words": 0.1, "weight_drop": 0.5,
            "alpha": 2.0, "beta": 1.0, "batch": 20, "window": 70, "optimizer": "sgd", "learning_rate": 30.0,
            "weight_decay": 1.2e-6, "warmup": 0.0, "cooldown": 0.0, "clip": 0.25, "average": 0.5,
        },  # 57.3 there, after a second training that is not done here (Merity et al. 2018, table 1)
        "ulmfit-paper": {
            **AWD_LSTM, "hidden": 1150, "embedding": 400, "dropout": 0.4, "dropout_between": 0.3, "dropout_inputs": 0.4,
            "dropout_words": 0.05, "weight_drop": 0.5, "batch": 64, "optimizer": "adamw", "learning_rate": 4e-3,
            "beta1": 0.7, "beta2": 0.99, "warmup": 0.1, "cooldown": 0.9,
        },  # ULMFiT's language model, with its triangle of rates (Howard & Ruder 2018, section 4.1)
        "ulmfit": {
            **AWD_LSTM, "hidden": 276, "embedding": 96, "dropout": 0.2, "dropout_between": 0.15, "dropout_inputs": 0.2,
            "dropout_words": 0.02, "weight_drop": 0.25,
        },  # in that ratio of sizes, with half of its dropout: for minutes of a laptop
        "dai-le-paper": {"hidden": 1024, "embedding": 512, "window": 400},  # its sizes and steps back (Dai & Le 2015)
        "dai-le": {"hidden": 256, "embedding": 128},  # in that ratio: for minutes of a laptop
    }  # fmt: skip

    # By gradient descent, without dropout in any form: Zaremba's small network of 2014 is trained so, too.
    PERIOD: ClassVar[Mapping[str, Any]] = {
        "optimizer": "sgd", "tied": False, "softmax": "full", "dropout": 0.0, "dropout_between": 0.0,
        "dropout_inputs": 0.0, "dropout_words": 0.0, "weight_drop": 0.0, "alpha": 0.0, "beta": 0.0, "average": 0.0,
    }  # fmt: skip

    layers: int = 1  # stacked LSTMs
    hidden: int = 384  # cells of each
    embedding: int = 64  # size of a token's vector
    tied: bool = False  # one table for embedding and softmax; the last layer then has the size of the embeddings
    dropout: float = 0.35  # of the last layer's outputs, before the softmax
    dropout_between: float = 0.3  # of the other layers' outputs
    dropout_inputs: float = 0.0  # of the embeddings that the first layer reads
    dropout_words: float = 0.0  # of whole word types: wherever they stand, they are read as zeros
    weight_drop: float = 0.0  # of the hidden-to-hidden weights (DropConnect), drawn for each step
    locked: bool = False  # variational dropout: drop the same units at all positions of a window
    alpha: float = 0.0  # weight of activation regularisation (AR): the mean square of the dropped outputs
    beta: float = 0.0  # weight of temporal activation regularisation (TAR): the mean square of their change over time
    softmax: str = "full"  # or adaptive (Grave et al. 2017): faster where there are tens of thousands of words
    goal: str = "next"  # of training: the next token, or autoencoder: to say again what was read (Dai & Le 2015)
    training: Training = Training(window=80, optimizer="muon", learning_rate=1e-2, weight_decay=0.05)

    reach: ClassVar[None] = None
    IN_TRAINING: ClassVar[frozenset[str]] = frozenset({"locked", "alpha", "beta", "goal"})

    @property
    def width(self) -> int:
        """Cells of a layer."""
        return self.hidden

    def compile_pays(self, run: Run) -> bool:
        """Not with an adaptive softmax, whose clusters have another number of tokens in each step."""
        return self.softmax == "full" and super().compile_pays(run)

    def objective(self, vocab_size: int) -> Objective:
        """By its goal."""
        return Autoencoder(vocab_size - 1) if self.goal == "autoencoder" else super().objective(vocab_size)

    def fit(self, data: Data, run: Run | None = None) -> Self:
        """See `Network.fit`; losses are those of the goal."""
        super().fit(data, run)
        if self.goal == "autoencoder":
            self.remarks = [*self.remarks, REPEATS]
        return self

    def build(self, vocab_size: int) -> Module:
        """The module: forget gates open at first, a tied table uniform in ±0.1, else PyTorch's first weights."""
        self.check_sizes(layers=1, hidden=1, embedding=1, alpha=0, beta=0)
        one_of("goal", self.goal, GOALS)
        if self.tied and self.softmax != "full":
            raise UsageError("tied: an adaptive softmax has no table to share with the embedding: choose one of them")
        if self.tied and self.layers == 1 and self.hidden != self.embedding:
            raise UsageError(
                f"tied: the last layer's outputs must be as large as the embeddings ({self.embedding}), and the only "
                f"layer has {self.hidden} cells: give both one size, or more layers"
            )
        return LSTMModule(vocab_size, self)


class LSTMModule(Module):
    """Embedding → LSTM layers → softmax; carried on are h and c of each layer, (B, H) each."""

    def __init__(self, vocab_size: int, settings: LSTM):
        super().__init__()
        self.settings = s = settings
        self.sizes = [*[s.hidden] * (s.layers - 1), s.embedding if s.tied else s.hidden]
        self.embedding = nn.Embedding(vocab_size, s.embedding)
        layers = [nn.LSTM(n, m, batch_first=True) for n, m in pairwise([s.embedding, *self.sizes])]
        for layer in layers:  # forget gates open (Jozefowicz et al. 2015): the second of PyTorch's i, f, g, o
            layer.get_parameter("bias_ih_l0").data[layer.hidden_size : 2 * layer.hidden_size] = 1.0
        self.layers = nn.ModuleList(layers)
        self.output = softmax.output(s.softmax, self.sizes[-1], vocab_size)
        if s.tied and isinstance(self.output, nn.Linear):
            self.output.weight = self.embedding.weight
            nn.init.uniform_(self.output.weight, -0.1, 0.1)
            nn.init.zeros_(self.output.bias)

    def initial_state(self, batch: int) -> Carried:
        """Zeros, as before the first token."""
        return tuple(torch.zeros(batch, size, device=self.device) for size in self.sizes for _ in ("h", "c"))

    def held(self, carried: Carried) -> Tensor:
        """c of the last layer."""
        return carried[-1]

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """ids (B, T) → outputs of the last layer (B, T, H), before their dropout."""
        s, after = self.settings, []
        x = _dropout.embedded(self.embedding, ids, s.dropout_words)  # (B, T, embedding)
        for n, layer in enumerate(self.layers):
            x = self._dropped(x, s.dropout_between if n else s.dropout_inputs)
            state = carried[2 * n][None], carried[2 * n + 1][None]  # (1, B, H): PyTorch's first axis is of layers
            x, (h, c) = _dropout.weight_dropped(layer, x, state, s.weight_drop)  # (B, T, H)
            after += [h[0], c[0]]
        return x, tuple(after)

    def before_output(self, hidden: Tensor) -> Tensor:
        """With dropout of the outputs in training."""
        return self._dropped(hidden, self.settings.dropout)

    def auxiliary_losses(self, hidden: Tensor) -> dict[str, Tensor]:
        """AR: alpha · mean (m ⊙ h_t)², m being the dropout mask. TAR: beta · mean (h_t - h_{t-1})²."""
        s, h, losses = self.settings, hidden.float(), {}
        if s.alpha:  # with the mean of m² over masks, 1 / (1 - dropout), instead of a mask
            losses["AR"] = s.alpha / (1 - s.dropout) * h.square().mean()
        if s.beta and h.shape[1] > 1:
            losses["TAR"] = s.beta * h.diff(dim=1).square().mean()
        return losses

    def _dropped(self, x: Tensor, p: float) -> Tensor:
        return _dropout.locked(x, p, self.training) if self.settings.locked else dropout(x, p, self.training)
