"""A head on a network: its hidden vectors pooled over what was read, and a linear layer from there to the classes.

last      h_T                          the vector behind the last id, which has seen all of them (Radford 2018)
mean, max over the T positions
concat    [h_T; max h; mean h]         (Howard & Ruder 2018, section 3.3)
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding
from torch.nn.utils.rnn import pad_sequence

from lmzoo.errors import UsageError
from lmzoo.neural.finetuning.inputs import NEW, Batch, Form
from lmzoo.neural.module import Carried, Module

POOLINGS = ("last", "mean", "max", "concat")


def pool(hidden: Tensor, lengths: Tensor, how: str) -> Tensor:
    """The first `lengths` (M,) of the vectors (M, T, D) of each row as one: (M, D), or (M, 3 D)."""
    last = hidden[torch.arange(len(hidden), device=hidden.device), lengths - 1]  # (M, D)
    if how == "last":
        return last
    padding = (torch.arange(hidden.shape[1], device=hidden.device) >= lengths[:, None])[..., None]  # (M, T, 1)
    if how == "mean":
        return hidden.masked_fill(padding, 0).sum(1) / lengths[:, None]
    highest = hidden.masked_fill(padding, -torch.inf).amax(1)
    return highest if how == "max" else torch.cat([last, highest, pool(hidden, lengths, "mean")], -1)


class MarkedEmbedding(nn.Embedding):
    """A table (V, D) and, behind it, rows for the markers, of which the softmax knows nothing."""

    def __init__(self, table: nn.Embedding):
        super().__init__(table.num_embeddings, table.embedding_dim, _weight=table.weight)
        self.weight = table.weight  # the very same, as it may be the softmax's too
        self.markers = nn.Parameter(torch.empty(NEW, table.embedding_dim).normal_(std=0.02))

    def forward(self, ids: Tensor) -> Tensor:
        """ids (…) below V + 3 → vectors (…, D)."""
        size = self.num_embeddings
        vectors = embedding(ids.clamp(max=size - 1), self.weight)
        return torch.where((ids >= size)[..., None], embedding((ids - size).clamp(min=0), self.markers), vectors)


class Tuned(Module):
    """A network and a head on it, both of which learn."""

    def __init__(
        self, network: Module, form: Form, pooling: str, outputs: int, inner: int, dropout: float, piece: int = 0
    ):
        super().__init__()
        self.network, self.form, self.pooling, self.piece = network, form.name, pooling, piece
        if form.markers == "new":
            table = network.get_submodule("embedding") if hasattr(network, "embedding") else None
            if not isinstance(table, nn.Embedding):
                raise UsageError("this network has no embedding to add markers to: choose markers end or none")
            network.embedding = MarkedEmbedding(table)
        with torch.no_grad():
            one = torch.zeros(1, 1, dtype=torch.long, device=network.device)
            width = network(one, network.initial_state(1))[0].shape[-1]
        width *= 3 if pooling == "concat" and form.name != "tags" else 1
        first = [nn.Linear(width, inner), nn.ReLU(), nn.Dropout(dropout)] if inner else []
        self.classifier = nn.Sequential(nn.Dropout(dropout), *first, nn.Linear(inner or width, outputs))
        for layer in self.classifier:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def initial_state(self, batch: int) -> Carried:
        """The network's."""
        return self.network.initial_state(batch)

    def forward(self, ids: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """ids (M, T) → hidden vectors (M, T, D) of the network.

        Where gradients are taken, it reads `piece` ids (0: all) at a time from the state after those before, through
        which none go back: only through the vectors that are pooled (BPT3C, Howard & Ruder 2018, section 3.3).
        """
        if not self.piece or not torch.is_grad_enabled():
            hidden, carried = self.network(ids, carried)
            return hidden, carried
        parts = []
        for some in ids.split(self.piece, dim=1):
            hidden, carried = self.network(some, tuple(part.detach() for part in carried))
            parts.append(hidden)
        return torch.cat(parts, 1), carried

    def vectors(self, hidden: Tensor, batch: Batch) -> Tensor:
        """What the head reads of the hidden vectors (M, T, D): (M, D'), of tags (L, D)."""
        if self.form == "tags":
            return hidden.flatten(0, 1)[batch.places]
        return pool(hidden, batch.lengths, self.pooling)

    def outputs(self, vectors: Tensor, counts: list[int]) -> Tensor:
        """The head's outputs (L, C) for `vectors`, of which each example has so many."""
        if self.form == "both":
            vectors = vectors.unflatten(0, (-1, 2)).sum(1)  # h(a, b) + h(b, a)
        scores: Tensor = self.classifier(vectors)
        if self.form == "choice":  # a score for each candidate of an example, in one row
            scores = pad_sequence(list(scores[:, 0].split(counts)), batch_first=True, padding_value=-torch.inf)
        return scores

    def auxiliary_losses(self, hidden: Tensor) -> dict[str, Tensor]:
        """Those of the network."""
        return dict(self.network.auxiliary_losses(hidden))

    def look_at(self, text: object) -> None:
        """The network has seen its text."""

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The network's, without the markers."""
        markers = getattr(getattr(self.network, "embedding", None), "markers", None)
        return [weight for weight in self.network.hidden_matrices() if weight is not markers]

    def flops(self, window: int) -> float:
        """The network's: the head is small."""
        return self.network.flops(window)
