"""A model on a network is a language model and an encoder as the network is."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from lmzoo.interface import Encoder, Floats, Ids, LanguageModel, State
from lmzoo.neural.language_model import Network


class OnNetwork(LanguageModel, Encoder):
    """What `network_` says of text: after it was fine-tuned, what it still knows of it."""

    network_: Network

    @property
    def reach(self) -> int | None:
        """The network's."""
        return self.network_.reach

    def exactly(self) -> Self:
        """Read a long text in order."""
        self.network_.exactly()
        return self

    def start(self) -> State:
        """Having read `end`."""
        return self.network_.start()

    def advance(self, state: State, tokens: Ids) -> State:
        """The state after reading `tokens` (T,)."""
        return self.network_.advance(state, tokens)

    def advance_many(self, states: Sequence[State], texts: Sequence[Ids]) -> list[State]:
        """Each of B states after its own text."""
        return self.network_.advance_many(states, texts)

    def next_log_probs(self, state: State) -> Floats:
        """log P of each token (V,), in nats."""
        return self.network_.next_log_probs(state)

    def next_log_probs_many(self, states: Sequence[State]) -> Floats:
        """`next_log_probs` of each of B states: (B, V)."""
        return self.network_.next_log_probs_many(states)

    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Floats, State]:
        """log P of each of `tokens` (T,), in nats, and the state after the last."""
        return self.network_.log_probs(tokens, state)

    def log_probs_many(self, texts: Sequence[ArrayLike], first: Sequence[int] | None = None) -> list[Floats]:
        """`log_probs` of separate texts, or of each from its `first` token on."""
        return [np.asarray(scores) for scores in self.network_.log_probs_many(texts, first)]

    def distributions(self, tokens: Ids, state: State | None = None) -> Floats:
        """log P of every token before each of `tokens` is read: (T,) → (T, V)."""
        return self.network_.distributions(tokens, state)

    def distributions_and_state(self, tokens: Ids, state: State | None = None) -> tuple[Floats, State]:
        """`distributions`, and the state after the last token."""
        return self.network_.distributions_and_state(tokens, state)

    @property
    def layer_names(self) -> Sequence[str]:
        """The embedding and the layers above it."""
        return self.network_.layer_names

    def features(self, tokens: Ids, layer: int = -1) -> Floats:
        """A vector for each token, of the text up to it: (T,) → (T, D)."""
        return self.network_.features(tokens, layer)

    def features_many(self, texts: Sequence[Ids], layers: Sequence[int] = (-1,)) -> list[list[Any]]:
        """`features` of separate texts, in each of `layers`."""
        return self.network_.features_many(texts, layers)
