"""Inside a network, as JSON knows it: what it attends to, what its cells hold, and what each layer expects.

`look` reads a text once; `attention`, `cells` and `lens` show a part of what was computed. Layers, heads and cells are
counted from 1. An n-gram is explained by
`explain_ngram`, and what a head or a cell is good for is measured in `inside_measured`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from lmzoo.analysis.explain_ngram import has_table
from lmzoo.analysis.projection import principal
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel, likeliest_tokens
from lmzoo.interface import Ids, LanguageModel
from lmzoo.neural import inside as networks
from lmzoo.neural.attention import Attention
from lmzoo.neural.transformer import TransformerModule

LONGEST = 2000  # tokens of a text
GUESSES = 3  # likeliest tokens of each layer
BEGINNING = "⊢"  # the piece of `end`, which is read before a text
DIGITS = 3


@dataclass(frozen=True, eq=False)
class Look:
    """A text as a network has read it: `end` and T - 1 tokens; of a longer text than its window, the last window."""

    text_model: TextModel
    ids: Ids  # (T,)
    pieces: list[str]  # T, the text of each
    inside: networks.Inside


def abilities(text_model: TextModel) -> list[str]:
    """What can be shown of a model: some of explain, cells, attention, lens, positions and vectors."""
    model, net = text_model.model, vars(text_model.model).get("net_")
    can = ["explain"] if has_table(model) else []
    parts = [] if net is None else list(net.modules())
    can += ["cells"] if any(isinstance(part, nn.RNNBase) for part in parts) else []
    can += ["attention"] if any(isinstance(part, Attention) for part in parts) else []
    can += ["lens"] if isinstance(net, TransformerModule) else []
    can += ["positions"] if _positions(net) is not None else []
    has_vectors = hasattr(model, "vectors") or isinstance(getattr(net, "embedding", None), nn.Embedding)
    return can + (["vectors"] if has_vectors else [])


def look(text_model: TextModel, text: str) -> Look:
    """A network's reading of `text`. Raises UsageError for other models, and for more than 2,000 tokens."""
    model, tokenizer = text_model.require(LanguageModel, "there is nothing to look into"), text_model.tokenizer
    net = vars(model).get("net_")
    if net is None:
        raise UsageError(f"{text_model.name} is no neural network, so there are no cells and no attention to look at")
    ids = tokenizer.encode(tokenizer.normalize(text))
    if len(ids) > LONGEST:
        raise UsageError(f"the text has {len(ids):,} tokens: at most {LONGEST:,} can be looked at")
    pieces = [BEGINNING, *tokenizer.pieces(ids)]
    read = np.append(tokenizer.end, ids).astype(np.int64)
    window = read
    if model.reach is not None and len(read) > model.reach:  # the windows are those that scoring the text would read
        window = getattr(model.advance(model.start(), ids), "ids", read)
    return Look(text_model, window, pieces[-len(window) :], networks.read(net, window))


def attention(look: Look, layer: int = 1, head: int = 1) -> dict[str, Any]:
    """How much each token attends to those up to it in one head: `weights`, T rows of 1, 2 … T numbers.

    Raises UsageError for a model without attention, or a head that there is not.
    """
    layers = look.inside.attention
    if not layers:
        raise UsageError(f"{look.text_model.name} has no attention")
    heads = layers[_among("layer", layer, len(layers))]
    weights = heads[_among("head", head, len(heads))]
    rows = np.round(weights.astype(np.float64), DIGITS).tolist()
    facts = {"pieces": look.pieces, "layers": len(layers), "heads": len(heads), "layer": layer, "head": head}
    return facts | {"weights": [row[: t + 1] for t, row in enumerate(rows)]}


def cells(look: Look, layer: int = 1, cell: int = 1) -> dict[str, Any]:
    """What a cell holds behind each token, and what its gates did: T numbers each.

    `values` are tanh(c) of an LSTM, else h, from -1 to 1; `gates` are of this cell and `mean_gates` of all cells of the
    layer, from 0 to 1. Raises UsageError for a model that is not recurrent, or a cell that there is not.
    """
    layers = look.inside.recurrent
    if not layers:
        raise UsageError(f"{look.text_model.name} has no cells: it is not recurrent")
    one = layers[_among("layer", layer, len(layers))]
    at = _among("cell", cell, one.outputs.shape[1])
    return {
        "pieces": look.pieces,
        "layers": len(layers),
        "units": one.outputs.shape[1],
        "layer": layer,
        "cell": cell,
        "values": _rounded(held(one)[:, at]),
        "gates": {name: _rounded(gate[:, at]) for name, gate in one.gates.items()},
        "mean_gates": {name: _rounded(gate.mean(axis=1)) for name, gate in one.gates.items()},
    }


def held(layer: networks.Cells) -> Any:
    """What the cells of a layer hold, from -1 to 1: tanh(c) of an LSTM, else h: (T, H)."""
    return np.tanh(layer.cells) if "forget" in layer.gates else layer.cells


def lens(look: Look) -> list[dict[str, Any]]:
    """What a transformer would predict behind each token if it ended after each layer, the embeddings first.

    Each has `layer`; `guesses`, T lists of the likeliest tokens and their probabilities; and `bits` of the token that
    did come next (T - 1). Raises UsageError for a model that is no transformer.
    """
    net, tokenizer = look.text_model.model.net_, look.text_model.tokenizer
    if not isinstance(net, TransformerModule):
        raise UsageError(f"{look.text_model.name} has no logit lens: it is no transformer")
    layers = []
    for n, rows in enumerate(networks.lens(net, look.inside)):
        guesses = [
            [[text, round(p, DIGITS)] for text, p in likeliest_tokens(tokenizer, look.ids[t : t + 1], row, GUESSES)]
            for t, row in enumerate(rows)
        ]
        bits = -rows[np.arange(len(rows) - 1), look.ids[1:]] / np.log(2)
        layers.append({"layer": f"layer {n}" if n else "embeddings", "guesses": guesses, "bits": _rounded(bits)})
    return layers


def positions(text_model: TextModel) -> dict[str, Any]:
    """The learned vectors of a transformer's positions in the plane, by PCA: `points` and the `variance` of each axis.

    Raises UsageError for a model that has none: those that turn queries and keys have no vectors of positions.
    """
    table = _positions(vars(text_model.model).get("net_"))
    if table is None:
        raise UsageError(f"{text_model.name} has no vectors of positions")
    points, variance = principal(table)
    return {"points": [_rounded(point) for point in points], "variance": _rounded(variance)}


def _positions(net: Any) -> Any:
    table = getattr(net, "positions", None)
    return table.weight.detach().cpu().numpy() if isinstance(table, nn.Embedding) else None


def _among(name: str, given: int, count: int) -> int:
    """The place of one that is counted from 1."""
    if not 1 <= given <= count:
        raise UsageError(f"no {name} {given} in this model: there are 1 to {count}")
    return given - 1


def _rounded(values: Any) -> list[float]:
    return np.round(np.asarray(values, np.float64), DIGITS).tolist()
