"""What the neural language models share: reading texts with the state that a module carries along.

A model's file has its paper, its settings and its `Module`; it overrides `build` and little else. Fitting is in
`neural_model`; how a network without a carried state reads texts longer than its window is in `windowed`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lmzoo.interface import Array, Floats, Ids, LanguageModel, State, check_ids
from lmzoo.neural import barriers, parts
from lmzoo.neural.grouping import by_length
from lmzoo.neural.module import Carried
from lmzoo.neural.neural_model import NeuralModel
from lmzoo.neural.training.objectives import NextToken, Objective

FEATURES_AT_ONCE = 4096  # tokens whose vectors are computed in one batch
Places = NDArray[np.intp]


class TextState(NamedTuple):
    """The state of a text: the hidden vector that predicts its next token, and what is carried on."""

    hidden: Tensor  # (D,)
    carried: Carried  # of a batch of one


@dataclass
class Network(NeuralModel, LanguageModel):
    """A neural language model.

    Raises UsageError where a setting cannot be, such as a window longer than the training text.
    """

    in_order = False  # whether a long text is read in order, not in parts: see `exactly`
    # Whether states are carried from window to window of a text in training, or windows drawn in random order.
    carries_state: ClassVar[bool] = True

    def exactly(self) -> Self:
        """Read a long text in order from now on, not in parts side by side."""
        self.in_order = True
        return self

    @property
    def left_context(self) -> int:
        """How many ids are prepended to each training window as the state before it, where no state is carried."""
        return 0

    def objective(self, vocab_size: int) -> Objective:
        """What it is trained to do: predict the next token."""
        return NextToken(vocab_size - 1, self.carries_state, self.left_context)

    # ── Reading ───────────────────────────────────────────────────────────────────────────────────

    def start(self) -> State:
        """Having read `end`, as at the beginning of every text."""
        return self._read(np.array([self.vocab_size_ - 1]), self.net_.initial_state(1))

    @torch.inference_mode()
    def _read(self, tokens: Ids, carried: Carried) -> TextState:
        for piece in np.array_split(tokens, -(-len(tokens) // self._tokens_at_once())):
            hidden, carried = self.net_(self._tensor(piece)[None], carried)
        return TextState(hidden[0, -1].clone(), carried)

    def advance(self, state: State, tokens: Ids) -> State:
        """The state after reading `tokens` (T,)."""
        tokens = check_ids(tokens, self.vocab_size_)
        return self._read(tokens, state.carried) if len(tokens) else state

    @torch.inference_mode()
    def advance_many(self, states: Sequence[Any], texts: Sequence[Ids]) -> list[State]:
        """Each of B states after reading its own text, in one batch that shrinks as the shorter texts end."""
        ids = [check_ids(text, self.vocab_size_) for text in texts]
        after = list(states)
        rows, read = [n for n in range(len(ids)) if len(ids[n])], 0
        carried = tuple(torch.cat(parts) for parts in zip(*(states[n].carried for n in rows), strict=True))
        while rows:
            most = max(1, self._tokens_at_once() // len(rows))
            stop = min(read + most, *(len(ids[n]) for n in rows))
            hidden, carried = self.net_(self._tensor(np.stack([ids[n][read:stop] for n in rows])), carried)
            for row, n in enumerate(rows):
                if len(ids[n]) == stop:
                    after[n] = TextState(hidden[row, -1], tuple(part[row : row + 1] for part in carried))
            longer = [row for row, n in enumerate(rows) if len(ids[n]) > stop]
            carried = tuple(part[longer] for part in carried)
            rows, read = [rows[row] for row in longer], stop
        return after

    @torch.inference_mode()
    def next_log_probs(self, state: State) -> Floats:
        """log P of each token (V,), in nats, normalised in double precision."""
        return _log_softmax(self.net_.head(state.hidden))

    @torch.inference_mode()
    def next_log_probs_many(self, states: Sequence[Any]) -> Floats:
        """`next_log_probs` of each of B states, in one matrix product: (B, V)."""
        return _log_softmax(self.net_.head(torch.stack([state.hidden for state in states])))

    @torch.inference_mode()
    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Array, State]:
        """log P of each of `tokens` (T,), in nats, and the state after the last."""
        ids = check_ids(tokens, self.vocab_size_)
        state, scores = self.start() if state is None else state, np.empty(len(ids))

        def score(hidden: Tensor, places: Places) -> None:
            scores[places] = self._scores(hidden, self._tensor(ids[places]))

        return scores, self._read_through(state, ids, score)

    def distributions(self, tokens: Ids, state: State | None = None) -> Floats:
        """log P of every token before each of `tokens` is read, in nats: (T,) → (T, V), in one pass."""
        return self.distributions_and_state(tokens, state)[0]

    @torch.inference_mode()
    def distributions_and_state(self, tokens: Ids, state: State | None = None) -> tuple[Floats, State]:
        """`distributions`, and the state after the last token: each token is read once."""
        ids = check_ids(tokens, self.vocab_size_)
        rows, most = np.empty((len(ids), self.vocab_size_)), self._tokens_at_once()

        def predict(hidden: Tensor, places: Places) -> None:
            for n in range(0, len(places), most):
                rows[places[n : n + most]] = _log_softmax(self.net_.head(hidden[n : n + most]))

        return rows, self._read_through(self.start() if state is None else state, ids, predict)

    def _read_through(self, state: Any, tokens: Ids, use: Callable[[Tensor, Places], None]) -> State:
        """The state after `tokens`; `use` is given the hidden vectors (n, D) that predict n of them, and their places.

        A place may come again, and then with the better vector.
        """
        read = 0
        if self.reach is None and not self.in_order and len(tokens) >= parts.LEAST:
            before, start = ((one.hidden[None], *one.carried) for one in (state, self.start()))
            read, (hidden, *carried) = parts.read(self.net_, before, start, tokens, use)
            state = TextState(hidden[0], tuple(carried))
        last = state.hidden[None]
        for hidden, after in self._pieces(state, tokens[read:]):
            use(torch.cat([last, hidden[:-1]]), np.arange(read, read + len(hidden)))
            # Not a view of the last vector, which would keep all of them.
            last, read, state = hidden[-1:].clone(), read + len(hidden), after
        return state

    def _pieces(self, state: Any, tokens: Ids) -> Iterator[tuple[Tensor, State]]:
        """The hidden vectors of all `tokens`, a piece (n, D) at a time, and the state after each."""
        for piece in np.array_split(tokens, -(-len(tokens) // self._tokens_at_once()) or 1):
            if len(piece):
                barriers.adapt()
                hidden, carried = self.net_(self._tensor(piece)[None], state.carried)
                state = TextState(hidden[0, -1].clone(), carried)
                yield hidden[0], state

    @torch.inference_mode()
    def log_probs_many(self, texts: Sequence[ArrayLike], first: Sequence[int] | None = None) -> list[Array]:
        """`log_probs` of separate texts, or of each from its `first` token on, as a softmax costs more than reading.

        Short texts of similar length share a batch.
        """
        ids = [check_ids(text, self.vocab_size_) for text in texts]
        starts = [0] * len(ids) if first is None else first
        scores: list[Array] = [np.empty(0)] * len(ids)
        for group in by_length(ids, self._tokens_at_once()):
            barriers.adapt()
            if len(group) == 1:
                scores[group[0]] = self.log_probs(ids[group[0]])[0][starts[group[0]] :]
                continue
            rows = self._padded([np.append(self.vocab_size_ - 1, ids[n]) for n in group])  # `end` first
            wanted = np.zeros((len(group), rows.shape[1] - 1), dtype=bool)  # the padding is not scored
            for row, n in enumerate(group):
                wanted[row, starts[n] : len(ids[n])] = True
            mask = torch.from_numpy(wanted).to(self.net_.device)
            hidden, _ = self.net_(rows[:, :-1], self.net_.initial_state(len(group)))  # (B, T, D)
            flat = self._scores(hidden[mask], rows[:, 1:][mask])
            for n, part in zip(group, np.split(flat, np.cumsum(wanted.sum(axis=1))[:-1]), strict=True):
                scores[n] = part
        return scores

    def _scores(self, hidden: Tensor, targets: Tensor) -> Array:
        """log P of `targets` (T,) by the hidden vectors (T, D) before them, in nats."""
        pieces = max(1, -(-len(targets) // self._tokens_at_once()))
        parts = [
            self.net_.head(h).float().log_softmax(-1).gather(-1, t[:, None])[:, 0]
            for h, t in zip(hidden.tensor_split(pieces), targets.tensor_split(pieces), strict=True)
        ]
        scores: Array = torch.cat(parts).cpu().numpy().astype(np.float64)
        return scores

    # ── Features ──────────────────────────────────────────────────────────────────────────────────

    def features(self, tokens: Ids, layer: int = -1) -> Array:
        """A vector for each token, of the text up to it: (T,) → (T, D) float32."""
        return self.features_many([tokens], [layer])[0][0]

    @torch.inference_mode()
    def features_many(self, texts: Sequence[Ids], layers: Sequence[int] = (-1,)) -> list[list[Array]]:
        """`features` of separate texts, in each of `layers`; short texts of similar length share a batch."""
        self._check_layers(layers)
        read = [np.append(self.vocab_size_ - 1, check_ids(text, self.vocab_size_)) for text in texts]  # `end` first
        features: list[list[Array]] = [[]] * len(read)
        for group in by_length(read, FEATURES_AT_ONCE):
            barriers.adapt()
            if len(group) == 1:
                features[group[0]] = [vectors[1:] for vectors in self._vectors(read[group[0]], layers)]
                continue
            batch = self._padded([read[n] for n in group])
            outputs, _ = self.net_.all_layers(batch, self.net_.initial_state(len(group)))
            chosen = [outputs[layer].float().cpu().numpy() for layer in layers]
            for row, n in enumerate(group):
                features[n] = [vectors[row, 1 : len(read[n])] for vectors in chosen]
        return features

    def _vectors(self, ids: Ids, layers: Sequence[int]) -> list[Array]:
        """The vectors (T, D) of all `ids` (T,) of one text in each of `layers`, piece after piece."""
        carried, pieces = self.net_.initial_state(1), []
        for start in range(0, len(ids), FEATURES_AT_ONCE):
            outputs, carried = self.net_.all_layers(self._tensor(ids[start : start + FEATURES_AT_ONCE])[None], carried)
            pieces.append([outputs[layer][0].float().cpu().numpy() for layer in layers])
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    def _read_at_once(self) -> int:
        """Tokens that are read in one batch: on a GPU more than have their logits computed at once."""
        return max(self._tokens_at_once(), 1 << 15 if self.net_.device.type == "cuda" else 0)

    def _padded(self, texts: Sequence[Ids]) -> Tensor:
        """Texts as the rows of a batch, `end` behind the shorter ones: (B, T)."""
        rows = [torch.from_numpy(np.asarray(text, dtype=np.int64)) for text in texts]
        return pad_sequence(rows, batch_first=True, padding_value=self.vocab_size_ - 1).to(self.net_.device)


def _log_softmax(logits: Tensor) -> NDArray[np.float64]:
    """In double precision, so that the probabilities sum to one closely enough for coding a text by them."""
    log_probs: NDArray[np.float64] = logits.cpu().double().log_softmax(-1).numpy()
    return log_probs
