"""Single units of a recurrent network: what they hold after a text, and the network with one of them held fast.

The features of a text are the last cell state of the top layer (of a network without cells, its last hidden state), and
a text is prepared as in the code that was released with the sentiment neuron (Radford, Józefowicz & Sutskever 2017):
HTML's entities are resolved, line ends become spaces, spaces at both ends are dropped, and it stands between "\\n " and
" ", as reviews stood in the training text. Units are counted from 0, as theirs was number 2388.
"""

import html
from collections.abc import Sequence

import numpy as np
import torch

from lmzoo.errors import LmzooError, ScoreError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Floats, Ids, LanguageModel, Progress
from lmzoo.neural.language_model import Network
from lmzoo.neural.units import Clamped

BEFORE, AFTER = "\n ", " "
AT_ONCE = 64  # texts that are read in one batch


def prepared(text: str) -> str:
    """`text` between a line end with a space and a space, without entities and line ends of its own."""
    return BEFORE + html.unescape(text).replace("\n", " ").strip() + AFTER


def encoded(text_model: TextModel, text: str) -> Ids:
    """The ids of a prepared text, to be read from the start state: where a line end is `end`, that has been read."""
    tokenizer = text_model.tokenizer
    ids = tokenizer.encode(tokenizer.normalize(prepared(text)))
    return ids[1:] if len(ids) and ids[0] == tokenizer.end else ids


def network(text_model: TextModel) -> Network:
    """The model as a network with units. Raises UsageError for one that has none: it is not recurrent."""
    model = text_model.require(LanguageModel, "it has no units that read it")
    if not isinstance(model, Network) or model.net_.held(model.net_.initial_state(1)) is None:
        raise UsageError(f"{text_model.name} has no units that hold something from token to token: it is not recurrent")
    return model


def count(text_model: TextModel) -> int:
    """How many units there are. Raises as `network` does."""
    return _held(network(text_model), [network(text_model).start()]).shape[1]


def check(text_model: TextModel, unit: int) -> None:
    """Raise UsageError for a unit that there is not."""
    most = count(text_model)
    if not 0 <= unit < most:
        raise UsageError(f"no unit {unit} in this {text_model.name}: there are 0 to {most - 1}")


def values(text_model: TextModel, ids: Ids) -> Floats:
    """What all units hold after each of `ids` (T,), read from the start state: (T, H)."""
    model = network(text_model)
    state, rows = model.start(), []
    for t in range(len(ids)):
        state = model.advance(state, ids[t : t + 1])
        rows.append(_held(model, [state])[0])
    return _finite(np.stack(rows)) if rows else np.empty((0, count(text_model)), np.float32)


def final(text_model: TextModel, texts: Sequence[str], progress: Progress | None = None) -> Floats:
    """What all units hold after each of N texts, prepared: (N, H). Raises ScoreError where that is not finite."""
    model = network(text_model)
    ids = [encoded(text_model, text) for text in texts]
    rows = np.empty((len(texts), count(text_model)), np.float32)
    order = sorted(range(len(ids)), key=lambda n: -len(ids[n]))  # alike in length, so that batches stay full
    with (progress or Progress()).task("reading", sum(map(len, ids))) as task:
        for first in range(0, len(order), AT_ONCE):
            batch = order[first : first + AT_ONCE]
            states = model.advance_many([model.start()] * len(batch), [ids[n] for n in batch])
            rows[batch] = _held(model, states)
            task.advance(sum(len(ids[n]) for n in batch))
    return _finite(rows)


def clamped(text_model: TextModel, unit: int, value: float) -> TextModel:
    """The same network with that unit always at `value`. Raises UsageError for a unit that there is not."""
    check(text_model, unit)
    model = network(text_model)
    return TextModel(model.holding(Clamped(model.net_, unit, value).eval(), model.vocab_size_), text_model.tokenizer)


def _held(model: Network, states: Sequence[object]) -> Floats:
    """What the units hold in each of B states: (B, H)."""
    carried = tuple(torch.cat(parts) for parts in zip(*(state.carried for state in states), strict=True))  # type: ignore[attr-defined]
    held = model.net_.held(carried)
    if held is None:
        raise LmzooError(f"a {model.name} has no units")
    rows: Floats = held.float().cpu().numpy()
    return rows


def _finite(rows: Floats) -> Floats:
    if not np.isfinite(rows).all():
        raise ScoreError("what its units hold is not all finite: train this model with a lower learning rate")
    return rows
