"""Reading texts longer than a window, for networks that see no further than that.

What was read is kept as keys and values, so that the next token costs one step. When the window is full, its newest
part alone is read again from position 0 on, and the rest forgotten. With W = `window` and K = `kept` tokens of it:

    window 0    tokens 0 … W-1                                       token 0 is `end`
    window i    tokens i·(W-K) … i·(W-K) + W-1, of which the first K were in window i-1 already

So what a token is predicted from depends on how many were read before it and never on how a caller cut the text, and
a long text is scored window beside window.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lmzoo.interface import Ids, LanguageModel, State, check_ids
from lmzoo.neural.language_model import Network
from lmzoo.neural.module import Memory

# The share of a full window that is kept. More of it means longer contexts for all, and a text that is scored more
# often: 1 / (1 - KEPT) times.
KEPT = 0.75


class Context(NamedTuple):
    """The state of a text that is being read: what its next token is predicted from, and the window so far."""

    hidden: Tensor  # (D,)
    memory: Memory  # of a batch of one
    ids: Ids  # (n,) of the window, n ≤ W


@dataclass
class Windowed(Network):
    """A network whose memory is all that it has read, up to a window."""

    carried: ClassVar[bool] = False

    @property
    def reach(self) -> int:
        """No further than the window."""
        return self.training.window

    @property
    def kept(self) -> int:
        """Tokens of a full window that are read again with the next ones: fewer than a window."""
        return int(KEPT * self.reach)

    def start(self) -> State:
        """Having read `end`, as at every text's beginning."""
        return self._go_on(None, np.array([self.vocab_size_ - 1]))[1]

    def advance(self, state: State, tokens: Ids) -> State:
        """The state after reading `tokens` (T,): of a long text only the last window is read."""
        tokens = check_ids(tokens, self.vocab_size_)
        ids, full = np.concatenate([state.ids, tokens]), self._full_windows(len(state.ids) + len(tokens))
        if full:
            return self._go_on(None, ids[full * (self.reach - self.kept) :])[1]
        return self._go_on(state, tokens)[1] if len(tokens) else state

    def advance_many(self, states: Sequence[Context], texts: Sequence[Ids]) -> list[State]:
        """Each of B states after its own text: in one batch, if each reads one token and all have read as much."""
        read = len(states[0].ids)
        if any(len(state.ids) != read for state in states) or any(len(text) != 1 for text in texts):
            return LanguageModel.advance_many(self, states, texts)
        tokens = check_ids(np.concatenate(texts), self.vocab_size_)
        ids = np.column_stack([np.stack([state.ids for state in states]), tokens])
        full = self._full_windows(read + 1)
        ids = ids[:, full * (self.reach - self.kept) :]
        if full:
            found = self._read_abreast(ids, self.net_.blank(len(ids)))
        else:
            memory = tuple(torch.cat(parts) for parts in zip(*(state.memory for state in states), strict=True))
            found = self._read_abreast(ids[:, -1:], memory)
        return [Context(hidden, memory, row) for (hidden, memory), row in zip(found, ids, strict=True)]

    @torch.inference_mode()
    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[NDArray[Any], State]:
        """log P of each of `tokens` (T,), in nats, many windows at once, and the state after the last."""
        tokens = check_ids(tokens, self.vocab_size_)
        state = self.start() if state is None else state
        last, now, scores, scored = state.hidden[None], state, [np.empty(0)], 0
        for hidden, after in self._pieces(state, tokens):
            piece = self._tensor(tokens[scored : scored + len(hidden)])
            scores.append(self._scores(torch.cat([last, hidden[:-1]]), piece))
            last, scored, now = hidden[-1:], scored + len(hidden), after
        return np.concatenate(scores), now

    def _pieces(self, state: Context, tokens: Ids) -> Iterator[tuple[Tensor, Context]]:
        """The hidden vectors of all `tokens`, a piece (T, D) at a time, and the state after (after the last one)."""
        room, step = self.reach - len(state.ids), self.reach - self.kept
        ids, windows = np.concatenate([state.ids, tokens]), self._full_windows(len(state.ids) + len(tokens))
        if room and len(tokens):
            yield self._go_on(state, tokens[:room])
        for group in self._groups(windows - 1):
            rows = self._tensor(np.stack([ids[i * step : i * step + self.reach] for i in group]))
            hidden, _ = self.net_(rows, self.net_.blank(len(rows)))
            yield hidden[:, self.kept :].flatten(0, 1), state
        if windows:
            hidden, state = self._go_on(None, ids[windows * step :])
            yield hidden[self.kept :], state

    def log_probs_many(self, texts: Sequence[ArrayLike], first: Sequence[int] | None = None) -> list[NDArray[Any]]:
        """`log_probs` of separate texts, or of each from its `first` token on: those within a window side by side."""
        ids = [check_ids(text, self.vocab_size_) for text in texts]
        starts = [0] * len(ids) if first is None else first
        short = [n for n, text in enumerate(ids) if len(text) <= self.reach]
        together = super().log_probs_many([ids[n] for n in short], [starts[n] for n in short])
        scores = dict(zip(short, together, strict=True))
        return [scores[n] if n in scores else self.log_probs(ids[n])[0][starts[n] :] for n in range(len(ids))]

    def features_many(self, texts: Sequence[Ids], layers: Sequence[int] = (-1,)) -> list[list[NDArray[Any]]]:
        """`features` of separate texts: those that fill no window side by side, others each for itself."""
        together = super().features_many
        short = iter(together([text for text in texts if len(text) < self.reach], layers))
        return [next(short) if len(text) < self.reach else together([text], layers)[0] for text in texts]

    def _vectors(self, ids: Ids, layers: Sequence[int]) -> list[NDArray[Any]]:
        """The vectors (T, D) of all `ids` (T,) of one text in each of `layers`, window after window."""
        pieces = []
        for i in range(self._full_windows(len(ids)) + 1):
            start = i * (self.reach - self.kept)
            seen, _ = self.net_.every_layer(self._tensor(ids[start : start + self.reach])[None], self.net_.blank(1))
            new = self.kept if i else 0
            pieces.append([seen[layer][0, new:].float().cpu().numpy() for layer in layers])
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    @torch.inference_mode()
    def _go_on(self, state: Context | None, tokens: Ids) -> tuple[Tensor, Context]:
        """Read `tokens` (T,), which the window has room for: hidden vectors (T, D), and the state after."""
        memory, before = (state.memory, state.ids) if state else (self.net_.blank(1), tokens[:0])
        hidden, memory = self.net_(self._tensor(tokens)[None], memory)
        return hidden[0], Context(hidden[0, -1].clone(), memory, np.concatenate([before, tokens]))

    def _full_windows(self, read: int) -> int:
        """How often the window was full and begun anew when `read` tokens are read."""
        return max(0, -(-(read - self.reach) // (self.reach - self.kept)))

    def _groups(self, last: int) -> list[range]:
        """Windows 1 … `last`, as many at a time as shall be read side by side."""
        many = max(1, self._tokens_at_once() // self.reach)
        return [range(i, min(i + many, last + 1)) for i in range(1, last + 1, many)]
