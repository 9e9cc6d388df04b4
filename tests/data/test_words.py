"""The compiled loop cuts and numbers words as the regular expressions do, whose rules it has."""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo.data import tokenizers
from lmzoo.data.tokenizers import Word, base, compiled, from_json, train, train_and_encode, words
from lmzoo.data.tokenizers.compiled import Reader
from lmzoo.errors import TokenizerError
from tests.data.test_tokenizers import HARD, mirrored

quickly = settings(deadline=None, max_examples=60)
WORDS = (
    "abcdefg",
    "abcdefgh",
    "abcdefgi",
    "antidisestablishment",
    "\0",
    "\0\0",
    "ééé",
    "éééé",
    "’tis",
    "o’c’s",
    "a''b",
)
pieces = st.sampled_from([*HARD, *WORDS, " ", "\n", " \n ", "the", " the"]) | st.text(" \nab'’é", max_size=12)
texts = st.lists(pieces | st.text(st.characters(exclude_categories=())), max_size=40).map("".join)
unspoiled = texts.map(lambda text: base.SURROGATES.sub("", text))


@pytest.fixture(autouse=True)
def _compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is long, is cut after a few characters, and the table has to grow at once."""
    monkeypatch.setattr(words, "LONG", 0)
    monkeypatch.setattr(words, "LONG_WITHOUT_LLVM", 0)
    for module in (base, words):
        monkeypatch.setattr(module, "CHUNK", 16)
    monkeypatch.setattr(compiled, "TABLE", 4)


def plain_split(text: str, least: int = 1) -> tuple[list[str], list[int]]:
    """The vocabulary and the ids of `split:min=least`, written plainly."""
    read = re.findall(r"\n|[^ \t-\r]+", text)
    seen = Counter(word for word in read if word != "\n")
    if least > 1:
        seen["<unk>"] += least
    known = [word for word, count in seen.items() if count >= least]
    number = {word: n for n, word in enumerate([*known, "\n"])}
    return known, [number.get(word, number.get("<unk>", -1)) for word in read]


def plain_word(size: int, text: str, lines: bool) -> tuple[list[str], list[int]]:
    """The vocabulary and the ids of `word:size`, written plainly."""
    read = re.findall(r" ?\w+(?:['\u2019]\w+)*| ?[^\w\s]|\s", text)
    frequent = [piece for piece, _ in Counter(read).most_common() if can_be_learned(piece)][:size]
    number = {piece: 256 + n for n, piece in enumerate(frequent)} | ({"\n": 256 + len(frequent)} if lines else {})
    spelled = [[number[p]] if p in number else list(p.encode("utf-8", "surrogatepass")) for p in read]
    return frequent, [token for piece in spelled for token in piece]


def can_be_learned(piece: str) -> bool:
    return len(piece.encode("utf-8", "surrogatepass")) > 1 and not base.SURROGATES.search(piece)


PUBLISHED = [
    ("ptb/ptb.train.txt", "split", "cff2fdacb44dc750", "3658428963e9ef1c"),
    ("ptb/ptb.train.txt", "split:min=3", "468dba0562463e3b", "a7b697ad0c555ca8"),
    ("ptb/ptb.train.txt", "word:5000", "02f101f6c565987b", "a6757ab6feb53702"),
    ("wikitext2/wiki.train.tokens", "split", "cf5aeab728a625da", "7daa7e40666f8195"),
    ("wikitext2/wiki.train.tokens", "word:5000", "188e7962ffadcb93", "6caba4eb324405f9"),
    ("books/books.valid.txt", "split", "78b361f5ea3c34dd", "a7841e852ce4b9a1"),
    ("books/books.valid.txt", "word:5000", "15afb899945b3b76", "a76cb270d3aa8367"),
]


class TestAgainstPlainWriting:
    @quickly
    @given(unspoiled, unspoiled, st.integers(1, 3))
    def test_split(self, text, other, least):
        made, ids = train_and_encode("split" if least == 1 else f"split:min={least}", text)
        known, expected = plain_split(text, least)
        assert made.to_json()["words"] == known
        assert ids.tolist() == made.encode(text).tolist() == expected
        assert ids.dtype == np.int32
        number = {word: n for n, word in enumerate([*known, "\n"])}
        read = re.findall(r"\n|[^ \t-\r]+", other)
        if set(read) <= set(number) or "<unk>" in number:
            assert made.encode(other).tolist() == [number.get(word, number.get("<unk>")) for word in read]
        else:
            with pytest.raises(TokenizerError, match="is not in the closed vocabulary") as caught:
                made.encode(other)
            start = next(m.start() for m in re.finditer(r"\n|[^ \t-\r]+", other) if m[0] not in number)
            line, column = base.line_and_column(other, start)
            assert str(caught.value).startswith(f"line {line}, column {column}: ")

    @quickly
    @given(texts, texts, st.integers(1, 9), st.booleans())
    def test_word(self, text, other, size, lines):
        learned, expected = plain_word(size, text, lines)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(base, "CHUNK", 1 << 20)
            made, ids = train_and_encode(f"word:{size}", text, lines)
            assert made.to_json()["words"] == learned
            assert ids.tolist() == made.encode(text).tolist() == expected
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(words, "LONG", 1 << 40)
            in_python = made.encode(other).tolist()  # cut at the same places
        assert made.encode(other).tolist() == in_python
        assert made.decode(in_python) == other

    def test_every_kind_of_character_is_cut_as_regular_expressions_cut_it(self):
        """All of Unicode but for its many letters and unassigned code points, of which every 50th."""
        kinds = [(chr(code), code, unicodedata.category(chr(code))) for code in range(0x110000)]
        some = [char for char, code, kind in kinds if code % 50 == 0 or kind not in ("Lo", "Cn", "Co")]
        text = "".join(f"a{char}b\u2019{char} {char}'{char} \u2019{char}\u2019a\n" for char in some)
        cut = Word.PIECE.findall(text)
        number = {
            piece: n
            for n, piece in enumerate(dict.fromkeys(piece for piece in cut if piece > "\x7f" or len(piece) > 1))
        }
        reader = Reader(pieces=True)
        ids = reader.learn(text.encode("utf-8", "surrogatepass"), 256, 10)
        assert reader.spellings() == list(number)
        assert ids.tolist() == [256 + number[piece] if piece in number else ord(piece) for piece in cut]

    def test_many_words_whose_table_grows_again_and_again(self):
        text = " ".join(f"{n} word{n} {n % 7}" for n in range(5000))
        assert (train("split", text).to_json()["words"], train_and_encode("split", text)[1].tolist()) == plain_split(
            text
        )

    def test_two_words_with_the_same_hash_are_two(self):
        one, other = same_hash()
        ids = Reader(pieces=False).learn(b" ".join([one, other, one, other]), 0, -1)
        assert ids.tolist() == [0, 1, 0, 1]

    @pytest.mark.data
    @pytest.mark.parametrize(("name", "spec", "digest", "vocabulary"), PUBLISHED)
    def test_published_texts_are_read_as_by_earlier_versions(self, name, spec, digest, vocabulary, monkeypatch):
        monkeypatch.undo()
        made, ids = train_and_encode(spec, mirrored(name))
        assert hashlib.sha256(ids.astype("<i4").tobytes()).hexdigest()[:16] == digest
        assert hashlib.sha256(json.dumps(made.to_json()).encode()).hexdigest()[:16] == vocabulary


def same_hash() -> tuple[bytes, bytes]:
    """Two words of nine bytes with one hash: (the first seven after a 1 · ODD ^ the 8th) · ODD ^ the 9th."""
    size, odd = 1 << 64, compiled.ODD % (1 << 64)
    back = pow(odd, -1, size)
    hashed = (int.from_bytes(b"\x01wordles") * odd % size ^ ord("s")) * odd % size ^ ord("!")
    for last, eighth in product(range(34, 256), repeat=2):
        begin = (((hashed ^ last) * back % size ^ eighth) * back % size).to_bytes(8)
        if begin[0] == 1 and min(begin[1:]) > 32:
            return b"wordless!", begin[1:] + bytes([eighth, last])
    raise AssertionError


class TestUnusualVocabularies:
    def test_words_that_are_never_cut_so_are_never_found(self):
        saved = {**train("word:3", "to be or not to be").to_json(), "words": ["a b", " be", "xyz", "-- ", "\n\n"]}
        t = from_json(saved)
        assert t.encode("a b be xyz-- \n\n").tolist() == [*b"a b", 257, *b" xyz-- \n\n"]
        assert t.encode("xyz be").tolist() == [258, 257]

    def test_a_lone_surrogate_names_the_place(self):
        t = train("split", "It said\nso\n")
        for read in (t.encode, lambda text: train("split", text)):
            with pytest.raises(TokenizerError, match=r"line 2, column 4: '.ud800', a lone surrogate, is no text"):
                read("It said\nso \ud800 said")


class TestManyTexts:
    @quickly
    @given(st.lists(texts, max_size=8), st.sampled_from(["word:20", "byte", "bpe:280", "split:min=2"]), st.booleans())
    def test_each_has_the_ids_that_it_has_alone(self, many, spec, lines):
        if spec.startswith("split"):
            many = [base.SURROGATES.sub("", text) for text in many]
        t = train(spec, "".join(many) if not spec.startswith("split") else " ".join(many), lines)
        assert [ids.tolist() for ids in t.encode_many(many)] == [t.encode(text).tolist() for text in many]

    def test_an_error_names_the_place_in_its_own_text(self):
        t = train("split", "the cat\nsat\n")
        with pytest.raises(TokenizerError, match="line 2, column 5: the word 'dog'"):
            t.encode_many(["the cat\n", "sat\nthe dog\n", "the bird"])


def test_a_short_text_is_read_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "LONG", 1 << 40)
    monkeypatch.setattr(words, "LONG_WITHOUT_LLVM", 1 << 40)
    monkeypatch.delattr(compiled, "Reader")
    assert tokenizers.train("split", "a b a\n").encode("b a\n").tolist() == [1, 0, 2]
