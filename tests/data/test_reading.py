"""How every reader opens a file: unpacked, in UTF-8, unmarked, and no more of it than is safe."""

import bz2
import gzip
import io
import lzma
import os
import random
import sys
import zipfile

import pytest

from lmzoo.data import reading
from lmzoo.data.reading import open_bytes, read_bytes, read_text
from lmzoo.errors import FormatError, UsageError
from lmzoo.progress import Progress

TEXT = "The cat sat on the mat.\r\nΗ γάτα κάθισε.\n𝄞\n"


def zstd(contents):
    module = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    return module.compress(contents)


def zipped(contents, name="a.txt", *more):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in (name, *more):
            archive.writestr(each, contents)
    return file.getvalue()


PACKERS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd, "zip": zipped}


@pytest.fixture(params=PACKERS, name="pack")
def packer(request):
    return PACKERS[request.param]


@pytest.fixture
def put(tmp_path):
    def write(contents):
        (tmp_path / "own.txt").write_bytes(contents)
        return tmp_path / "own.txt"

    return write


def refused(read, *arguments, **options):
    with pytest.raises(FormatError) as caught:
        read(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_packed_or_not_and_in_any_utf_the_text_is_the_same(put, pack, codec):
    for contents in (TEXT.encode(codec), pack(TEXT.encode(codec))):
        text, kind = read_text(put(contents))
        assert text == TEXT
        assert kind.text


def test_several_packed_parts_are_one_text(put):
    for pack in (gzip.compress, bz2.compress, lzma.compress, zstd):  # as parallel packers write them
        assert read_text(put(pack(TEXT.encode()) * 2))[0] == TEXT * 2


def test_a_stream_is_read_in_pieces(put):
    contents = (TEXT * 10_000).encode()
    for packed in (gzip.compress(contents), (TEXT * 10_000).encode("utf-16")):
        stream, _ = open_bytes(put(packed))
        with stream:
            assert b"".join(iter(lambda: stream.read(12_345), b"")) == contents  # noqa: B023


def test_what_is_no_text_is_passed_on_and_named(put):
    vectors = b"1 2\nthe \x00\x00\x80?\x00\x00\x80?\n"
    contents, kind = read_bytes(put(gzip.compress(vectors)))
    assert contents == vectors
    assert kind.name == "word2vec"
    assert "own.txt is vectors in word2vec's binary format, not a corpus" in refused(
        read_text, put(vectors), "a corpus"
    )


def test_a_packed_file_cut_short_or_damaged_is_refused(put, pack):
    packed = pack(os.urandom(1000))
    assert "own.txt" in refused(read_bytes, put(packed[: len(packed) // 2]))
    broken = bytearray(pack(b"".join(b"line %d\n" % i for i in range(1000))))
    broken[len(broken) // 3 : len(broken) // 2] = b"\0" * (len(broken) // 2 - len(broken) // 3)
    assert "own.txt" in refused(read_bytes, put(bytes(broken)))


def test_a_decompression_bomb_is_stopped(put, pack, monkeypatch):
    monkeypatch.setattr(reading, "LEAST_UNPACKED", 10_000)
    message = refused(read_bytes, put(pack(b"a" * 5_000_000)))
    assert "bytes in it: if you trust it, unpack it" in message


def test_no_more_than_the_limit_is_read(put, pack):
    for contents in (TEXT.encode(), pack(TEXT.encode())):
        assert read_bytes(put(contents), limit=1000)[0] == TEXT.encode()
    assert "100" in refused(read_bytes, put(b"a" * 101), limit=100)
    assert "1,000 bytes" in refused(read_bytes, put(pack(os.urandom(700) + b"a" * 400)), limit=1000)


def test_a_zip_of_several_files_is_named(put):
    message = refused(read_bytes, put(zipped("x", "train.txt", "test.txt")))
    assert "a zip archive with 2 files (train.txt, test.txt): unpack it and give one of them, or the folder" in message
    assert "no file in it" in refused(read_bytes, put(zipped("", "folder/")))


def test_what_macos_adds_to_a_zip_is_no_file_of_it(put):
    assert read_bytes(put(zipped("x", "a.txt", "__MACOSX/._a.txt", ".DS_Store")))[0] == b"x"


def test_a_folder_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="a folder"):
        open_bytes(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_bytes(tmp_path / "nothing")


def test_a_mark_that_lies(put):
    assert "begins as UTF-16-LE and is none" in refused(read_bytes, put(b"\xff\xfeodd"))


def test_progress_is_that_through_the_file_as_it_lies_there(put, pack, monkeypatch):
    monkeypatch.setattr(reading, "PIECE", 50_000)
    path = put(pack("".join(map(str, random.Random(1).choices(range(10**9), k=50_000))).encode()))
    steps = []
    monkeypatch.setattr(Progress, "advance", lambda _, amount: steps.append(amount))
    read_text(path)
    assert len(steps) > 5
    assert sum(steps) == pytest.approx(path.stat().st_size, rel=0.2)


def test_without_the_package_for_zstandard_it_is_named(put, monkeypatch):
    path = put(zstd(TEXT.encode()))
    for name in ("backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    for package in ("backports", "compression"):
        if package in sys.modules:
            monkeypatch.delattr(sys.modules[package], "zstd", raising=False)
    with pytest.raises(UsageError, match=r"needs backports.zstd, which is not installed: pip install backports.zstd"):
        read_bytes(path)
