"""Texts as people write them, in the words of a corpus that was published already tokenised."""

import pytest

from lmzoo.data import tokenizers
from lmzoo.data.tokenizers.pretokenized_text import ClosedVocabulary

PTB = tokenizers.train("split", " no it was n't black monday \n but <unk> did n't it 's who \n")
WIKITEXT = tokenizers.train("split", " Richard don 't know . \n a well @-@ known , <unk> man ? \n")
PLAIN = tokenizers.train("split", "the cat sat .\nthe dog ran .\n")


def written(made, text, beginning=""):
    return "".join(ClosedVocabulary(made).write(beginning, text))


@pytest.mark.parametrize(
    ("made", "text", "expected"),
    [
        (PTB, "It wasn't Black Monday.", " it was n't black monday"),  # no marks, no capitals
        (PTB, "Who? It's black!", " who it 's black"),
        (WIKITEXT, "Richard don't know.", " Richard don 't know ."),
        (WIKITEXT, "A well-known man?", " a well @-@ known man ?"),
        (WIKITEXT, "Richard\n\na man", " Richard \n \n a man"),
        (PLAIN, "The cat ran.\nThe dog sat.", "the cat ran .\nthe dog sat ."),
        (PLAIN, "", ""),
    ],
)
def test_a_text_is_written_as_the_corpus_is(made, text, expected):
    assert written(made, text) == expected
    assert made.decode(made.encode(expected)) == expected


def test_beginning_and_continuation_join_to_what_the_whole_would_be():
    for made in (PTB, WIKITEXT, PLAIN):
        reading = ClosedVocabulary(made)
        beginning, continuation = reading.write("The cat sat.\n", "the dog")
        assert beginning + continuation == reading.write("", "The cat sat.\nthe dog")[1]
        assert len(continuation.split()) == 2


def test_an_unknown_word_becomes_unk_and_is_counted():
    reading = ClosedVocabulary(PTB)
    assert reading.reads_all
    assert written(PTB, "It was zebra.") == " it was <unk>"
    assert reading.unknown("It was zebra.") == 1
    assert reading.share_unknown(["It was zebra.", "monday"]) == 1 / 4


def test_marks_alone_are_kept_so_that_there_is_something_to_score():
    assert ClosedVocabulary(PTB).write("it was", "...") == (" it was", " <unk>")


def test_a_vocabulary_without_unk_leaves_the_word_for_the_tokenizer_to_refuse():
    assert not ClosedVocabulary(PLAIN).reads_all
    assert written(PLAIN, "the zebra sat") == "the zebra sat"
