"""How a network that sees both sides fills blanks, gives vectors, and reads texts longer than its window.

A text of at most W tokens is read whole, as [CLS] text [SEP]. Of a longer one a token is read in the middle of W
others: the text is cut into blocks of W/2, and each is read with W/4 on either side, as far as there are any.
So what a token is predicted from depends on its place alone, and tokens of one block share a pass.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmzoo.interface import Array, Floats, Ids, MaskedModel, SentenceEncoder, check_ids
from lmzoo.neural import barriers
from lmzoo.neural.grouping import by_length
from lmzoo.neural.module import Module
from lmzoo.neural.neural_model import NeuralModel
from lmzoo.neural.training.masking import PADDING

AT_ONCE = 4096  # ids that are read in one batch
Places = NDArray[np.intp]


class Part(NamedTuple):
    """A part of a text, and the places in the text (n,) that are read in it."""

    text: int  # its number
    start: int
    ids: Ids  # framed: [CLS] and [SEP] around it
    places: Places


@dataclass
class MaskedNetwork(NeuralModel, MaskedModel, SentenceEncoder):
    """A network that fills blanks from both sides."""

    @property
    def fills(self) -> bool:
        """Whether it fills blanks: not a part of a network that cannot."""
        return True

    @property
    def filler(self) -> Module:
        """What fills blanks: the network itself, or the part of it that does. Vectors are the whole network's."""
        return self.net_

    def fill_log_probs(self, tokens: Ids, blanks: NDArray[np.bool_]) -> Floats:
        """log P of each token at each of the H blanks of `tokens` (T,), all hidden at once: (H, V), in nats."""
        tokens, hidden = check_ids(tokens, self.vocab_size_), np.asarray(blanks, dtype=bool)
        shown = np.where(hidden, self.vocab_size_, tokens)  # [MASK]
        places = np.flatnonzero(hidden)
        rows = np.empty((len(places), self.vocab_size_))
        for vectors, at in self._vectors(self.filler, self._parts(shown, places)):
            rows[np.searchsorted(places, at)] = self._log_softmax(vectors)
        return rows

    @torch.inference_mode()
    def pseudo_log_probs(self, tokens: Ids, words: Ids | None = None, first: int = 0) -> Floats:
        """See `MaskedModel.pseudo_log_probs`: many passes share a batch."""
        tokens = check_ids(tokens, self.vocab_size_)
        scores = np.empty(len(tokens))
        stops = np.arange(1, len(tokens) + 1) if words is None else np.searchsorted(words, words, "right")
        asked = np.arange(first, len(tokens))
        for some in np.array_split(asked, -(-len(asked) * self._longest(tokens) // AT_ONCE) or 1):
            parts = []
            for place in some.tolist():
                shown = tokens.astype(np.int64)
                shown[place : stops[place]] = self.vocab_size_  # [MASK]
                parts += self._parts(shown, np.array([place]))
            for vectors, at in self._vectors(self.filler, parts):
                targets = self._tensor(tokens[at])[:, None]
                scores[at] = self.filler.head(vectors).double().log_softmax(-1).gather(-1, targets)[:, 0].cpu().numpy()
        return scores[first:]

    def features(self, tokens: Ids, layer: int = -1) -> Array:
        """A vector for each token, of the whole text: (T,) → (T, D) float32."""
        return self.features_many([tokens], [layer])[0][0]

    def features_many(self, texts: Sequence[Ids], layers: Sequence[int] = (-1,)) -> list[list[Array]]:
        """`features` of separate texts, in each of `layers`; those of similar length share a batch."""
        self._check_layers(layers)
        parts: list[Part] = []
        for n, text in enumerate(texts):
            ids = check_ids(text, self.vocab_size_)
            parts += self._parts(ids, np.arange(len(ids)), n) or [Part(n, 0, self._framed(ids), np.arange(0))]
        found: list[list[list[Array]]] = [[[] for _ in layers] for _ in texts]
        read: dict[int, list[Array]] = {}
        for group in by_length([part.ids for part in parts], AT_ONCE):
            outputs = self._outputs([parts[n] for n in group])
            for row, n in enumerate(group):
                at = parts[n].places - parts[n].start + 1
                read[n] = [outputs[layer][row].float().cpu().numpy()[at] for layer in layers]
        for n, part in enumerate(parts):
            for pieces, vectors in zip(found[part.text], read[n], strict=True):
                pieces.append(vectors)
        return [[np.concatenate(pieces) for pieces in one] for one in found]

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[Ids]) -> Floats:
        """The vector of [CLS] in the last layer, of a long text before its first W tokens: (N, D)."""
        rows = [self._framed(check_ids(text, self.vocab_size_)[: self.training.window]) for text in texts]
        vectors: dict[int, Array] = {}
        for group in by_length(rows, AT_ONCE):
            barriers.adapt()
            hidden, _ = self.net_(self._padded([rows[n] for n in group]), ())
            vectors |= dict(zip(group, hidden[:, 0].float().cpu().numpy(), strict=True))
        return np.stack([vectors[n] for n in range(len(rows))])

    # ── Reading ───────────────────────────────────────────────────────────────────────────────────

    def _longest(self, tokens: Ids) -> int:
        return min(len(tokens), self.training.window) + 2

    def _parts(self, shown: Ids, places: Places, text: int = 0) -> list[Part]:
        """The parts of a text (T,) in which these places are read, in order."""
        window = self.training.window
        if len(shown) <= window:
            return [Part(text, 0, self._framed(shown), places)] if len(places) else []
        block = max(1, window // 2)
        starts = np.clip(places // block * block - (window - block) // 2, 0, len(shown) - window)
        return [
            Part(text, start, self._framed(shown[start : start + window]), places[starts == start])
            for start in np.unique(starts).tolist()
        ]

    def _framed(self, ids: Ids) -> Ids:
        """[CLS] ids [SEP]."""
        framed: Ids = np.concatenate([[self.vocab_size_ + 1], ids, [self.vocab_size_ - 1]]).astype(np.int64)
        return framed

    @torch.inference_mode()
    def _vectors(self, net: Module, parts: Sequence[Part]) -> Iterator[tuple[Tensor, Places]]:
        """The vectors (n, D) in the last layer of `net` of places read in `parts`, and those places (n,)."""
        for group in by_length([part.ids for part in parts], AT_ONCE):
            barriers.adapt()
            some = [parts[n] for n in group]
            hidden, _ = net(self._padded([part.ids for part in some]), ())
            rows = np.repeat(np.arange(len(some)), [len(part.places) for part in some])
            at = np.concatenate([part.places - part.start + 1 for part in some])
            chosen = hidden[self._tensor(rows), self._tensor(at)]
            places = np.concatenate([part.places for part in some])
            most = max(1, self._tokens_at_once())
            for n in range(0, len(places), most):
                yield chosen[n : n + most], places[n : n + most]

    @torch.inference_mode()
    def _outputs(self, parts: Sequence[Part]) -> list[Tensor]:
        """The vectors (B, T, D) of each layer."""
        barriers.adapt()
        outputs, _ = self.net_.all_layers(self._padded([part.ids for part in parts]), ())
        return outputs

    def _padded(self, rows: Sequence[Ids]) -> Tensor:
        ids = np.full((len(rows), max(map(len, rows))), PADDING, dtype=np.int64)
        for row, text in zip(ids, rows, strict=True):
            row[: len(text)] = text
        return self._tensor(ids)

    @torch.inference_mode()
    def _log_softmax(self, vectors: Tensor) -> NDArray[np.float64]:
        """log P of each token at each of n blanks, (n, V), in double precision."""
        rows: NDArray[np.float64] = self.filler.head(vectors).cpu().double().log_softmax(-1).numpy()
        return rows
