"""Copies found through an index are those that reading the training text finds."""

from hypothesis import given
from hypothesis import strategies as st

from lmzoo.analysis.copies import Copies
from lmzoo.analysis.memorization import LEAST, copied

LETTERS = "ab é—\U0001f600\ud800"  # of one, two and four bytes, and one that no file has


@given(st.data())
def test_they_are_those_that_reading_the_training_text_finds(data):
    letters = LETTERS[: data.draw(st.sampled_from([1, 2, 4, 5, 7]))]
    training = data.draw(st.text(letters, max_size=200))
    pieces = []
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(training)))
        pieces.append(training[start : start + data.draw(st.integers(LEAST - 3, LEAST + 40))])
        pieces.append(data.draw(st.text(letters, max_size=3)))
    text = "".join(pieces)
    assert Copies.of(training).stretches(text) == copied(text, training)["stretches"]


def test_blocks_with_equal_hashes_are_compared_letter_by_letter():
    training = "the cat sat on the mat and looked at the dog"
    index = Copies.of(training)
    index.hashes[:] = Copies.of("x" * 30).hashes[0]
    assert index.stretches("x" * LEAST) == []
