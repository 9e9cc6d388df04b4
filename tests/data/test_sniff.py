"""What a file is, by its first bytes: no name is believed, and no advice destroys a file."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data.sniff import HEAD, Kind, not_utf8, sniff, unreadable

PLAIN = "The cat sat on the mat.\nΗ γάτα κάθισε.\n"


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return file.getvalue()


def saved(array):
    file = io.BytesIO()
    np.savez(file, a=array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (PLAIN.encode(), "text"),
        (b"", "text"),
        (b"\xef\xbb\xbfThe cat", "text"),
        (PLAIN.encode("utf-16"), "utf-16-le"),
        (b"\xfe\xff" + PLAIN.encode("utf-16-be"), "utf-16-be"),
        (PLAIN.encode("utf-32"), "utf-32-le"),
        (b'{"text": "The cat"}\n{"text": "The dog"}\n', "jsonl"),
        (b'{"text": "%s' % (b"The cat " * HEAD)[: HEAD - 10], "jsonl"),  # a line longer than the head
        (b'{\n  "text": "The cat"\n}', "json"),
        (b"{ x } is a set\n", "text"),
        (b"[1] The first note\n", "text"),
        (b"\n <!DOCTYPE html><html>", "html"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "pdf"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n", "lfs"),
        (b"\xba\x16\x4f\x2f\x0c\0\0\0", "fasttext"),
        (b"2 3\nthe \x00\x00\x80?\x00\x00\x80?\x00\x00\x80?\n", "word2vec"),
        (b"2 3\nthe 1 2 3\n", "text"),
        (pickle.dumps({"a": 1}), "pickle"),
        (pickle.dumps([1], protocol=2), "pickle"),
        (len(h := json.dumps({"w": {}}).encode()).to_bytes(8, "little") + h, "safetensors"),
        (b"GGUF\3\0\0\0", "gguf"),
        (b"GGUF is a format of files.\n", "text"),
        (b"SQLite format 3\0", "sqlite"),
        (zipped("a.txt"), "zip"),
        (zipped("archive/data.pkl", "archive/data/0"), "pytorch"),
        (zipped("[Content_Types].xml", "word/document.xml"), "office"),
        (saved(np.zeros(3)), "npz"),
        (b"\0" * 50, "zeros"),
        (b"a\0\0b" * 50, "binary"),
        (b"names/that/find\0gives/with/-print0\0" * 9, "text"),
        (np.arange(9000, 99_000_000, 99_000, np.int32).tobytes(), "binary"),
        (np.arange(1, 99, dtype=">i4").tobytes(), "binary"),
        (b"BZh is how bzip2 files begin.\n", "text"),
        (bytes(range(256)), "binary"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,  # a zip begins with the time: each worker has another
)
def test_a_kind_is_recognised_by_the_first_bytes(head, name):
    assert sniff(head).name == name
    assert sniff(head, "anything.txt").name == name


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [PLAIN, "Кошка сидела на коврике.\n" * 3, "le chat était assis sur le tapis"])
def test_utf_16_without_its_mark_is_named_and_not_read(codec, text):
    kind = sniff(text.encode(codec))
    assert kind.name == codec
    assert not kind.text
    assert f"iconv -f {codec[:6].upper()}{codec[-2:].upper()} -t UTF-8 OLD > NEW" in kind.advice


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")))
def test_utf_8_without_zero_bytes_is_a_text_or_said_to_be_in_a_markup(text):
    assert sniff(text.encode()).name in ("text", "json", "jsonl", "html", "pdf", "rtf", "postscript", "tar")


@given(st.binary(max_size=200))
def test_any_bytes_have_a_kind(head):
    kind = sniff(head)
    assert kind.words
    assert kind.text or kind.advice


@pytest.mark.parametrize(
    ("contents", "advice"),
    [
        ("Le café est fermé, hélas.\n".encode("latin1") * 3, "iconv -f LATIN1"),
        ("He said “it’s closed” – twice.\n".encode("cp1252") * 3, "iconv -f WINDOWS-1252"),
        ("Кошка сидела на коврике.\n".encode("koi8-r"), "iconv -f ENCODING"),
        ("猫がマットの上に座った。\n".encode("shift-jis"), "iconv -f ENCODING"),
        ("Η γάτα κάθισε.\n".encode() * 3 + b"\xff\n", "correct that line"),
        ("Η γάτα".encode()[:-1], "cut short"),
        (b"a surrogate half \xed\xa0\x80 in it", "surrogate"),
        (b"text, then " + bytes(range(256)), "give the file that has the text"),
    ],
    ids=["latin1", "windows", "koi8", "shift-jis", "damaged", "cut", "surrogate", "binary"],
)
def test_what_is_said_of_a_text_that_is_no_utf_8(contents, advice):
    with pytest.raises(UnicodeDecodeError) as caught:
        contents.decode()
    message = str(not_utf8("own.txt", contents, caught.value))
    assert advice in message
    assert f"at offset {caught.value.start}, line " in message
    assert ("LATIN1" in message) == (advice == "iconv -f LATIN1")  # only where it would give what was written


def test_the_error_names_file_kind_and_what_to_do():
    message = str(unreadable("vectors.bin", sniff(b"version https://git-lfs.github.com/spec/v1"), "vectors"))
    assert message.startswith("vectors.bin is a Git LFS pointer, not vectors: ")
    assert "git lfs pull" in message
    assert str(unreadable("x", Kind("a", "an apple"), "a text")) == "x is an apple, not a text"
