"""The settings of what is learned from counts of words near each other: how near, and which words."""

from dataclasses import dataclass
from typing import Any

from lmzoo.embeddings.cooccurrence import check_settings, count
from lmzoo.interface import Ids, Run


@dataclass
class Counted:
    """How co-occurrence is counted (`embeddings/cooccurrence.py`); a dataclass to derive from."""

    window: int = 5  # how many tokens on each side go with a word, 1 or more; the predictor looks back as far
    weights: str = "flat"  # of an occasion d tokens away: flat 1, harmonic 1/d, linear (window - d + 1) / window
    sides: str = "both"  # both, or left: only what stands before a word goes with it
    subsample: float = 0.0  # drop occurrences of words more frequent than this share of the text, as 1e-4; 0: none
    min_count: int = 5  # words that occur less often go with nothing

    def __post_init__(self) -> None:
        check_settings(self.window, self.weights, self.sides, self.subsample, self.min_count)

    def count(self, train: Ids, vocab_size: int, run: Run) -> Any:
        """How often each word (row) had each other (column) in its window, weighted: scipy CSR (V, V)."""
        return count(
            train, vocab_size, window=self.window, weights=self.weights, sides=self.sides, subsample=self.subsample,
            min_count=self.min_count, seed=run.seed, memory=run.memory, progress=run.progress,
        )  # fmt: skip
