"""Which texts share a batch."""

from collections.abc import Iterator, Sequence

from lmzoo.interface import Ids

TEXTS_AT_ONCE = 128


def by_length(texts: Sequence[Ids], most: int) -> Iterator[list[int]]:
    """The numbers of the texts, in groups of similar length with at most `most` tokens, or one text, in each."""
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    group: list[int] = []
    for n in order:
        if group and (len(group) == TEXTS_AT_ONCE or (len(group) + 1) * (len(texts[n]) + 1) > most):
            yield group
            group = []
        group.append(n)
    if group:
        yield group
