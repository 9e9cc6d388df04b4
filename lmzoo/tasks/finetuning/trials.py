"""Which labels a learner sees, and what it is tested on: the same for every row of a table.

Of a set's training part an order is drawn by the seed, in whose every beginning the classes have about the shares that
they have in the whole. The first 10 of it are the first 10 of the first 100, and so on. Every fifth label that is seen
is for choosing by; of all labels that is the set's own validation part, where it has one, else every tenth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lmzoo.errors import UsageError
from lmzoo.interface import Array
from lmzoo.tasks.probing.datasets import TEST, TRAIN, UNSPLIT, VALID, ProbeSet, Split, splits

FIFTH, TENTH = 5, 10
LIMIT_SEED = 0  # the same test texts, where they are limited, in every report


@dataclass(frozen=True)
class Trial:
    """A set to learn from, so many labels at a time, and what is tested: texts by their numbers."""

    examples: ProbeSet
    orders: Mapping[int, Array]  # seed → the texts that are learned from, in order: the first ten labels first
    valid: Array  # texts of the set's own validation part, for who learns from all
    tests: Mapping[str, Array]  # heading of a column → texts
    whole: int  # labels that there are to learn from

    def split(self, labels: int, seed: int) -> Split:
        """Positions of labels, those to be tested in the order of `tests`. `labels` is at most `whole`."""
        order = self.orders[seed][:labels]
        if labels == self.whole and len(self.valid):
            train, valid = order, self.valid
        else:
            step = TENTH if labels == self.whole else FIFTH
            held_out = np.arange(len(order)) % step == step - 1
            train, valid = order[~held_out], order[held_out]
        return Split(
            self._positions(train), self._positions(valid), self._positions(np.concatenate(list(self.tests.values())))
        )

    def tested(self) -> dict[str, Array]:
        """For each heading the positions of its labels."""
        return {name: self._positions(texts) for name, texts in self.tests.items()}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the texts and labels."""
        return self.examples.digest()

    def _positions(self, texts: Array) -> Array:
        if not self.examples.word_labels:
            return texts
        return np.concatenate([np.arange(self._ends[n], self._ends[n + 1]) for n in texts.tolist()] or [texts])

    @cached_property
    def _ends(self) -> Array:
        return np.append(0, np.cumsum(np.bincount(self.examples.owners())))


def trial(
    examples: ProbeSet,
    sizes: Sequence[int | None],
    seeds: Sequence[int],
    limit: int = 0,
    tested: Mapping[str, ProbeSet] | None = None,
) -> Trial:
    """A trial of a set with so many labels (None: all), tested on at most `limit` texts (0: all).

    A set without a split is tested on the first of its ten folds. With `tested` the test texts are those of these sets,
    by heading, whose classes are the same. Raises UsageError where there are fewer than two labels to learn from.
    """
    examples = _named_classes(examples)
    pool, own_valid, own_test = _texts_of_parts(examples)
    if len(pool) < 2:
        raise UsageError(f"{examples.task} has fewer than two labels to learn from")
    most = max(len(pool) if size is None else min(size, len(pool)) for size in sizes)
    valid = own_valid if most == len(pool) else own_valid[:0]
    orders = {seed: nested_order(_text_labels(examples), pool, seed)[:most] for seed in seeds}
    learned = np.unique(np.concatenate([valid, *orders.values()]))
    tests = {examples.task: _limited(own_test, limit)}
    if tested is not None:
        examples, tests = _joined(examples, tested, limit)
    # Only the texts that are read stand in it, so that features of no others are computed.
    read = np.unique(np.concatenate([learned, *tests.values()]))
    orders = {seed: np.searchsorted(read, order) for seed, order in orders.items()}
    numbers = {name: np.searchsorted(read, texts) for name, texts in tests.items()}
    return Trial(examples.only(read), orders, np.searchsorted(read, valid), numbers, len(pool))


def nested_order(labels: Array | None, pool: Array, seed: int) -> Array:
    """`pool` in an order whose beginnings have each class as often as the whole; labels[n] is the class of text n."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(pool)
    if labels is None:
        return shuffled
    of = labels[shuffled]
    place = np.empty(len(of))
    for one in np.unique(of):
        among = np.flatnonzero(of == one)
        place[among] = (np.arange(len(among)) + 0.5) / len(among)  # as far apart as they can be
    return shuffled[np.argsort(place, kind="stable")]


def _texts_of_parts(examples: ProbeSet) -> tuple[Array, Array, Array]:
    """The texts for training, validation and testing."""
    if (examples.parts == UNSPLIT).all():
        split = splits(examples)[0]
        return np.union1d(split.train, split.valid), split.valid[:0], np.sort(split.test)
    owners = examples.owners()
    train, valid, test = (np.unique(owners[examples.parts == part]) for part in (TRAIN, VALID, TEST))
    return train, valid, test


def _text_labels(examples: ProbeSet) -> Array | None:
    """The class of each text; None where texts have none."""
    return None if examples.word_labels or examples.is_regression else examples.labels


def _named_classes(examples: ProbeSet) -> ProbeSet:
    if examples.classes or examples.is_regression:
        return examples
    return replace(examples, classes=tuple(str(n) for n in range(int(examples.labels.max()) + 1)))


def _limited(texts: Array, limit: int) -> Array:
    if not limit or limit >= len(texts):
        return texts
    return np.sort(np.random.default_rng(LIMIT_SEED).permutation(texts)[:limit])


def _joined(examples: ProbeSet, tested: Mapping[str, ProbeSet], limit: int) -> tuple[ProbeSet, dict[str, Array]]:
    """`examples` followed by the test texts of other sets, and which those are."""
    texts, labels, tests = examples.texts, [examples.labels], {}
    for name, other in tested.items():
        if len(other.texts) != len(texts) or other.classes != examples.classes:
            raise UsageError(f"what has learned {examples.task} cannot be tested on {other.task}: its classes differ")
        chosen = _limited(_texts_of_parts(other)[2], limit)
        tests[name] = len(texts[0]) + np.arange(len(chosen))
        texts = tuple(
            [*column, *(more[n] for n in chosen.tolist())] for column, more in zip(texts, other.texts, strict=True)
        )
        labels.append(other.labels[chosen])
    all_labels = np.concatenate(labels)
    return replace(examples, texts=texts, labels=all_labels, parts=np.full(len(all_labels), TRAIN)), tests
