"""Adaptive softmax: the probabilities of a large vocabulary at a fraction of its cost (Grave et al. 2017).

The most frequent tokens and one entry for each cluster of rarer ones share a softmax; a token of a cluster has a second
one, over that cluster, from fewer features of the hidden vector the rarer it is (Goodman 2001 in two levels):

    P(w | h) = softmax(A h)[w]                                    w in the shortlist
    P(w | h) = softmax(A h)[cluster of w] · softmax(Vₙ Uₙ h)[w]     w in cluster n

All probabilities sum to one. Departures: the sizes are shares of the vocabulary, and not fitted to a GPU's costs.

A full softmax needs none of this, but on a GPU its logits are read and written as seldom as can be: `FullLoss`.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, pad

from lmzoo.errors import one_of

KINDS = ("full", "adaptive")
IGNORED = -100  # a target that is left out, as PyTorch's cross-entropy does
ALIGNED = 64  # a matrix product of a GPU with a multiple of so many columns is the fastest
BOUNDS = (12, 3)  # V/12 tokens are in the shortlist; those up to V/3 in the first cluster, all others in the second
NARROWER = 4  # times as few features as the level before


def output(kind: str, width: int, vocab_size: int) -> "nn.Linear | AdaptiveSoftmax":
    """Hidden vectors (…, D) → logits (…, V). Raises UsageError for a kind that is none of KINDS."""
    one_of("softmax", kind, KINDS)
    return nn.Linear(width, vocab_size) if kind == "full" else AdaptiveSoftmax(width, vocab_size)


class AdaptiveSoftmax(nn.Module):
    """`forward(hidden)`: the log-probabilities of all tokens. `loss(hidden, targets)` computes what it needs only."""

    rank: Tensor  # (V,) of each token, the most frequent one's being 0

    def __init__(self, width: int, vocab_size: int):
        super().__init__()
        self.bounds = sorted({*(max(1, vocab_size // share) for share in BOUNDS), vocab_size})
        sizes = [stop - start for start, stop in zip(self.bounds, self.bounds[1:], strict=False)]
        self.shortlist = nn.Linear(width, self.bounds[0] + len(sizes))
        narrow = [max(1, width // NARROWER**n) for n in range(1, len(sizes) + 1)]
        self.clusters = nn.ModuleList(
            nn.Sequential(nn.Linear(width, features, bias=False), nn.Linear(features, size, bias=False))
            for features, size in zip(narrow, sizes, strict=True)
        )
        self.register_buffer("rank", torch.arange(vocab_size))

    def order_by(self, counts: Tensor) -> None:
        """Rank the tokens by their `counts` (V,) in the training text."""
        self.rank[counts.argsort(descending=True, stable=True)] = torch.arange(len(counts), device=self.rank.device)

    def forward(self, hidden: Tensor) -> Tensor:
        """log P (…, V) of every token after each hidden vector (…, D), in nats."""
        first, size = self.shortlist(hidden).float().log_softmax(-1), self.bounds[0]
        parts = [first[..., :size]]
        for n, cluster in enumerate(self.clusters, size):
            parts.append(first[..., n : n + 1] + cluster(hidden).float().log_softmax(-1))
        return torch.cat(parts, -1)[..., self.rank]  # from the order of ranks to that of ids

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Mean -log P of `targets` (…,) after the hidden vectors (…, D), in nats; one below zero is left out."""
        x, targets, size = hidden.flatten(0, -2), targets.flatten(), self.bounds[0]
        if (targets < 0).any():  # behind the end of a short line, as in PyTorch's cross-entropy
            x, targets = x[targets >= 0], targets[targets >= 0]
        ranks = self.rank[targets]
        of = torch.bucketize(ranks, torch.tensor(self.bounds, device=ranks.device), right=True)  # 0: the shortlist
        entries = torch.where(of == 0, ranks, size - 1 + of)
        nats = cross_entropy(self.shortlist(x).float(), entries, reduction="sum")
        for n, cluster in enumerate(self.clusters):
            rows = (of == n + 1).nonzero()[:, 0]
            nats = nats + cross_entropy(cluster(x[rows]).float(), ranks[rows] - self.bounds[n], reduction="sum")
        return nats / len(ranks)

    def check(self) -> None:
        """Raise ValueError where the ranks, as a file has them, do not name each token once."""
        if not torch.equal(self.rank.sort().values.cpu(), torch.arange(len(self.rank))):
            raise ValueError("the ranks of the tokens are no permutation of them")


class FullLoss(torch.autograd.Function):
    """Mean -log P of targets (N,) by a full softmax of W h + b, in nats, with its gradients computed at once.

    PyTorch's own keeps the logits (N, V) and reads them again, twice, for their gradient; here that is written in
    their place while they are summed. The vocabulary is padded in the products alone: what is added has no probability.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
        """Of hidden vectors h (N, D), W (V, D), b (V,); targets of IGNORED are left out."""
        size, rest = len(weight), -len(weight) % ALIGNED
        padded = pad(weight, (0, 0, 0, rest))
        logits = linear(hidden, padded, None if bias is None else pad(bias, (0, rest)))  # (N, V and more)
        count = (targets != IGNORED).sum()
        nats, change = _with_gradient(logits, targets, 1 / count, size)
        of_bias = [] if bias is None else [change.sum(0, dtype=torch.float32)[:size]]
        ctx.save_for_backward(change @ padded, (change.T @ hidden)[:size], *of_bias)
        ctx.types = hidden.dtype, weight.dtype
        return nats.sum() / count

    @staticmethod
    def backward(ctx: Any, by: Tensor) -> Any:
        """The gradients, `by` that of the loss."""
        (of_hidden, of_weight, *of_bias), (hidden, weight) = ctx.saved_tensors, ctx.types
        return of_hidden.to(hidden) * by, of_weight.to(weight) * by, of_bias[0] * by if of_bias else None, None


def _with_gradient(logits: Tensor, targets: Tensor, share: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """-log P of the targets (N,) by the first `size` of their logits (N, V), and its gradient times `share`."""
    if logits.is_cuda:
        from lmzoo.neural import kernels

        return kernels.softmax_with_gradient(logits, targets, share, size)
    columns, known = torch.arange(logits.shape[1]), (targets != IGNORED)[:, None]
    wide = torch.where(columns < size, logits.float(), -math.inf)
    sums = wide.logsumexp(-1, keepdim=True)
    nats = torch.where(known, sums - wide.gather(-1, torch.where(known, targets[:, None], 0)), 0.0)
    change = ((wide - sums).exp() - (columns == targets[:, None]).float()) * (known * share)
    return nats[:, 0], change.to(logits.dtype)
