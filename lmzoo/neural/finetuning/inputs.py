"""Labelled texts as a network reads them: marked, joined and cut (Radford et al. 2018, figure 1).

joined    [start] text [extract]; of a pair [start] first [delimiter] second [extract]
both      both orders of a pair, whose vectors are added
choice    [start] context [delimiter] candidate [extract], once for each candidate
tags      [start] text, with a label for each word, which is read at the word's last token
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lmzoo.errors import UsageError
from lmzoo.interface import Array, Examples, Ids, check_ids
from lmzoo.neural.training.parallel import Parallel

FORMS = ("joined", "both", "choice", "tags")
MARKERS = ("new", "end", "none")
CUTS = ("start", "end")
NEW = 3  # markers: start, delimiter, extract
POOL = 16  # batches that are drawn at once, so that texts of similar length can share one


class Sequences(NamedTuple):
    """What is read of an example."""

    ids: list[Ids]  # of each sequence; those from V on are markers
    places: Ids  # of tags, in the only sequence: where each is read
    cut: bool  # whether some of the text is left out


@dataclass(frozen=True)
class Form:
    """How the texts of an example become sequences of at most `longest` ids."""

    name: str  # one of FORMS
    markers: str  # one of MARKERS: rows of their own behind the V tokens; `end` for all three; or none
    vocab_size: int
    longest: int
    cut: str  # which end of a text that is too long is left out: start or end

    def read(self, texts: tuple[Ids, ...]) -> Sequences:
        """The sequences of an example. Raises UsageError for an id outside the vocabulary."""
        if self.name == "tags":
            return self._tagged(check_ids(texts[0], self.vocab_size), np.asarray(texts[1]))
        parts = [check_ids(text, self.vocab_size) for text in texts]
        if self.name == "choice":
            together = [[parts[0], candidate] for candidate in parts[1:]]
        else:
            together = [parts, parts[::-1]] if self.name == "both" else [parts]
        joined = [self._joined(one) for one in together]
        return Sequences([ids for ids, _ in joined], np.empty(0, np.int64), any(cut for _, cut in joined))

    @cached_property
    def _marks(self) -> tuple[Ids, Ids, Ids]:
        """Start, delimiter and extract: one id each, or none."""
        marks = np.full(NEW, self.vocab_size - 1) if self.markers == "end" else self.vocab_size + np.arange(NEW)
        start, delimiter, extract = (marks[n : n + (self.markers != "none")] for n in range(NEW))
        return start, delimiter, extract

    def _joined(self, parts: Sequence[Ids]) -> tuple[Ids, bool]:
        """The parts with markers, and whether some of them is left out."""
        start, delimiter, extract = self._marks
        room = max(1, self.longest - len(start) - len(extract) - len(delimiter) * (len(parts) - 1))
        shares, pieces = _shares([*map(len, parts)], room), [start]
        for n, (part, length) in enumerate(zip(parts, shares, strict=True)):
            pieces += [delimiter] * bool(n) + [part[len(part) - length :] if self.cut == "start" else part[:length]]
        return self._something(np.concatenate([*pieces, extract])), sum(shares) < sum(map(len, parts))

    def _tagged(self, text: Ids, places: Array) -> Sequences:
        start, _, _ = self._marks
        room = max(1, self.longest - len(start))
        left_out = max(0, len(text) - room)
        kept = text[left_out:] if self.cut == "start" else text[:room]
        # A word that is left out is read where the text that is left begins or ends.
        places = np.clip(places - (left_out if self.cut == "start" else 0), 0, max(0, len(kept) - 1)) + len(start)
        return Sequences([self._something(np.concatenate([start, kept]))], places, left_out > 0)

    def _something(self, ids: Ids) -> Ids:
        """`end` in place of no ids: there is no vector of nothing."""
        return ids.astype(np.int64) if len(ids) else np.array([self.vocab_size - 1])


def _shares(lengths: list[int], room: int) -> list[int]:
    """How much of each part is read, where all of them have `room` for so many: the longest are cut first."""
    shares, left = [0] * len(lengths), room
    for rank, n in enumerate(sorted(range(len(lengths)), key=lengths.__getitem__)):
        shares[n] = min(lengths[n], left // (len(lengths) - rank))
        left -= shares[n]
    return shares


class Batch(NamedTuple):
    """M sequences of some examples, and their labels."""

    ids: Tensor  # (M, T), `end` behind the shorter ones
    lengths: Tensor  # (M,)
    places: Tensor  # of tags: where they are read, in `ids` as one row
    counts: list[int]  # sequences of each example
    labels: Tensor  # (L,): one of each example, or of each of its words

    @property
    def tokens(self) -> int:
        """How many labels are predicted, under the name that the trainer counts by."""
        return len(self.labels)

    def to(self, device: torch.device) -> "Batch":
        """On that device."""
        ids, lengths, places, counts, labels = self
        return Batch(ids.to(device), lengths.to(device), places.to(device), counts, labels.to(device))


class Labelled:
    """N examples as a network reads them. Raises UsageError for an id outside the vocabulary."""

    def __init__(self, form: Form, texts: Sequence[tuple[Ids, ...]], labels: Array | None = None):
        self.read = [form.read(one) for one in texts]
        self.padding = form.vocab_size - 1
        self.counts = [len(one.places) if form.name == "tags" else 1 for one in self.read]  # labels of each
        self.labels = np.zeros(sum(self.counts)) if labels is None else labels
        if len(self.labels) != sum(self.counts):
            raise UsageError(f"there are {len(self.labels):,} labels for {sum(self.counts):,} texts or words")
        self.ends = np.cumsum(self.counts)
        self.lengths = np.array([sum(map(len, one.ids)) for one in self.read], dtype=np.int64)

    @classmethod
    def of(cls, form: Form, examples: Examples) -> "Labelled":
        """Those of a task."""
        return cls(form, examples.texts, examples.labels)

    def __len__(self) -> int:
        return len(self.read)

    @property
    def cut(self) -> int:
        """How many are longer than the network reads."""
        return sum(one.cut for one in self.read)

    def batch(self, chosen: Sequence[int]) -> Batch:
        """Some of them, padded to one length."""
        rows = [torch.from_numpy(ids) for n in chosen for ids in self.read[n].ids]
        ids = pad_sequence(rows, batch_first=True, padding_value=self.padding)
        starts = ids.shape[1] * np.arange(len(chosen))  # of each row in `ids`, where examples have one row each
        places = np.concatenate([start + self.read[n].places for start, n in zip(starts, chosen, strict=True)])
        labels = np.concatenate([self.labels[self.ends[n] - self.counts[n] : self.ends[n]] for n in chosen])
        counts = [len(self.read[n].ids) for n in chosen]
        lengths = torch.tensor([*map(len, rows)])
        return Batch(ids, lengths, torch.from_numpy(places), counts, torch.from_numpy(labels))

    def by_length(self, most: int) -> Iterator[list[int]]:
        """The numbers of all of them, in groups of similar length with at most `most` ids, or one example, in each."""
        group: list[int] = []
        for n in np.argsort(self.lengths, kind="stable").tolist():
            if group and (len(group) + 1) * self.lengths[n] > most:
                yield group
                group = []
            group.append(n)
        if group:
            yield group


class Passes:
    """Each example once a pass, in random order; those of similar length share a batch.

    A batch is a function of the seed and the step alone.
    """

    def __init__(self, examples: Labelled, batch: int, seed: int, parallel: Parallel):
        if parallel.size > 1:
            raise UsageError("learning from labels takes one process: start it without torchrun")
        self.examples, self.batch, self.seed = examples, batch, seed
        self.steps_per_pass = -(-len(examples) // batch)
        self.tokens_per_step = len(examples.labels) / self.steps_per_pass
        self._pass: tuple[int, list[list[int]]] = (-1, [])

    def tokens(self, step: int) -> int:
        """The labels of a step."""
        return sum(self.examples.counts[n] for n in self._chosen(step))

    def parts(self, step: int, count: int = 1) -> list[Batch]:
        """The batch of that step in so many parts, or as many as it has examples."""
        chosen = self._chosen(step)
        return [self.examples.batch(part.tolist()) for part in np.array_split(chosen, min(count, len(chosen)))]

    def _chosen(self, step: int) -> list[int]:
        number, place = divmod(step, self.steps_per_pass)
        if self._pass[0] != number:
            self._pass = number, self._batches(np.random.default_rng((self.seed, number)))
        return self._pass[1][place]

    def _batches(self, rng: np.random.Generator) -> list[list[int]]:
        order, size = rng.permutation(len(self.examples)), self.batch * POOL
        batches: list[list[int]] = []
        for pool in (order[n : n + size] for n in range(0, len(order), size)):
            alike = pool[np.argsort(self.examples.lengths[pool], kind="stable")].tolist()
            batches += [alike[n : n + self.batch] for n in range(0, len(alike), self.batch)]
        return [batches[n] for n in rng.permutation(len(batches))]
