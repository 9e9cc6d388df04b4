"""Truncated singular value decomposition of PPMI: short dense vectors (Levy, Goldberg & Dagan 2015).

    M = PPMI, V × V words by contexts (`pmi.py`)   ≈   U_D Σ_D V_D^T        the best approximation of rank D
    the vector of a word is its row of   U_D Σ_D^p                          p = 1/2, or 0; 1 is the classical choice

The approximation keeps what many words have in common and drops what is particular to pairs, so words come close that
never shared a context: latent semantic analysis (Deerwester et al. 1990) with words for documents. Weighting dimensions
by less than their singular values (p < 1) makes better vectors, though it approximates no matrix (§3.3); the predictor
uses the approximation itself, s(w, c) = (U_D Σ_D V_D^T)(w, c).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from lmzoo.embeddings.cooccurrence import Counted
from lmzoo.embeddings.predictor import LowRank
from lmzoo.errors import FormatError, LmzooError, in_range
from lmzoo.interface import Array, Ids, Progress, Run
from lmzoo.models.pmi import check, pmi


@dataclass
class SVD(Counted, LowRank):
    """Words as dense vectors: the D largest singular dimensions of positive pointwise mutual information."""

    dimensions: int = 100  # D, of a word vector
    eigenvalues: float = 0.5  # the power p of singular values in word vectors: 0.5, 0 or 1
    shift: float = 1.0  # k: log k is subtracted from each PMI before it is cut at 0; 1 subtracts nothing
    smoothing: float = 0.75  # context distribution smoothing, the power of context frequencies; 1: none

    name: ClassVar[str] = "svd"
    year: ClassVar[int] = 2015
    paper: ClassVar[str] = "Levy, Goldberg & Dagan 2015, Improving Distributional Similarity with Lessons Learned"
    family: ClassVar[str] = "association"
    title: ClassVar[str] = "SVD of PPMI"
    label_settings: ClassVar[Mapping[str, str]] = {"dimensions": "{} dimensions"}
    on_cluster: ClassVar[bool] = True

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"dimensions": 5, "window": 2, "min_count": 1}
    }  # for a first try

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.smoothing, self.shift)
        in_range("dimensions", self.dimensions, 1, why="it is the size of a word vector")
        in_range("eigenvalues", self.eigenvalues, 0, 1, why="it is the power of the singular values")

    def _learn(self, train: Ids, vocab_size: int, run: Run) -> None:
        table = pmi(self.count(train, vocab_size, run), self.smoothing, self.shift)
        # U_D (V, D), the diagonal of Σ_D (D,), V_D Σ_D (V, D)
        self.words_, self.singular_, self.contexts_ = decompose(table, self.dimensions, run.seed, run.progress)

    def restore(self, arrays: dict[str, Array]) -> Self:
        """The inverse of `arrays`. Raises FormatError for arrays that no fit could have made."""
        super().restore(arrays)
        if np.shape(self.singular_) != (self.dimensions,):
            raise FormatError(f"there are not {self.dimensions} singular values: this run is damaged")
        self.refuse_infinite()
        return self

    def vectors(self) -> Array:
        """U_D Σ_D^p, (V, D)."""
        return self.words_ * self.singular_**self.eigenvalues

    def factors(self) -> tuple[Array, Array]:
        """U_D and V_D Σ_D, (V, D) each: their product is the approximation."""
        return self.words_, self.contexts_


def decompose(table: Any, dimensions: int, seed: int, progress: Progress) -> tuple[Array, Array, Array]:
    """U (V, D), singular values (D,) descending, and V Σ (V, D) of a sparse `table` (V, V), all float32.

    If the rank of the matrix is below D the last dimensions are zero.
    """
    from scipy.sparse.linalg import ArpackError, LinearOperator, svds

    rank = min(dimensions, min(table.shape) - 1)  # ARPACK's limit
    words, contexts = (np.zeros((table.shape[0], dimensions), dtype=np.float32) for _ in range(2))
    singular = np.zeros(dimensions, dtype=np.float32)
    transposed = table.T.tocsr()
    with progress.task("singular vectors") as task:

        def product(matrix: Any, vector: Array) -> Array:
            task.advance(1)
            return matrix @ vector

        counted = LinearOperator(
            table.shape, dtype=np.float32,
            matvec=lambda x: product(table, x), rmatvec=lambda x: product(transposed, x),
        )  # fmt: skip
        try:
            u, s, vt = svds(counted, k=rank, rng=np.random.default_rng(seed))
        except ArpackError as error:
            raise LmzooError(
                f"the singular vectors of PPMI were not found ({error}): ask for fewer dimensions"
            ) from None
    order = np.argsort(-s)
    u, s, vt = u[:, order], s[order], vt[order]
    # The decomposition determines signs only up to a factor: make the largest entry of each dimension of U positive.
    signs = np.sign(u[np.abs(u).argmax(axis=0), np.arange(rank)])
    words[:, :rank], contexts[:, :rank], singular[:rank] = u * signs, vt.T * signs * s, s
    return words, singular, contexts
