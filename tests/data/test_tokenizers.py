"""Text ↔ ids: nothing is lost, `end` is the last id, and byte-pair encoding is what its authors published."""

import contextlib
import hashlib
import json
import lzma
import os
import random
import re
import subprocess
import sys
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as any_given
from hypothesis import settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as HuggingFace
from tokenizers import models, pre_tokenizers

from lmzoo.data import tokenizers as tokenizer
from lmzoo.data.tokenizers import Bpe, Char, Tokenizer, Word, base, bpe, choose, train
from lmzoo.data.tokenizers.bpe import FIELD
from lmzoo.errors import FormatError, TokenizerError, UsageError

MIRROR = os.environ.get("LMZOO_MIRROR")
OPEN = ("byte", "char", "word:20", "bpe:280")  # the kinds that can write any string

HARD = (
    *("", "\0", "\r\n", "\n\n", " \n", "\t", "   ", "    x", "a  b", "\u00a0", "\u00a0  b", "\u2028", "\x1c", "!\x1c"),
    *("I'll don't 'tis we've 'S", "can\u2019t", "3.14159 1,000", "x²", "¾", "Ⅳ", "٣", "snake_case"),
    *("😀", "👩‍👩‍👧", "🇩🇪", "e\u0301", "n\u0303a", "İi̇", "שלום", "مرحبا", "日本語テキスト", "한국어"),
    *("हिन्दी", "\u200b", "\ufeff", "\ufffd"),
    *("\ud83d", "\ud83d\ude00", "\ude00\ud83d", " \udcff x", "\U0010ffff", "<|endoftext|>"),
    *("<end>", "</s>", "Ġthe", "Ċ"),
)  # fmt: skip

characters = st.characters(exclude_categories=())  # surrogates too
texts = st.lists(st.sampled_from(HARD) | st.text(characters) | st.text(" \nabc'", max_size=30)).map("".join)
no_surrogates = texts.map(lambda text: base.SURROGATES.sub("", text))
specs = st.sampled_from(OPEN)


def given(*strategies):
    """Hypothesis's, without a deadline: some first calls read files."""
    return lambda test: settings(deadline=None, max_examples=25)(any_given(*strategies)(test))


ENGLISH = "The cat sat on the mat.\nThe cats don't sit; they lie, they lie!\n" * 3


@cache
def gpt2_files() -> tuple[dict[str, int], list[str]]:
    if not MIRROR:
        pytest.skip("LMZOO_MIRROR is not set: GPT-2's files are not here")
    folder = Path(MIRROR) / "gpt2-bpe"
    encoder, vocab = (lzma.decompress((folder / f"{name}.xz").read_bytes()) for name in ("encoder.json", "vocab.bpe"))
    return json.loads(encoder), vocab.decode().split("\n")[1:-1]


@cache
def gpt2(lines: bool = False) -> Tokenizer:
    gpt2_files()
    return train("gpt2", "", lines)


@cache
def gpt2_plainly() -> HuggingFace:
    return hugging_face(*gpt2_files())


def gpt2_rule(text: str) -> list[str]:
    """The pieces inside which GPT-2 merges, as Hugging Face cuts them."""
    rule = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return [piece for piece, _ in rule.pre_tokenize_str(text)]


def hugging_face(vocabulary: dict[str, int], merges: list[str]) -> HuggingFace:
    """Hugging Face's own byte-level BPE, used plainly on the whole text."""
    model = HuggingFace(models.BPE(vocabulary, [tuple(merge.split(" ")) for merge in merges]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return model


class TestNothingIsLost:
    @given(specs, texts, texts, st.booleans())
    def test_any_text_comes_back_whatever_the_tokenizer_was_trained_on(self, spec, trained_on, text, lines):
        t = train(spec, trained_on, lines)
        ids = t.encode(text)
        assert t.decode(ids) == text
        assert ids.dtype == np.int32
        assert ids.ndim == 1

    @given(specs | st.just("word:1"), texts, st.booleans())
    def test_a_text_that_is_read_once_gets_the_same_vocabulary_and_ids(self, spec, text, lines):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(base, "CHUNK", 8)
            made, ids = tokenizer.train_and_encode(spec, text, lines)
            assert made.to_json() == train(spec, text, lines).to_json()
            assert ids.tolist() == made.encode(text).tolist()

    def test_the_words_are_the_most_frequent_of_several_bytes(self):
        made, ids = tokenizer.train_and_encode("word:3", "é a b b. é cc dd b. cc b ee ee")
        assert [made.token(number) for number in range(256, made.end)] == [" b", " cc", " ee"]
        assert made.decode(ids) == "é a b b. é cc dd b. cc b ee ee"

    @given(specs, texts, texts, st.booleans())
    def test_pieces_join_to_the_text(self, spec, trained_on, text, lines):
        t = train(spec, trained_on, lines)
        ids = t.encode(text)
        pieces = t.pieces(ids)
        assert len(pieces) == len(ids)
        assert "".join(pieces) == text

    @given(specs, st.lists(st.integers(0, 256)), st.booleans())
    def test_any_ids_have_a_text_even_if_their_bytes_are_not_utf_8(self, spec, ids, lines):
        t = train(spec, "", lines)
        text = t.decode(ids)
        assert "".join(t.pieces(ids)) == text
        assert t.decode(t.encode(text)) == text

    @given(specs, texts, texts, st.booleans())
    def test_a_tokenizer_read_back_is_the_same(self, spec, trained_on, text, lines):
        t = train(spec, trained_on, lines)
        saved = json.dumps(t.to_json(), ensure_ascii=False).encode("utf-8")
        again = tokenizer.from_json(json.loads(saved))
        assert again.to_json() == t.to_json()
        assert (again.spec, again.vocab_size, again.end, again.lines) == (spec, t.vocab_size, t.end, lines)
        assert np.array_equal(again.encode(text), t.encode(text))

    @given(texts, texts)
    @pytest.mark.data
    def test_gpt2_loses_nothing_either(self, text, more):
        for t in gpt2(), gpt2(lines=True):
            ids = t.encode(text + more)
            assert t.decode(ids) == "".join(t.pieces(ids)) == text + more

    @pytest.mark.parametrize("spec", OPEN)
    @pytest.mark.parametrize("line", ["ab", "\r\n", "Überraschung😀\ud83d\ude00"])
    def test_a_line_of_three_chunks(self, spec, line, monkeypatch):
        monkeypatch.setattr(base, "CHUNK", 1 << 14)
        text = line * (3 * base.CHUNK // len(line) - 1)
        t = train(spec, text[:1000])
        assert t.decode(t.encode(text)) == text


class TestEnd:
    @given(specs, texts, texts)
    def test_no_text_contains_end_and_it_is_written_as_nothing(self, spec, trained_on, text):
        t = train(spec, trained_on + "<|endoftext|><end>")
        assert t.end == t.vocab_size - 1
        assert t.end not in t.encode(text)
        assert t.decode([t.end]) == ""

    @given(specs, texts, texts)
    def test_with_lines_every_newline_is_end_and_nothing_else_is(self, spec, trained_on, text):
        t = train(spec, trained_on, lines=True)
        ids = t.encode(text)
        pieces = t.pieces(ids)
        assert [i == t.end for i in ids] == ["\n" in piece for piece in pieces]
        assert all(piece == "\n" for piece in pieces if "\n" in piece)

    @pytest.mark.data
    def test_gpt2_with_lines(self):
        ids = gpt2(lines=True).encode("Hello world\n\nHello")
        assert ids.tolist() == [15496, 995, 50256, 50256, 15496]


class TestVocabularies:
    def test_byte_is_utf_8(self):
        t = train("byte", ENGLISH)
        assert t.vocab_size == 257
        assert t.encode("é\n").tolist() == [0xC3, 0xA9, 0x0A]

    def test_char_gives_ids_to_the_characters_that_are_not_ascii(self):
        t = train("char", "naïve café")
        assert t.vocab_size == 257 + 2
        assert t.encode("aéï").tolist() == [ord("a"), 256, 257]
        assert t.encode("è").tolist() == [0xC3, 0xA8]
        assert train("char", ENGLISH).vocab_size == 257

    def test_word_takes_the_most_frequent_pieces_and_at_a_tie_the_first(self):
        t = train("word:3", "to be or not to be, that is: to be")
        assert [t.token(i) for i in range(256, t.vocab_size)] == [" be", " to", "to", "<end>"]
        assert t.encode("to be oh").tolist() == [258, 256, *b" oh"]

    def test_word_pieces(self):
        pieces = Word.PIECE.findall("He didn't  pay $3.50, they\u2019re 'off'\n")
        first, last = (
            ["He", " didn't", " ", " pay", " $", "3", ".", "50", ","],
            [" they\u2019re", " '", "off", "'", "\n"],
        )
        assert pieces == first + last

    def test_bpe_on_the_example_of_wikipedia(self):
        t = train("bpe:260", "aaabdaaabac")  # aa → Z, then ab or Za, then aaab → X
        assert t.vocab_size == 260
        assert t.token(256) == "aa"
        assert t.pieces(t.encode("aaabdaaabac")) == ["aaab", "d", "aaab", "a", "c"]

    def test_bpe_has_exactly_k_tokens_unless_no_pair_is_left_that_occurs_twice(self):
        assert train("bpe:275", ENGLISH).vocab_size == 275
        assert train("bpe:275", "ab").vocab_size == 257

    def test_bpe_learns_the_same_merges_every_time(self):
        merges = [train("bpe:300", ENGLISH).to_json()["merges"] for _ in range(3)]
        assert merges[0] == merges[1] == merges[2]

    @given(specs, texts, st.booleans())
    def test_every_token_has_a_name_that_can_be_printed(self, spec, trained_on, lines):
        t = train(spec, trained_on, lines)
        names = [t.token(i) for i in range(t.vocab_size)]
        assert all(name and name.isprintable() for name in names)
        assert names[-1] == "<end>"

    def test_names(self):
        t = train("char", "é\u200b")
        names = [t.token(i) for i in (65, 10, 0xC3, 256, 257)]
        assert names == ["A", "<0x0A>", "<0xC3>", "é", "<0xE2><0x80><0x8B>"]

    def test_a_character_in_several_bytes_stands_at_the_last_of_them(self):
        assert train("byte", "").pieces([*"a€".encode(), 0xE2]) == ["a", "", "", "€", "\ufffd"]


class TestChoice:
    """The tokenizer of a text whose tokenizer nobody names."""

    def test_a_text_with_spaces_is_read_by_its_words_that_are_not_rare(self):
        text = "the cats sat and the cats ran\nthe dog sat\n" * 2 + "a dog sat and ran\n"
        spec = choose(text)
        # " the" and "the", " cats", " sat", " and", " ran" and " dog" three times or more; "a" is one byte
        pieces = {"the": 4, " the": 2, " cats": 4, " sat": 5, " and": 3, " ran": 3, " dog": 3, "a": 1}
        assert spec == f"word:{sum(n >= 3 for n in pieces.values())}" == "word:6"
        assert train(spec, text).decode(train(spec, text).encode("the zebra sat")) == "the zebra sat"

    @pytest.mark.parametrize(
        "text",
        ["猫坐在垫子上。狗也坐在那里。 " * 20, "ACGTTGCA\n" * 50, "Anna\nMary Ann\nLouise\nMargaret\n" * 9],
    )
    def test_a_text_with_few_spaces_is_read_by_characters(self, text):
        assert choose(text) == "char"

    def test_a_text_of_rare_words_still_has_a_vocabulary(self):
        assert choose("every word here is new to you") == "word:1"

    def test_at_most_so_many_words(self):
        assert choose(" ".join(f"w{n} " * 3 for n in range(12_000))) == "word:10000"


class TestChunks:
    """A text is read a megabyte at a time; that must not show."""

    @given(specs, no_surrogates, st.integers(1, 9))
    def test_where_the_text_is_cut_does_not_change_the_ids(self, spec, text, chunk):
        text = " ".join(text[n : n + chunk] for n in range(0, len(text), chunk))  # so that it can be cut
        t = train(spec, ENGLISH + text)
        whole = t.encode(text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(base, "CHUNK", 20)
            assert np.array_equal(t.encode(text), whole)
            assert train(spec, ENGLISH + text).to_json() == t.to_json()
            assert t.decode(whole) == text

    @given(texts, st.integers(1, 9))
    def test_spans_cover_the_text_and_cut_where_space_follows_none(self, text, chunk):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(base, "CHUNK", chunk)
            spans = list(base.spans(text))
        assert "".join(text[start:end] for start, end in spans) == text
        for start, end in spans[:-1]:
            hard = end - start == 2 * chunk
            assert hard or (text[end].isspace() and not text[end - 1].isspace())


class TestBytePairEncoding:
    """Ours cuts and remembers; the ids must be those of Hugging Face `tokenizers` all the same."""

    @given(no_surrogates, no_surrogates)
    def test_same_ids_as_hugging_face(self, trained_on, text):
        t = train("bpe:300", ENGLISH + trained_on)
        assert isinstance(t, Bpe)
        assert t.encode(text).tolist() == hugging_face(t.ids_of_tokens, t.merges).encode(text).ids

    @given(no_surrogates)
    def test_fields_are_cut_into_the_same_pieces_as_the_whole_text(self, text):
        assert [piece for field in FIELD.findall(text) for piece in gpt2_rule(field)] == gpt2_rule(text)

    @given(no_surrogates, no_surrogates)
    def test_with_lines_the_newline_is_a_piece_of_its_own(self, trained_on, text):
        t = train("bpe:300", ENGLISH + trained_on, lines=True)
        plainly = hugging_face(t.ids_of_tokens, t.merges)
        pieces = [plainly.encode(part).ids if part != "\n" else [t.end] for part in re.split("(\n)", text)]
        assert t.encode(text).tolist() == [i for piece in pieces for i in piece]

    def test_fields_are_cut_into_the_same_pieces_next_to_every_kind_of_character(self):
        """All of Unicode but for its many letters and unassigned code points, of which every 50th."""
        for code in range(0x110000):
            kind = unicodedata.category(chr(code))
            if kind != "Cs" and (code % 50 == 0 or kind not in ("Lo", "Cn", "Co")):
                text = f"!{chr(code)}  a{chr(code)} b"
                pieces = [piece for field in FIELD.findall(text) for piece in gpt2_rule(field)]
                assert pieces == gpt2_rule(text), hex(code)

    @pytest.mark.parametrize(("lines", "digest"), [(False, "aa399512bf3ab3f5"), (True, "3962e1ae9494fa9f")])
    def test_the_ids_of_a_longer_text_are_those_of_earlier_versions(self, lines, digest):
        text = "".join(random.Random(1).choices("eeetttaaooiinn shrdlu \n", k=20_000))
        ids = train("bpe:500", text, lines).encode(text)
        assert hashlib.sha256(ids.astype("<i4").tobytes()).hexdigest()[:16] == digest

    @given(st.lists(st.sampled_from(["a", " ", "\n", "Aabb", "    ", "\ud800"])).map("".join))
    def test_long_stretches_are_cut_for_training_and_nothing_else_is(self, text):
        """Time is in proportion to the square of the longest piece: 100,000 letters in one took minutes."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bpe, "LONGEST", 5)
            patch.setattr(bpe, "_LONG", re.compile(bpe._LONG.pattern.replace("4097", "6")))
            parts = list(bpe._for_training(text))
        stretches = [s for part in parts for s in re.findall(r"\s+|\S+", part)]
        assert "".join(parts) == text.replace("\ud800", "")
        assert all(len(stretch) <= 5 for stretch in stretches)
        if not re.search(r"\s{6}|[^\s\ud800]{6}", text):
            assert parts == [part for part in re.split("\ud800+", text) if part]

    @given(texts)
    def test_what_is_trained_on_is_cut_only_where_a_token_must_start(self, text):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bpe, "SOME", 4)
            parts = list(bpe._for_training(ENGLISH + text))
        assert len(parts) > 20
        whole = [piece for part in base.SURROGATES.split(ENGLISH + text)[::2] for piece in gpt2_rule(part)]
        assert [piece for part in parts for piece in gpt2_rule(part)] == whole

    @pytest.mark.data
    @given(no_surrogates)
    def test_gpt2_same_ids_as_hugging_face_from_the_same_files(self, text):
        assert gpt2().encode(text).tolist() == gpt2_plainly().encode(text).ids

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("text", "ids"),
        [
            ("Hello world", [15496, 995]),
            ("Hello, world!", [15496, 11, 995, 0]),
            (" the", [262]),
            (" ", [220]),
            ("\n", [198]),
            ("\n\n", [628]),
            ("<|endoftext|>", [27, 91, 437, 1659, 5239, 91, 29]),
        ],
    )
    def test_gpt2_published_ids(self, text, ids):
        assert gpt2().encode(text).tolist() == ids
        assert gpt2().vocab_size == 50257

    @pytest.mark.data
    def test_gpt2_files_that_are_damaged_or_missing(self, tmp_path):
        encoder, merges = gpt2_files()
        with pytest.raises(TokenizerError, match=r"has no encoder\.json"):
            tokenizer.load_gpt2(tmp_path)
        (tmp_path / "vocab.bpe").write_text("\n".join(["#version: 0.2", *merges]), encoding="utf-8")
        (tmp_path / "encoder.json").write_text(json.dumps({**encoder, "Hello": 1}))
        with pytest.raises(FormatError, match="not a pair"):
            tokenizer.load_gpt2(tmp_path)
        (tmp_path / "encoder.json").write_text(json.dumps(encoder)[:-10])
        with pytest.raises(FormatError, match="not JSON"):
            tokenizer.load_gpt2(tmp_path)
        (tmp_path / "encoder.json").write_text(json.dumps(encoder))
        assert tokenizer.load_gpt2(tmp_path).to_json() == gpt2().to_json()
        (tmp_path / "vocab.bpe").unlink()
        (tmp_path / "vocab.bpe.xz").write_bytes(lzma.compress(b"a b\n" * 999)[:-20])
        with pytest.raises(FormatError, match=r"vocab\.bpe\.xz is damaged"):
            tokenizer.load_gpt2(tmp_path)

    def test_gpt2_without_a_mirror(self, monkeypatch):
        monkeypatch.delenv("LMZOO_MIRROR", raising=False)
        with pytest.raises(TokenizerError, match="LMZOO_MIRROR"):
            train("gpt2", "")


PTB = " no it was n't black <unk> \n the the </s> N \n"
BROWN = "The jury said .\n\nIt said so .\n"
words = st.text(st.characters(exclude_categories=("Cs", "Z", "Cc")), min_size=1).filter(
    lambda w: not set(w) & set("\x85")
)
layouts = st.sampled_from(["leading", "plain"])


def lay_out(lines: list[list[str]], layout: str, last: str) -> str:
    if layout == "leading":
        return "".join("".join(f" {w}" for w in line) + " \n" for line in lines) + "".join(f" {w}" for w in last)
    return "".join(" ".join(line) + "\n" for line in lines) + " ".join(last)


class TestSplit:
    def test_words_are_numbered_as_they_come_and_the_newline_is_last(self):
        t = train("split", PTB)
        assert t.lines
        assert [t.token(i) for i in range(t.vocab_size)] == [*PTB.split()[:7], "</s>", "N", "</s>"]
        assert t.encode(PTB).tolist() == [0, 1, 2, 3, 4, 5, 9, 6, 6, 7, 8, 9]
        assert t.pieces(t.encode(" it was \n the")) == [" it", " was", " \n", " the"]

    def test_the_plain_layout(self):
        t = train("split", BROWN)
        assert t.pieces(t.encode("It said\n\nso .")) == ["It", " said", "\n", "\n", "so", " ."]

    @given(st.lists(st.lists(words)), st.lists(words), layouts)
    def test_a_text_that_fits_comes_back(self, lines, last, layout):
        text = lay_out(lines, layout, last)
        t = train("split", text)
        ids = t.encode(text)
        assert t.decode(ids) == "".join(t.pieces(ids)) == text
        assert t.vocab_size == 1 + len({w for line in [*lines, last] for w in line})
        assert np.count_nonzero(ids == t.end) == len(lines)
        again = tokenizer.from_json(json.loads(json.dumps(t.to_json())))
        assert np.array_equal(again.encode(text), ids)

    @given(texts | st.text(" \na"), st.sampled_from([PTB.replace("<unk>", "a"), BROWN + "a"]))
    def test_any_other_text_is_an_error_and_never_other_words(self, text, trained_on):
        t = train("split", trained_on)
        with contextlib.suppress(TokenizerError):
            decoded = t.decode(t.encode(text))
            assert re.findall(r"\n|[^ \t-\r]+", decoded) == re.findall(r"\n|[^ \t-\r]+", text)
            assert t.encode(decoded).tolist() == t.encode(text).tolist()

    @given(st.lists(st.integers(0, 5)), st.sampled_from([" a b \n c d e \n", "a b\nc d e"]))
    def test_any_ids_have_a_text(self, ids, trained_on):
        t = train("split", trained_on)
        assert t.encode(t.decode(ids)).tolist() == ids

    @pytest.mark.parametrize("line", [" ab" * base.CHUNK + " \n", " " + "ab" * (3 * base.CHUNK // 2) + " \n"])
    def test_a_line_of_three_chunks(self, line):
        t = train("split", line)
        assert t.vocab_size == 2
        assert t.decode(t.encode(line)) == line

    def test_an_unknown_word_becomes_unk_where_the_corpus_has_it(self):
        t = train("split", PTB)
        text = " it was the jury \n"
        assert t.decode(t.encode(text)) == " it was the <unk> \n"

    def test_an_unknown_word_is_an_error_where_it_has_not(self):
        with pytest.raises(TokenizerError, match=r"line 2, column 5: the word 'jurys' .* did you mean jury\?"):
            train("split", BROWN).encode("It said .\nThe jurys said .\n")

    def test_words_below_the_least_count_are_unk(self):
        """Bengio et al. (2003) merge the words that Brown has three times and less."""
        t = train("split:min=2", "the cat and the dog\nand a cat .\n")
        assert [t.token(i) for i in range(t.vocab_size)] == ["the", "cat", "and", "<unk>", "</s>"]
        text = "the dog and the bird\n"
        assert t.encode(text).tolist() == [0, 3, 2, 0, 3, 4]
        assert t.decode(t.encode(text)) == "the <unk> and the <unk>\n"
        assert t.spec == "split:min=2"

    def test_the_corpus_s_own_unk_stays_and_takes_the_rare_words(self):
        t = train("split:min=2", " <unk> a b a \n")
        assert [t.token(i) for i in range(t.vocab_size)] == ["<unk>", "a", "</s>"]
        assert t.encode(" <unk> a b a \n").tolist() == [0, 1, 0, 1, 2]

    @given(st.lists(st.lists(words)), st.integers(2, 4), layouts)
    def test_with_rare_words_replaced_a_text_comes_back(self, lines, least, layout):
        text = lay_out(lines, layout, [])
        t = train(f"split:min={least}", text)
        ids = t.encode(text)
        seen = [word for line in lines for word in line]
        known = {word for word in seen if seen.count(word) >= least} | {"<unk>"}
        replaced = [[word if word in known else "<unk>" for word in line] for line in lines]
        assert t.decode(ids) == lay_out(replaced, layout, [])
        assert t.vocab_size == len(known) + 1
        again = tokenizer.from_json(json.loads(json.dumps(t.to_json())))
        assert again.spec == t.spec
        assert np.array_equal(again.encode(text), ids)

    @pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u0085", "\u2028", "\x1c"])
    @pytest.mark.parametrize("text", ["10_000 men _ .\n\n_ .\n", " 10_000 men _ . \n \n _ . \n"])
    def test_white_space_of_unicode_may_stand_in_a_word(self, text, space):
        text = text.replace("_", space)
        t = train("split", text)
        assert [t.token(i) for i in range(t.vocab_size)] == [f"10{space}000", "men", space, ".", "</s>"]
        assert t.encode(text).tolist() == [0, 1, 2, 3, 4, 4, 2, 3, 4]
        assert t.decode(t.encode(text)) == text
        assert tokenizer.from_json(t.to_json()).encode(text).tolist() == t.encode(text).tolist()

    @pytest.mark.parametrize("spec", ["split:", "split:4", "split:min=1", "split:min=", "split:min=-2", "split:max=4"])
    def test_a_least_count_that_is_none_says_how_to_write_it(self, spec):
        with pytest.raises(TokenizerError, match=f"'{spec}': split takes the least count .* as in split:min=4"):
            train(spec, "a b\n")

    @given(st.lists(st.lists(words)), layouts, st.data())
    def test_any_white_space_is_read_as_if_it_were_in_the_layout(self, lines, layout, data):
        """Whatever stands between words and at the edges of lines; and the same words are learned from it."""
        text = lay_out(lines, layout, [])
        t = train("split", text)
        space, edge = (st.text(" \t\r\f\v", min_size=least, max_size=3) for least in (1, 0))
        messy = "".join(
            data.draw(edge) + "".join(word + data.draw(space) for word in line) + data.draw(edge) + "\n"
            for line in lines
        )
        ids = t.encode(messy)
        assert ids.tolist() == t.encode(text).tolist()
        assert t.decode(ids) == text
        assert train("split", messy).to_json()["words"] == t.to_json()["words"]
        assert t.respaced(text) == 0
        assert t.respaced(messy) == sum(a != b for a, b in zip(messy.split("\n"), text.split("\n"), strict=True))

    @pytest.mark.parametrize(
        ("text", "layout"),
        [
            (" it was \n not \n", "leading"),
            (" it was \n \n not", "leading"),
            ("it was\n\nnot\n", "plain"),
            (" it was\nnot\n", "plain"),
            ("it was \nnot \n", "plain"),
            ("it\twas\r\nnot\r\n", "plain"),
        ],
    )
    def test_the_layout_is_that_of_the_first_line(self, text, layout):
        t = train("split", text)
        assert t.to_json()["layout"] == layout
        assert [t.token(i) for i in t.encode(text).tolist()] == text.replace("\n", " </s> ").split()

    def test_a_text_in_the_other_layout_has_the_same_ids(self):
        """As an imported model and a corpus may."""
        leading, plain = train("split", " it was \n not \n"), train("split", "it was\nnot\n")
        assert leading.encode("it was\nnot\n").tolist() == plain.encode(" it was \n not \n").tolist() == [0, 1, 3, 2, 3]

    def test_a_lone_surrogate_names_the_place(self):
        for read in (train("split", BROWN).encode, lambda text: train("split", text)):
            with pytest.raises(TokenizerError, match=r"line 2, column 4: '.ud800', a lone surrogate, is no text"):
                read("It said\nIt \ud800")

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("name", "vocab_size", "tokens"),
        [
            ("ptb/ptb.train.txt", 10_000, 929_589),
            ("wikitext2/wiki.train.tokens", 33_278, 2_088_628),
            ("brown/brown.txt", 56_058, 1_161_192 + 57_340),
        ],
    )
    def test_the_published_counts(self, name, vocab_size, tokens):
        text = mirrored(name)
        t = train("split", text)
        ids = t.encode(text)
        assert (t.vocab_size, len(ids)) == (vocab_size, tokens)
        assert t.decode(ids) == text


def mirrored(name: str) -> str:
    if not MIRROR:
        pytest.skip("LMZOO_MIRROR is not set: the public data sets are not here")
    return lzma.decompress((Path(MIRROR) / f"{name}.xz").read_bytes()).decode("utf-8")


class TestBadInput:
    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("wrod:50", "no tokenizer 'wrod:50': there are byte, char.*did you mean word?"),
            ("", "no tokenizer ''"),
            ("word", "must be a whole number from 1 to"),
            ("word:0", "must be a whole number from 1 to"),
            ("word:-3", "must be a whole number from 1 to"),
            ("word:many", "must be a whole number from 1 to"),
            ("word:" + "9" * 5000, "must be a whole number from 1 to"),
            ("bpe:256", "must be a whole number from 257 to"),
            ("byte:300", "has no size"),
        ],
    )
    def test_a_spec_that_names_nothing(self, spec, message):
        with pytest.raises(TokenizerError, match=message):
            train(spec, "some text")

    @pytest.mark.parametrize("ids", [[257], [-1], [0.5], [[1]], [True]])
    def test_ids_that_are_none(self, ids):
        t = train("byte", "")
        for method in t.decode, t.pieces:
            with pytest.raises(UsageError, match="token id"):
                method(ids)

    @pytest.mark.parametrize("token_id", [257, -1])
    def test_a_token_that_is_not_there(self, token_id):
        with pytest.raises(UsageError, match="vocabulary of 257"):
            train("byte", "").token(token_id)

    @pytest.mark.parametrize(
        "damage",
        [
            *({"spec": spec} for spec in ("wrod:3", "bpe", "", None, 3, ["word:3"])),
            *({"lines": lines} for lines in (None, 0, "true")),
            *({"format": form} for form in (None, "lmzoo tokenizer 999", {})),
            *({"words": w} for w in (None, "the", {}, [1], ["the", "the"], ["a"], [""], ["\ud800 x"])),
            *({"spec": "bpe:300", "merges": m} for m in (None, "a b", [1], ["a"], ["a  b"], ["a bc"], ["\x00 a"])),
            *({"spec": "char", "chars": c} for c in (None, "é", ["e"], ["éé"], ["é", "é"], [0xE9], ["\ud800"])),
            *({"spec": "split", "lines": True, "layout": "plain", "words": w} for w in (["a b"], [""], ["a\n"], None)),
            *({"spec": "split", "lines": True, "layout": layout, "words": []} for layout in (None, "tabs", [])),
            {"spec": "split", "lines": False, "layout": "plain", "words": []},
            {"spec": "split:min=4", "lines": True, "layout": "plain", "words": ["a"]},
        ],
    )  # fmt: skip
    def test_a_saved_tokenizer_that_is_damaged(self, damage):
        saved = train("word:3", ENGLISH).to_json()
        with pytest.raises(FormatError):
            tokenizer.from_json({**saved, **damage})

    @pytest.mark.parametrize("foreign", [None, [], "word:3", {}, {"model": {"type": "BPE"}}])
    def test_a_file_of_another_program(self, foreign):
        with pytest.raises(FormatError, match="not a saved tokenizer"):
            tokenizer.from_json(foreign)

    def test_saved_parts_of_one_kind_are_not_taken_for_another(self):
        saved = Char(["é"]).to_json()
        with pytest.raises(FormatError, match="words"):
            tokenizer.from_json({**saved, "spec": "word:3"})


MEASURE = """
import sys
from pathlib import Path
from lmzoo.data.tokenizers import train
def resident(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))
text = Path(sys.argv[2]).read_bytes().decode("utf-8")
t = train(sys.argv[1], text[:1_000_000])
t.encode(text[:3_000_000])  # long enough that what is compiled is loaded
Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
before = resident("VmRSS")
ids = t.encode(text)
print(resident("VmHWM") - before)
assert t.decode(ids) == text
"""


@pytest.mark.data
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
@pytest.mark.parametrize("spec", ["word:50000", "bpe:2048"])
def test_encoding_does_not_need_ten_times_the_text_in_memory(spec, tmp_path):
    text = mirrored("books/books.test.txt").encode("utf-8") * 2
    path = tmp_path / "books.txt"
    path.write_bytes(text)
    done = subprocess.run([sys.executable, "-c", MEASURE, spec, path], stdout=subprocess.PIPE, check=True)
    assert int(done.stdout) < 10 * len(text)


@given(st.text(alphabet="abn \n<é", max_size=40))
def test_merging_step_by_step_ends_at_what_encode_gives(text):
    bpe = train("bpe:280", "banana bandana ab ab nab <é> <é>\n" * 3)
    steps = bpe.merging(text)
    assert [number for number, _ in steps] == sorted({number for number, _ in steps})
    assert steps[-1][1] == [bpe.token(token) for token in bpe.encode(text).tolist()]
    assert len(steps[0][1]) == len(text.encode())


def test_unknown_words_are_those_without_a_token_each_time_they_occur():
    word = train("word:10", "the cat sat. the cat sat.")
    assert word.unknown_words("the cat sats, sats!") == (["sats", "sats"], 4)
    assert word.unknown_words("cat the") == (["cat"], 2)  # " cat" is a token, and "cat" is not
    split = train("split:min=2", "the cat\nthe cat\na dog\n")
    assert split.unknown_words("the zebra sat\n") == (["zebra", "sat"], 3)
    assert train("bpe:300", "the cat").unknown_words("zebra") == ([], 0)
