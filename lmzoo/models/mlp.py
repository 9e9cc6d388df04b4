"""The neural probabilistic language model: a feed-forward network over the last n word vectors (Bengio et al. 2003).

The last n tokens are looked up in one table C and their m-dimensional vectors concatenated; a hidden layer and, if
wanted, direct connections lead from there to a score for each token of the vocabulary:

    x = (C(w_{t-1}), …, C(w_{t-n}))
    y = b + W x + U tanh(d + H x)
    P(w_t | w_{t-n} … w_{t-1}) = softmax(y)

Words with similar vectors get similar predictions, so each sentence informs the model about a great number of similar
ones (section 1.1).

Departures: dropout (Srivastava et al. 2014), optional further hidden layers and other activations; AdamW or Muon
instead of asynchronous SGD. Before the first token the context is filled with `end`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lmzoo.errors import one_of
from lmzoo.neural.language_model import Network
from lmzoo.neural.module import Carried, Module
from lmzoo.neural.training.config import Training

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "gelu": nn.functional.gelu}


@dataclass
class MLP(Network):
    """A feed-forward network over the last n tokens, as word vectors that it learns."""

    name: ClassVar[str] = "mlp"
    year: ClassVar[int] = 2003
    paper: ClassVar[str] = "Bengio, Ducharme, Vincent & Jauvin 2003, A Neural Probabilistic Language Model"
    family: ClassVar[str] = "feedforward"
    title: ClassVar[str] = "MLP"
    label_settings: ClassVar[Mapping[str, str]] = {"context": "{}-token context"}

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"context": 4, "embedding": 16, "hidden": 32, "batch": 256},  # for a first try
        "small": {
            "context": 5, "embedding": 32, "hidden": 96, "dropout": 0.0, "batch": 384, "learning_rate": 1e-2,
        },  # for ten seconds of a laptop, chosen on storyworld's validation text
    }  # fmt: skip

    # Section 3: stochastic gradient ascent. Neither Adam (2015) nor dropout (2014) was known.
    PERIOD: ClassVar[Mapping[str, Any]] = {"optimizer": "sgd", "dropout": 0.0, "layers": 1, "activation": "tanh"}

    context: int = 16  # tokens that it sees; an n-gram of order n sees n - 1
    embedding: int = 48  # size of a token's vector
    hidden: int = 512  # units of a hidden layer
    layers: int = 1  # hidden layers
    activation: str = "tanh"  # of the hidden units: tanh, relu or gelu
    direct: bool = True  # also connect the context's vectors directly to the softmax
    dropout: float = 0.1  # of the context's vectors and of the hidden units
    training: Training = Training(batch=2048, window=1)  # single tokens, drawn from all over the text

    carries_state: ClassVar[bool] = False

    @property
    def width(self) -> int:
        """Units of a hidden layer."""
        return self.hidden

    @property
    def reach(self) -> int:
        """The context."""
        return self.context

    @property
    def left_context(self) -> int:
        """With the first id of a window, these predict the second."""
        return self.context - 1

    def build(self, vocab_size: int) -> Module:
        """The module, with PyTorch's first weights."""
        self.check_sizes(context=1, embedding=1, hidden=1, layers=1)
        one_of("activation", self.activation, ACTIVATIONS)
        return MLPModule(vocab_size, self)


class MLPModule(Module):
    """Embeddings of n tokens → hidden layers → softmax; carried on are the last n - 1 ids, (B, n - 1)."""

    def __init__(self, vocab_size: int, settings: MLP):
        super().__init__()
        s = settings
        self.context, self.direct, self.activation = s.context, s.direct, ACTIVATIONS[s.activation]
        read = s.context * s.embedding
        self.embedding = nn.Embedding(vocab_size, s.embedding)  # C
        self.layers = nn.ModuleList(nn.Linear(read if n == 0 else s.hidden, s.hidden) for n in range(s.layers))  # H, d
        self.output = nn.Linear(s.hidden + read if s.direct else s.hidden, vocab_size)  # U beside W, b
        self.dropout = nn.Dropout(s.dropout)

    def initial_state(self, batch: int) -> Carried:
        """`end`, as before the first token."""
        end = self.embedding.num_embeddings - 1
        return (torch.full((batch, self.context - 1), end, device=self.device),)

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """ids (B, T) → hidden units and, with direct connections, the n vectors beside them: (B, T, D)."""
        read = torch.cat([carried[0], ids], dim=1)  # (B, n - 1 + T)
        contexts = read.unfold(1, self.context, 1)  # (B, T, n), the oldest token first
        x = self.dropout(self.embedding(contexts).flatten(2))  # (B, T, n m)
        h = x
        for layer in self.layers:
            h = self.dropout(self.activation(layer(h)))
        return torch.cat([h, x], dim=-1) if self.direct else h, (read[:, ids.shape[1] :],)

    def all_layers(self, ids: Tensor, carried: Carried) -> tuple[list[Tensor], Carried]:
        """Vectors (B, T, D): of each token itself, C(w_t), and of its context in each hidden layer."""
        # The table is asked for (B, T, n, m), of which the newest token is the last; layers give what is before f.
        (contexts, *sums), carried = super().all_layers(ids, carried)
        return [contexts[:, :, -1], *map(self.activation, sums)], carried
