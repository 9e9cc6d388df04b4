"""What happens inside a network as it reads a text: attention, gates and cells, and what each layer would predict.

A forward pass like any other, with hooks that note what each layer was given. The rest is computed from that by the
layer's own weights, so nothing that trains or scores has to carry it along.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lmzoo.interface import Ids
from lmzoo.neural.attention import Attention
from lmzoo.neural.module import Module
from lmzoo.neural.transformer import TransformerModule

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Cells:
    """A recurrent layer of H units, which has read T tokens."""

    outputs: Floats  # (T, H): h
    cells: Floats  # (T, H): c of an LSTM, whose h = o ⊙ tanh(c); of the others h itself
    gates: dict[str, Floats]  # (T, H) each, 0 … 1, by name: input, forget and output; or reset and update; or none


@dataclass(frozen=True)
class Inside:
    """What a network computed of T tokens, lowest layer first."""

    hidden: Floats  # (T, D): what the softmax sees, as `forward` gives it
    attention: list[Floats]  # (H, T, T) of each layer: how much token t attends to tokens 0 … t
    recurrent: list[Cells]
    residual: list[Floats]  # (T, D): the residual stream of a transformer before its first layer and after each


@torch.inference_mode()
def read(module: Module, ids: Ids) -> Inside:
    """What `module` computes of `ids` (T,) from its initial state: one or more, within the window of a transformer."""
    blocks = list(module.blocks) if isinstance(module, TransformerModule) else []
    kinds = (Attention, nn.RNNBase)
    watched = [part for part in module.modules() if isinstance(part, kinds)] + blocks
    with _noting(watched) as notes:
        hidden, _ = module(torch.from_numpy(np.asarray(ids, np.int64))[None].to(module.device), module.initial_state(1))
    attention = [_array(part.weights(notes[part][0][0])) for part in watched if isinstance(part, Attention)]
    layers = [part for part in watched if isinstance(part, nn.RNNBase)]
    recurrent = [cells for part in layers for cells in _layers(part, *notes[part])]
    residual = [notes[block][0][0] for block in blocks[:1]] + [notes[block][1][0] for block in blocks]
    return Inside(_array(hidden), attention, recurrent, [_array(x) for x in residual])


@torch.inference_mode()
def lens(module: TransformerModule, inside: Inside) -> Iterator[Floats]:
    """log P of the next token (T, V) by each residual stream, as if no layer came after it: the last is the model's.

    The logit lens (nostalgebraist 2020): the last norm and the softmax read the vectors of all layers.
    """
    for residual in inside.residual:
        logits = module.head(module.norm(torch.from_numpy(residual).to(module.device)))
        yield logits.float().log_softmax(-1).cpu().numpy()


@contextmanager
def _noting(parts: list[nn.Module]) -> Iterator[dict[nn.Module, tuple[Any, Any]]]:
    """What each of `parts` is given and what it gives, once."""
    notes: dict[nn.Module, tuple[Any, Any]] = {}

    def note(part: nn.Module, given: Any, gave: Any) -> None:
        notes[part] = given, gave

    hooks = [part.register_forward_hook(note) for part in parts]
    try:
        yield notes
    finally:
        for hook in hooks:
            hook.remove()


def _layers(part: nn.RNNBase, given: tuple[Tensor, Any], gave: tuple[Tensor, Any]) -> Iterator[Cells]:
    """Each of the stacked layers of `part`: PyTorch gives the outputs of the last one only."""
    (x, state), (last, _) = given, gave  # (1, T, D), of each layer, and (1, T, H)
    run, look = _KINDS[type(part)]
    h, c = state if isinstance(state, tuple) else (state, state)  # (layers, 1, H)
    for n, weights in enumerate(part.all_weights):
        first, held = h[n : n + 1], c[n : n + 1]
        outputs = last
        if n < part.num_layers - 1:  # with biases, one layer, no dropout, evaluation, one direction, batch first
            before = (first, held) if run is torch.lstm else first
            outputs = run(x, before, weights, True, 1, 0.0, False, False, True)[0]
        cells, gates = look(x, outputs, first, held, weights)
        yield Cells(_array(outputs), _array(cells), {name: _array(gate) for name, gate in gates.items()})
        x = outputs


Seen = tuple[Tensor, dict[str, Tensor]]  # cells and gates, (1, T, H) each


def _lstm(x: Tensor, outputs: Tensor, h: Tensor, c: Tensor, weights: list[Tensor]) -> Seen:
    of_x, of_h = _sums(x, _before(outputs, h), weights)
    i, f, g, o = (of_x + of_h).chunk(4, -1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    cells = torch.empty_like(outputs)
    for t in range(x.shape[1]):  # the only thing that h does not tell: c where tanh has saturated
        c = cells[:, t] = f[:, t] * c + i[:, t] * g[:, t]
    return cells, {"input": i, "forget": f, "output": o}


def _gru(x: Tensor, outputs: Tensor, h: Tensor, _c: Tensor, weights: list[Tensor]) -> Seen:
    of_x, of_h = _sums(x, _before(outputs, h), weights)
    reset, update, _ = (of_x + of_h).chunk(3, -1)
    return outputs, {"reset": reset.sigmoid(), "update": update.sigmoid()}


def _elman(_x: Tensor, outputs: Tensor, _h: Tensor, _c: Tensor, _weights: list[Tensor]) -> Seen:
    return outputs, {}


_KINDS: dict[type[nn.RNNBase], tuple[Any, Any]] = {
    nn.LSTM: (torch.lstm, _lstm),
    nn.GRU: (torch.gru, _gru),
    nn.RNN: (torch.rnn_tanh, _elman),
}


def _before(outputs: Tensor, h: Tensor) -> Tensor:
    """The outputs one token earlier: (1, T, H)."""
    return torch.cat([h, outputs[:, :-1]], 1)


def _sums(x: Tensor, before: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
    """W x + b and U h + b of all gates, (1, T, 3 H or 4 H): every h is known, so all tokens at once."""
    w, u, b, d = weights
    return nn.functional.linear(x, w, b), nn.functional.linear(before, u, d)


def _array(x: Tensor) -> Floats:
    return x[0].float().cpu().numpy()
