"""Texts that workers read in parts: cut at line ends, and whole when joined."""

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data import remote, tokenizers
from lmzoo.data.remote import RemoteText
from lmzoo.data.tokenizers import distributed
from lmzoo.errors import FormatError, UsageError
from tests.inline import Inline

WORDS = st.sampled_from(
    ["a", "bb", "Bär", "“quoted”", "it's", "<unk>", "\u3000", "1,000", "\n", "\n\n", " \n", "\r\n", " ", "  ", "\t"]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=40).map("".join)


def stored(text, url="memory://text.txt", tail=""):
    contents = text.encode()
    with fsspec.open(url, "wb") as file:
        file.write(contents)
    return RemoteText(url, len(contents), tail)


@pytest.fixture
def ranges_of(monkeypatch):
    """Ranges of so many bytes, read through windows of four."""

    def of(size):
        monkeypatch.setattr(remote, "SMALLEST", size)
        monkeypatch.setattr(remote, "LARGEST", size)
        monkeypatch.setattr(remote, "WINDOW", 4)

    return of


def test_ranges_end_behind_the_last_word_of_a_line(ranges_of):
    ranges_of(4)
    parts = [part.read() for part in stored("one two \nthree\n\nfour five\n").ranges(1)]
    assert [part for part in parts if part] == ["one two", " \nthree", "\n\nfour five", "\n"]


def test_the_tail_is_behind_the_last_range(ranges_of):
    ranges_of(4)
    assert "".join(part.read() for part in stored("one\ntwo", tail="\nthree\n").ranges(1)) == "one\ntwo\nthree\n"


def test_a_space_that_is_not_ascii_is_no_end_of_a_word(ranges_of):
    ranges_of(4)
    assert stored("a\u00a0\nb\n").ranges(1)[0].read() == "a\u00a0\nb"


def test_a_text_that_is_not_there_is_named():
    with pytest.raises(UsageError, match=r"nowhere\.txt is not there: give a path or URL that every worker"):
        RemoteText("memory://nowhere.txt", 5).read()


def test_a_text_of_another_size_is_another_text():
    with pytest.raises(FormatError, match="has 3 bytes here and 4 where"):
        RemoteText(stored("abc").url, 4).read()


def test_bytes_that_are_no_text_are_named():
    with fsspec.open("memory://latin1.txt", "wb") as file:
        file.write(b"caf\xe9 \n")
    with pytest.raises(FormatError, match=r"latin1.txt is not UTF-8: .* at byte 3"):
        RemoteText("memory://latin1.txt", 6).read()


def test_a_copy_is_written_once(tmp_path):
    copy = remote.copy("Bär\n", tmp_path / "x" / "copy.txt")
    assert copy.read() == "Bär\n"
    before = (tmp_path / "x" / "copy.txt").stat().st_mtime_ns
    assert remote.copy("Bär\n", tmp_path / "x" / "copy.txt") == copy
    assert (tmp_path / "x" / "copy.txt").stat().st_mtime_ns == before


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("spec", ["byte", "char", "word:3", "bpe:270", "split", "split:min=2"])
@given(text=TEXTS, tail=st.integers(0, 3), size=st.integers(1, 30), workers=st.integers(1, 3))
def test_any_parts_give_the_vocabulary_and_the_ids_of_the_whole(spec, lines, text, tail, size, workers):
    if spec.startswith("split"):
        text = " ".join(text.replace("\u3000", "x").split(" "))
        lines = True
    expected = tokenizers.train(spec, text, lines)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("SMALLEST", size), ("LARGEST", size), ("WINDOW", 4)):
            patch.setattr(remote, name, value)
        there = stored(text[: len(text) - tail], tail=text[len(text) - tail :])
        found = distributed.train(spec, there, lines, Inline(workers))
        ids = distributed.encode(found, there, Inline(workers))
    assert found.to_json() == expected.to_json()
    assert [token for chunk in ids.chunks for token in chunk] == expected.encode(text).tolist()
