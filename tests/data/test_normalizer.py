"""`Tokenizer.normalize`: ordinary text in the words of a corpus that was published already tokenised."""

import pytest

from lmzoo.data import tokenizers

PTB = tokenizers.train("split", " no it was n't black monday \n but <unk> did n't it 's who \n")
WIKITEXT = tokenizers.train("split", " Richard don 't know . \n a well @-@ known , <unk> man ? \n")
PLAIN = tokenizers.train("split", "the cat sat .\nthe dog ran .\n")
LOSSLESS = [tokenizers.train(spec, "the café sat. the café ran.\n") for spec in ("byte", "char", "word:9", "bpe:300")]


@pytest.mark.parametrize(
    ("tokenizer", "text", "expected"),
    [
        (PTB, "It wasn't Black Monday.", " it was n't black monday"),  # no punctuation, no capitals
        (PTB, "Who? It's black!", " who it 's black"),
        (WIKITEXT, "Richard don't know.", " Richard don 't know ."),
        (WIKITEXT, "A well-known man?", " a well @-@ known man ?"),
        (WIKITEXT, "Richard\n\na man", " Richard \n \n a man"),
        (PLAIN, "The cat ran.\nThe dog sat.", "the cat ran .\nthe dog sat ."),
        (PLAIN, "", ""),
    ],
)
def test_a_text_is_written_as_the_corpus_is(tokenizer, text, expected):
    assert tokenizer.normalize(text) == expected
    assert tokenizer.decode(tokenizer.encode(expected)) == expected


def test_context_and_text_join_to_the_whole():
    for tokenizer in (PTB, WIKITEXT, PLAIN, *LOSSLESS):
        context, text = "The cat sat.\n", "the dog"
        written = tokenizer.normalize(text, context)
        assert tokenizer.normalize(context) + written == tokenizer.normalize(context + text)
        assert len(written.split()) == 2


def test_an_unknown_word_becomes_unk_and_is_counted():
    assert PTB.unknown is not None
    assert PTB.token(PTB.unknown) == "<unk>"
    assert PTB.normalize("It was zebra.") == " it was <unk>"
    assert PTB.unknown_share(["It was zebra."]) == 1 / 3
    assert PTB.unknown_share(["It was zebra.", "monday"]) == 1 / 4
    assert PTB.unknown_share([]) == 0


def test_marks_alone_stay_so_that_there_is_something_to_score():
    assert PTB.normalize("...", "it was") == " <unk>"


def test_a_vocabulary_without_unk_leaves_the_word_for_the_tokenizer_to_refuse():
    assert PLAIN.closed
    assert PLAIN.unknown is None
    assert PLAIN.normalize("the zebra sat") == "the zebra sat"


@pytest.mark.parametrize("tokenizer", LOSSLESS, ids=lambda tokenizer: tokenizer.spec)
def test_a_lossless_tokenizer_changes_nothing_and_knows_every_word(tokenizer):
    assert tokenizer.normalize("Zebra? \ud800 \n\n It's", "The ") == "Zebra? \ud800 \n\n It's"
    assert tokenizer.unknown_share(["zebra"]) == 0
    assert tokenizer.unknown is None
    assert not tokenizer.closed


@pytest.mark.parametrize(
    ("spec", "text", "expected"),
    [
        ("byte", "the cat the cat", set()),
        ("char", "é é", set()),  # a character may be a part of a word
        ("word:9", "the cat, the café", {"the", "cat", "café"}),  # neither the comma, which is a byte, nor white space
        ("bpe:262", "bathe the the the ", {"the"}),  # without the space it could be a part of "bathe"
        ("split", "the <unk> cat\n", {"the", "cat"}),
    ],
)
def test_whole_words_among_the_tokens(spec, text, expected):
    tokenizer = tokenizers.train(spec, text)
    words = {tokenizer.word(i) for i in range(tokenizer.vocab_size)} - {""}
    assert words == expected
    for i in range(tokenizer.vocab_size):
        assert tokenizer.word(i) in ("", tokenizer.pieces([i])[0].strip())


@pytest.mark.parametrize("tokenizer", [*LOSSLESS, PLAIN], ids=lambda tokenizer: tokenizer.spec)
def test_the_last_token_of_each_word(tokenizer):
    words = ["the", "cat", "ran"]
    ids = tokenizer.encode(tokenizer.normalize(" ".join(words)))
    ends = tokenizer.word_ends(words, ids)
    for word, end in zip(words, ends, strict=True):
        assert tokenizer.decode(ids[: end + 1]).endswith(word)


def test_where_a_mark_is_dropped_the_word_before_it_ends_there_too():
    words = ["it", "was", "...", "n't"]
    ids = PTB.encode(PTB.normalize(" ".join(words)))
    assert [PTB.token(i) for i in ids[PTB.word_ends(words, ids)]] == ["it", "was", "was", "n't"]
