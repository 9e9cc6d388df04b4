"""Reading texts longer than a window, for networks that see no further than that.

Keys and values of what was read are cached, so the next token costs one step. When the window is full, its newest
part is read again from position 0 on and the rest forgotten. With W the window (`reach`) and K the `overlap`:

    window 0    tokens 0 … W-1                                       token 0 is `end`
    window i    tokens i·(W-K) … i·(W-K) + W-1, of which the first K were in window i-1 already

So what a token is predicted from depends on how many were read before it, never on how a caller cut the text, and the
windows of a long text are scored in one batch.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lmzoo.interface import Array, Ids, State, check_ids
from lmzoo.neural.language_model import Network
from lmzoo.neural.module import Carried

# The share of a full window that is read again. A larger share means longer contexts for all tokens, and reading a long
# text more often: 1 / (1 - OVERLAP) times.
OVERLAP = 0.75
# The axis of positions of what is carried, by its number of axes: ids (B, S); keys and values (B, K, S, d).
POSITION_AXIS = {2: 1, 4: 2}


class WindowState(NamedTuple):
    """The state of a text: the hidden vector that predicts its next token, the KV cache, and the window so far."""

    hidden: Tensor  # (D,)
    carried: Carried  # of a batch of one
    ids: Ids  # (n,) of the window, n ≤ W


@dataclass
class Windowed(Network):
    """A network whose state is all that it has read, up to a window."""

    carries_state: ClassVar[bool] = False

    @property
    def reach(self) -> int:
        """The window."""
        return self.training.window

    @property
    def overlap(self) -> int:
        """Tokens of a full window that are read again with the next ones: fewer than a window."""
        return int(OVERLAP * self.reach)

    def start(self) -> State:
        """Having read `end`, as at the beginning of every text."""
        return self._continue(None, np.array([self.vocab_size_ - 1]))[1]

    def advance(self, state: State, tokens: Ids) -> State:
        """The state after reading `tokens` (T,); of a long text only the last window is read."""
        tokens = check_ids(tokens, self.vocab_size_)
        ids, full = np.concatenate([state.ids, tokens]), self._full_windows(len(state.ids) + len(tokens))
        if full:
            return self._continue(None, ids[full * (self.reach - self.overlap) :])[1]
        return self._continue(state, tokens)[1] if len(tokens) else state

    @torch.inference_mode()
    def advance_many(self, states: Sequence[WindowState], texts: Sequence[Ids]) -> list[State]:
        """Each of B states after its own text: one batch for all states that have read as much, and one for all whose
        window is full. Shorter texts are padded on the right, which a causal network never looks at.
        """
        texts = [check_ids(text, self.vocab_size_) for text in texts]
        after: list[State] = list(states)
        # What remains to be read by each state: its text after the cache, or its last window after nothing.
        left: dict[int, Ids] = {}
        groups: dict[int, list[int]] = defaultdict(list)  # by the length of the cache
        for n, (state, text) in enumerate(zip(states, texts, strict=True)):
            full = self._full_windows(len(state.ids) + len(text))
            if len(text):
                left[n] = np.concatenate([state.ids, text])[full * (self.reach - self.overlap) :] if full else text
                groups[0 if full else len(state.ids)].append(n)
        for cached, rows in groups.items():
            before = self.net_.initial_state(len(rows))
            if cached:
                before = tuple(torch.cat(parts) for parts in zip(*(states[n].carried for n in rows), strict=True))
            hidden, carried = self.net_(self._padded([left[n] for n in rows]), before)
            for row, n in enumerate(rows):
                ids = np.concatenate([states[n].ids, left[n]]) if cached else left[n]
                own = tuple(part[row : row + 1].narrow(POSITION_AXIS[part.ndim], 0, len(ids)) for part in carried)
                after[n] = WindowState(hidden[row, len(left[n]) - 1], own, ids)
        return after

    def _pieces(self, state: WindowState, tokens: Ids) -> Iterator[tuple[Tensor, State]]:
        """The hidden vectors of all `tokens`, a piece (n, D) at a time; only the last state is the state after."""
        room, step = self.reach - len(state.ids), self.reach - self.overlap
        ids, windows = np.concatenate([state.ids, tokens]), self._full_windows(len(state.ids) + len(tokens))
        if room and len(tokens):
            yield self._continue(state, tokens[:room])
        for group in self._groups(windows - 1):
            rows = self._tensor(np.stack([ids[i * step : i * step + self.reach] for i in group]))
            hidden, _ = self.net_(rows, self.net_.initial_state(len(rows)))  # (B, W, D)
            yield hidden[:, self.overlap :].flatten(0, 1), state
        if windows:
            hidden, state = self._continue(None, ids[windows * step :])
            yield hidden[self.overlap :], state

    def log_probs_many(self, texts: Sequence[ArrayLike], first: Sequence[int] | None = None) -> list[Array]:
        """`log_probs` of separate texts, or of each from its `first` token on; those within a window share a batch."""
        ids = [check_ids(text, self.vocab_size_) for text in texts]
        starts = [0] * len(ids) if first is None else first
        short = [n for n, text in enumerate(ids) if len(text) <= self.reach]
        batched = super().log_probs_many([ids[n] for n in short], [starts[n] for n in short])
        scores = dict(zip(short, batched, strict=True))
        return [scores[n] if n in scores else self.log_probs(ids[n])[0][starts[n] :] for n in range(len(ids))]

    def features_many(self, texts: Sequence[Ids], layers: Sequence[int] = (-1,)) -> list[list[Array]]:
        """`features` of separate texts; those shorter than a window share a batch."""
        batched = super().features_many
        short = iter(batched([text for text in texts if len(text) < self.reach], layers))
        return [next(short) if len(text) < self.reach else batched([text], layers)[0] for text in texts]

    def _vectors(self, ids: Ids, layers: Sequence[int]) -> list[Array]:
        """The vectors (T, D) of all `ids` (T,) of one text in each of `layers`, window after window."""
        pieces = []
        for i in range(self._full_windows(len(ids)) + 1):
            start = i * (self.reach - self.overlap)
            window = self._tensor(ids[start : start + self.reach])[None]
            outputs, _ = self.net_.all_layers(window, self.net_.initial_state(1))
            new = self.overlap if i else 0
            pieces.append([outputs[layer][0, new:].float().cpu().numpy() for layer in layers])
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    @torch.inference_mode()
    def _continue(self, state: WindowState | None, tokens: Ids) -> tuple[Tensor, WindowState]:
        """Read `tokens` (T,), for which the window has room: hidden vectors (T, D), and the state after."""
        carried, before = (state.carried, state.ids) if state else (self.net_.initial_state(1), tokens[:0])
        read = self.net_.next if carried and len(tokens) == 1 and not self.in_order else self.net_
        hidden, carried = read(self._tensor(tokens)[None], carried)
        return hidden[0], WindowState(hidden[0, -1].clone(), carried, np.concatenate([before, tokens]))

    def _full_windows(self, read: int) -> int:
        """How often the window has been full and begun again when `read` tokens are read."""
        return max(0, -(-(read - self.reach) // (self.reach - self.overlap)))

    def _groups(self, last: int) -> list[range]:
        """Windows 1 … `last` in groups for one batch each."""
        many = max(1, self._read_at_once() // self.reach)
        return [range(i, min(i + many, last + 1)) for i in range(1, last + 1, many)]
