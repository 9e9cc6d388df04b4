"""Texts with blanks: what a masked network reads in a training step (Devlin et al. 2018, section 3.1 and appendix A.1).

    [CLS] text [SEP]                      or, to predict next sentences, [CLS] first half [SEP] second half [SEP]

Of each text a share of the tokens is chosen to be predicted, of which most are replaced by [MASK], some by a token
drawn from the vocabulary, and some stay. [SEP] is `end`, the vocabulary's last token; [MASK] and [CLS] are V and V+1.
Which tokens are chosen is a function of the seed and the step alone, so a resumed training sees the same blanks.
"""

import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmzoo.errors import UsageError, in_range
from lmzoo.neural.softmax import IGNORED
from lmzoo.neural.training.batches import Batches, Lines, Windows

PADDING = -1  # in the place of an id: nothing attends to it
Matrix = NDArray[np.int64]


@dataclass(frozen=True)
class Masking:
    """Which tokens are predicted, and what stands in their place."""

    share: float = 0.15  # of the tokens of a text that are predicted, one at least
    random: float = 0.1  # of those that are replaced by any token
    kept: float = 0.1  # of those that stay
    masks: int = 0  # choices of tokens that a window has, pass after pass; 0: another one in every pass
    pairs: bool = False  # the second half of every other window is another window's, which is to be noticed

    def check(self) -> None:
        """Raise UsageError for a share that cannot be."""
        in_range("mask_share", self.share, 0, 1)
        in_range("random_share", self.random, 0, 1)
        in_range("kept_share", self.kept, 0, 1)
        in_range("masks", self.masks, 0)
        if self.random + self.kept > 1:
            raise UsageError(f"random_share {self.random:g} and kept_share {self.kept:g} are more than all blanks")


class MaskedBatch(NamedTuple):
    """Texts with blanks, and what they hide."""

    ids: Tensor  # (B, T), PADDING behind the shorter ones
    targets: Tensor  # (B, T), IGNORED where nothing is to be predicted; at [CLS] whether the second half follows
    fresh: bool  # as in `batches.Batch`: always

    @property
    def tokens(self) -> int:
        """How many tokens of text are read."""
        return int((self.ids != PADDING).sum()) - 2 * len(self.ids)

    def parts(self, count: int) -> "list[MaskedBatch]":
        """Its rows in so many parts."""
        cut = zip(self.ids.tensor_split(count), self.targets.tensor_split(count), strict=True)
        return [MaskedBatch(ids, targets, self.fresh) for ids, targets in cut]

    def to(self, device: torch.device) -> "MaskedBatch":
        """On that device."""
        return MaskedBatch(self.ids.to(device), self.targets.to(device), self.fresh)


class Masked:
    """The batches of `texts`, whose targets are the tokens of each text, with blanks in them."""

    def __init__(self, texts: Batches, masking: Masking, vocab_size: int, seed: int, rank: int):
        self.texts, self.masking, self.vocab_size, self.seed, self.rank = texts, masking, vocab_size, seed, rank
        if masking.masks and isinstance(texts, Windows):  # the same windows in every pass
            texts.offsets, texts.count = 1, len(texts.text[1:]) // texts.window
            texts.steps_per_pass = texts.count // texts.batch
        if masking.pairs and isinstance(texts, Lines):
            raise UsageError("next_sentence is learned from halves of windows: leave --lines or --next-sentence out")
        self.steps_per_pass, self.tokens_per_step = texts.steps_per_pass, texts.tokens_per_step

    def tokens(self, step: int) -> int:
        """The tokens of text of a step, in all processes."""
        return self.texts.tokens(step)

    def parts(self, step: int, count: int = 1) -> list[MaskedBatch]:
        """The batch of that step in so many parts."""
        lines = isinstance(self.texts, Lines)
        texts = self.texts.parts(step, count if lines else 1)
        hidden = [self._hide(one.targets.numpy(), step, n) for n, one in enumerate(texts)]
        return hidden if lines else hidden[0].parts(count)

    def _hide(self, text: Matrix, step: int, part: int) -> MaskedBatch:
        """Blanks in the rows of `text` (B, T), IGNORED behind the shorter ones."""
        m, rows, length = self.masking, *text.shape
        rng = np.random.default_rng((self.seed, step, self.rank, part))
        if m.pairs:
            text, follows = _swapped(text, rng)
        chance = rng.random((3, rows, length)) if not m.masks else self._static(text, step)  # (3, B, T)
        lengths = (text != IGNORED).sum(1)
        first = np.where(text == IGNORED, 2.0, chance[0]).argsort(1).argsort(1)  # each token's place in random order
        chosen = first < np.maximum(1, np.rint(m.share * lengths))[:, None]
        other = (chance[1] * self.vocab_size).astype(np.int64)
        shown = np.where(chance[2] < m.random, other, self.vocab_size)  # [MASK]
        shown = np.where(chosen & (chance[2] < 1 - m.kept), shown, text)
        targets = np.where(chosen, text, IGNORED)
        ids, targets = framed(shown, targets, lengths, self.vocab_size)
        if m.pairs:
            ids, targets = _parted(ids, targets, length // 2, self.vocab_size - 1)
            targets[:, 0] = follows
        return MaskedBatch(torch.from_numpy(ids), torch.from_numpy(targets), fresh=True)

    def _static(self, text: Matrix, step: int) -> NDArray[np.float64]:
        """Numbers (3, B, T) that depend on a row, and on which of its masks it is given in this pass."""
        which = step // self.steps_per_pass % self.masking.masks
        seeds = [(self.seed, which, zlib.crc32(row.tobytes())) for row in np.ascontiguousarray(text)]
        return np.stack([np.random.default_rng(seed).random((3, text.shape[1])) for seed in seeds], 1)


def framed(shown: Matrix, targets: Matrix, lengths: NDArray[np.intp], vocab_size: int) -> tuple[Matrix, Matrix]:
    """[CLS], each row of `shown` (B, T) up to its length, [SEP] and padding: (B, T + 2); and its targets alike."""
    rows, length = shown.shape
    ids = np.full((rows, length + 2), PADDING, dtype=np.int64)
    wanted = np.full((rows, length + 2), IGNORED, dtype=np.int64)
    ids[:, 0], wanted[:, 1:-1] = vocab_size + 1, targets
    ids[:, 1:-1] = np.where(np.arange(length) < lengths[:, None], shown, PADDING)
    ids[np.arange(rows), lengths + 1] = vocab_size - 1
    return ids, wanted


def _swapped(text: Matrix, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Windows (B, T) of which some have the second half of the one before, and whether each has its own: (B,)."""
    half, others = text.shape[1] // 2, np.roll(text, 1, axis=0)
    own = rng.random(len(text)) < 0.5 if len(text) > 1 else np.ones(1, dtype=bool)
    swapped = np.concatenate([text[:, :half], np.where(own[:, None], text, others)[:, half:]], 1)
    return swapped, own.astype(np.int64)


def _parted(ids: Matrix, targets: Matrix, half: int, end: int) -> tuple[Matrix, Matrix]:
    """With [SEP] behind the first `half` tokens: (B, T + 1)."""
    return np.insert(ids, half + 1, end, axis=1), np.insert(targets, half + 1, IGNORED, axis=1)
