"""The uniform distribution: every token is equally likely (Hartley 1928; Shannon's zero-order approximation).

    P(w | anything) = 1 / V

Its bits are the baseline that any knowledge of the language must improve on. Copy this file to start a model of your
own: `lmzoo check mine.py` tests it and `lmzoo compare mine.py` puts it in the table.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from lmzoo.interface import Array, Data, Floats, Ids, LanguageModel, Run, State, check_ids


@dataclass
class Uniform(LanguageModel):
    """P(w) = 1/V in every context."""

    name: ClassVar[str] = "uniform"
    year: ClassVar[int] = 1928
    paper: ClassVar[str] = "Hartley 1928, Transmission of Information"
    family: ClassVar[str] = "baseline"

    reach: ClassVar[int] = 0

    def fit(self, data: Data, run: Run | None = None) -> Self:  # noqa: ARG002
        """Store V: there is nothing else to learn."""
        self.vocab_size_ = data.vocab_size
        return self

    def start(self) -> State:
        """The state is empty."""
        return ()

    def advance(self, state: State, tokens: Ids) -> State:  # noqa: ARG002
        """Still empty."""
        return ()

    def next_log_probs(self, state: State) -> Floats:  # noqa: ARG002
        """−ln V for each of the V tokens."""
        return np.full(self.vocab_size_, -np.log(self.vocab_size_))

    def log_probs(self, tokens: ArrayLike, state: State | None = None) -> tuple[Array, State]:  # noqa: ARG002
        """−ln V for each of `tokens` (T,). Optional: faster than the default, which asks for all V at each token."""
        return np.full(len(check_ids(tokens, self.vocab_size_)), -np.log(self.vocab_size_)), ()
