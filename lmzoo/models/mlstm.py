"""Multiplicative LSTM: each token has a transition between hidden states of its own (Krause, Lu, Murray & Renals 2016).

For each token's embedding x, and the output h and the cell c at the token before:

    m = (W_mx x) ⊙ (W_mh h)                    the multiplicative state: what h means if x comes next
    i = σ(W_ix x + W_im m + b_i)               input gate
    f = σ(W_fx x + W_fm m + b_f)               forget gate
    o = σ(W_ox x + W_om m + b_o)               output gate
    u = tanh(W_ux x + W_um m + b_u)
    c ← f ⊙ c + i ⊙ u
    h ← o ⊙ tanh(c)
    P(next | so far) = softmax(V h + d)

With `cell` rnn it is the multiplicative RNN (Sutskever, Martens & Hinton 2011), whose tensor of three ways is factored
into as many factors as there are units:

    h ← tanh(W_x x + W_m m + b)

Weights are normalised (Salimans & Kingma 2016) as in the code that was released with the sentiment neuron (Radford,
Józefowicz & Sutskever 2017): the weights of what a unit receives, a row of W, have the length of its gain g,

    W = g ⊙ V / |V|,

in all matrices but the softmax's. A text's features are its last cell state, one of whose units followed sentiment
there after 82 million reviews; `lmzoo probe --units` looks for it, and `lmzoo unit` shows it.

Departures: x is an embedding, as in Radford et al.; the forget gate is open at first; dropout of h before the softmax;
layers can be stacked, of which they had one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize

from lmzoo.errors import one_of
from lmzoo.interface import Origin, Run
from lmzoo.neural.language_model import Network
from lmzoo.neural.module import Carried, FusedLinear, Module
from lmzoo.neural.multiplicative import Recurrence
from lmzoo.neural.training.config import Training

CELLS = ("lstm", "rnn")


@dataclass
class MLSTM(Network):
    """Multiplicative recurrence: which hidden state follows depends on the product of the last one and the token."""

    name: ClassVar[str] = "mlstm"
    year: ClassVar[int] = 2016
    paper: ClassVar[str] = "Krause, Lu, Murray & Renals 2016, Multiplicative LSTM for sequence modelling"
    family: ClassVar[str] = "recurrent"
    label_settings: ClassVar[Mapping[str, str]] = {"hidden": "{} cells"}

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"hidden": 16, "embedding": 8, "batch": 32, "window": 8},  # for a first try
        "small": {
            "hidden": 96, "embedding": 64, "dropout": 0.0, "window": 16, "learning_rate": 2e-2,
        },  # for ten seconds of a laptop, with the settings of the LSTM's
        "bytes": {"hidden": 512, "dropout": 0.0, "window": 128},  # of reviews: for minutes of a laptop
        "sentiment-neuron": {
            "hidden": 4096, "dropout": 0.0, "batch": 128, "window": 256, "optimizer": "adamw", "learning_rate": 5e-4,
            "weight_decay": 0.0, "warmup": 0.0, "cooldown": 1.0,
        },  # bytes of 82 million reviews, once, in a month of four GPUs (Radford et al. 2017, section 3)
    }  # fmt: skip

    PERIOD: ClassVar[Mapping[str, Any]] = {"optimizer": "adamw"}

    cell: str = "lstm"  # lstm, or rnn: without gates (Sutskever et al. 2011)
    layers: int = 1  # stacked multiplicative LSTMs
    hidden: int = 384  # cells of each
    embedding: int = 64  # size of a token's vector
    normalised: bool = True  # weight normalisation: the length of each row of weights is learned apart (2016)
    dropout: float = 0.3  # of outputs, between layers and before the softmax
    training: Training = Training(window=80, optimizer="muon", learning_rate=1e-2, weight_decay=0.05)

    reach: ClassVar[None] = None

    @property
    def title(self) -> str:
        """ "mLSTM", "mRNN"."""
        return "mRNN" if self.cell == "rnn" else "mLSTM"

    @property
    def origin(self) -> Origin:
        """The multiplicative RNN is an earlier idea."""
        if self.cell != "rnn":
            return super().origin
        return Origin(2011, "Sutskever, Martens & Hinton 2011, Generating Text with Recurrent Neural Networks")

    @property
    def width(self) -> int:
        """Cells of a layer."""
        return self.hidden

    def compile_pays(self, run: Run) -> bool:  # noqa: ARG002
        """Never: a loop over tokens would be unrolled, which takes minutes."""
        return False

    def build(self, vocab_size: int) -> Module:
        """The module: rows of weights of length one, forget gates open."""
        self.check_sizes(layers=1, hidden=1, embedding=1)
        one_of("cell", self.cell, CELLS)
        return MLSTMModule(vocab_size, self)


class Normalised(FusedLinear):
    """Matrices with `sizes` rows each, whose rows have lengths of their own (g) where they are `normalised`."""

    def __init__(self, width: int, sizes: Sequence[int], bias: bool, normalised: bool):
        super().__init__(width, list(sizes), bias)
        self.gain = nn.Parameter(torch.ones(sum(sizes))) if normalised else None

    def matrix(self) -> Tensor:
        """W: (rows, width)."""
        return self.weight if self.gain is None else normalize(self.weight, dim=1) * self.gain[:, None]

    def forward(self, x: Tensor) -> Tensor:
        """W x + b: (…, width) → (…, rows)."""
        return nn.functional.linear(x, self.matrix(), self.bias)


class Multiplicative(nn.Module):
    """The recurrence: m, then the gates; i, f, o and u are in that order, as in the released code."""

    def __init__(self, width: int, settings: MLSTM):
        super().__init__()
        s, gates = settings, 4 if settings.cell == "lstm" else 1
        self.mx = Normalised(width, [s.hidden], False, s.normalised)
        self.mh = Normalised(s.hidden, [s.hidden], False, s.normalised)
        self.x = Normalised(width, [s.hidden] * gates, True, s.normalised)
        self.m = Normalised(s.hidden, [s.hidden] * gates, False, s.normalised)
        self.cells = nn.Identity()  # where probes find c
        nn.init.zeros_(self.x.bias)
        if s.cell == "lstm":
            self.x.bias.data[s.hidden : 2 * s.hidden] = 1.0

    def forward(self, x: Tensor, carried: Carried) -> tuple[Tensor, Tensor]:
        """x (B, T, E) → h and c after each token, (B, T, H) each; the multiplicative RNN has h for c."""
        with torch.autocast(x.device.type, enabled=False):  # what is added up over time stays in float32
            x = x.float().transpose(0, 1)  # (T, B, E)
            given, w, u = (self.mx(x), self.x(x)), self.m.matrix(), self.mh.matrix()
            if len(carried) == 2:
                h, c = Recurrence.apply(*given, w, u, *carried)
                return h.transpose(0, 1), self.cells(c.transpose(0, 1))
            h, after = carried[0], []
            for factor, total in zip(*given, strict=True):  # (B, H) each
                m = factor * (h @ u.T)
                h = torch.addmm(total, m, w.T).tanh()
                after.append(h)
            outputs = torch.stack(after, 1)
            return outputs, outputs


class MLSTMModule(Module):
    """Embedding → multiplicative LSTMs → softmax; carried on are h and c of each layer, (B, H) each."""

    def __init__(self, vocab_size: int, settings: MLSTM):
        super().__init__()
        self.settings = s = settings
        self.embedding = nn.Embedding(vocab_size, s.embedding)
        widths = [s.embedding, *[s.hidden] * (s.layers - 1)]
        self.layers = nn.ModuleList([Multiplicative(width, s) for width in widths])
        self.output = nn.Linear(s.hidden, vocab_size)

    @property
    def parts(self) -> int:
        """What a layer carries: h and c, or h."""
        return 2 if self.settings.cell == "lstm" else 1

    def initial_state(self, batch: int) -> Carried:
        """Zeros, as before the first token."""
        each = range(self.parts * len(self.layers))
        return tuple(torch.zeros(batch, self.settings.hidden, device=self.device) for _ in each)

    def held(self, carried: Carried) -> Tensor:
        """c of the last layer; of the multiplicative RNN h."""
        return carried[-1]

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """ids (B, T) → outputs h of the last layer (B, T, H), before their dropout."""
        h, after = self.embedding(ids), list[Tensor]()
        for n, layer in enumerate(self.layers):
            x = self.before_output(h) if n else h
            h, c = layer(x, carried[self.parts * n : self.parts * (n + 1)])
            last = h[:, -1].clone(), c[:, -1].clone()  # no views, which would keep those of all tokens
            after += last[: self.parts]
        return h, tuple(after)

    def before_output(self, hidden: Tensor) -> Tensor:
        """With dropout of the outputs in training."""
        return dropout(hidden, self.settings.dropout, self.training)

    def layer_modules(self) -> dict[str, nn.Module]:
        """The embedding, then c and h of each layer: a text's last c is where Radford et al. found sentiment."""
        modules: dict[str, nn.Module] = {"embedding": self.embedding}
        for n, layer in enumerate(self.layers, 1):
            modules |= {f"cells {n}": layer.get_submodule("cells")} if self.parts == 2 else {}
            modules[f"layer {n}"] = layer
        return modules
