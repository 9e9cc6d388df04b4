"""Files of word vectors: round trips, gensim in both directions, and every way in which a file can be wrong."""

import bz2
import gzip
import re
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lmzoo.errors import FormatError, UsageError
from lmzoo.formats import vectors as vector_files
from lmzoo.formats.vectors import read, reader, write
from lmzoo.formats.vectors.lines import parse
from lmzoo.interface import Progress

READABLE = ("word2vec", "word2vec-binary", "glove")
WORDS = ["the", "naïve", "日本", "don't", "0.5", "\u0085", "—"]
MATRIX = np.array([[0.418, -1e-12, 3.4e38], [0, 1 / 3, -16777216], [1e-45, 123456.79, 2e9]] * 3, np.float32)[:7]


def gensim():
    return pytest.importorskip("gensim.models", reason="gensim is not installed").KeyedVectors


def same(found, words, matrix):
    return found.words == list(words) and found.matrix.dtype == np.float32 and np.array_equal(found.matrix, matrix)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", READABLE)
def test_what_was_written_is_read(tmp_path, kind, suffix):
    file = tmp_path / f"any name{suffix}"
    write(file, WORDS, MATRIX, format=kind)
    found = read(file)
    assert same(found, WORDS, MATRIX)
    assert found.format == kind
    assert (file.read_bytes()[:2] == b"\x1f\x8b") == (suffix == ".gz")
    assert list(tmp_path.iterdir()) == [file]


# No white space, no lone surrogates, and no byte-order mark, which is a part of no word where it comes first.
words = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\r\v\f\ufeff"), min_size=1, max_size=8
)
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def vocabularies(draw):
    spelled = draw(st.lists(words, min_size=1, max_size=6, unique=True))
    dimensions = draw(st.integers(1, 5))
    return spelled, draw(arrays(np.float32, (len(spelled), dimensions), elements=floats))


@pytest.mark.parametrize("kind", READABLE)
@given(vocabulary=vocabularies())
@settings(max_examples=150, deadline=None)
def test_any_words_and_numbers_come_back(tmp_path_factory, kind, vocabulary):
    file = tmp_path_factory.mktemp("any") / "file"
    write(file, *vocabulary, format=kind)
    assert same(read(file, format=kind), *vocabulary)


@given(arrays(np.uint32, 500, elements=st.integers(0, 2**32 - 1)))
@settings(max_examples=50, deadline=None)
def test_every_float32_is_printed_with_enough_digits(tmp_path_factory, bits):
    numbers = bits.view(np.float32)
    numbers = np.where(np.isfinite(numbers), numbers, np.float32(0))
    file = tmp_path_factory.mktemp("bits") / "file"
    write(file, ["word"], [numbers])
    fields = file.read_text().split()[3:]
    assert np.array_equal(np.array(fields, np.float64).astype(np.float32), numbers)
    assert all(len(field) < vector_files.LONGEST_NUMBER for field in fields)
    assert np.array_equal(read(file).matrix[0], numbers)


def test_numbers_that_have_few_digits_are_printed_with_few(tmp_path):
    write(tmp_path / "file", ["a"], [[0.418, -0.24968, 0, 100, 1.5e-7, -2e20]], format="glove")
    assert (tmp_path / "file").read_text() == "a 0.418 -0.24968 0 100 1.5e-7 -2e20\n"


def test_the_most_frequent_word_is_written_first(tmp_path):
    write(tmp_path / "file", ["rare", "often", "rarer", "as often"[3:] + "2"], np.eye(4), counts=[2, 9, 1, 9])
    assert read(tmp_path / "file").words == ["often", "often2", "rare", "rarer"]
    assert np.array_equal(read(tmp_path / "file").matrix, np.eye(4)[[1, 3, 0, 2]])


# ── Beside gensim ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def random():
    rng = np.random.default_rng(0)
    matrix = (rng.normal(size=(500, 30)) * 10.0 ** rng.integers(-8, 8, (500, 1))).astype(np.float32)
    return [f"w{i}é" for i in range(500)], matrix, rng.integers(1, 50, 500)


HOW = {"word2vec": {}, "word2vec-binary": {"binary": True}, "glove": {"no_header": True}}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # gensim leaves a file open
@pytest.mark.parametrize("kind", READABLE)
def test_gensim_reads_what_we_write(tmp_path, random, kind):
    words, matrix, counts = random
    write(tmp_path / "file", words, matrix, counts, format=kind)
    theirs = gensim().load_word2vec_format(str(tmp_path / "file"), **HOW[kind])
    order = np.argsort(-counts, kind="stable")
    assert theirs.index_to_key == [words[i] for i in order]
    assert np.array_equal(theirs.vectors, matrix[order])


@pytest.mark.parametrize("kind", READABLE)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_we_read_what_gensim_writes(tmp_path, random, kind, suffix):
    words, matrix, _ = random
    theirs = gensim()(30)
    theirs.add_vectors(words, matrix)
    file = tmp_path / f"file{suffix}"
    theirs.save_word2vec_format(str(file), binary=kind == "word2vec-binary", write_header=kind != "glove")
    assert same(read(file), words, matrix)
    assert read(file).format == kind


def test_keyed_vectors_are_gensims_with_the_most_frequent_word_first(random):
    gensim()
    words, matrix, counts = random
    vectors = vector_files.to_keyed_vectors(words, matrix, counts)
    assert vectors.get_vecattr("w7é", "count") == counts[7]
    assert vectors.most_similar("w7é")
    order = np.argsort(-counts, kind="stable")
    assert vectors.index_to_key == [words[i] for i in order]
    assert np.array_equal(vectors.vectors, matrix[order])
    assert vectors.expandos["count"].tolist() == counts[order].tolist()
    assert "count" not in vector_files.to_keyed_vectors(words, matrix).expandos


def test_keyed_vectors_are_written_for_gensim_and_refused_when_read(tmp_path, random):
    words, matrix, counts = random
    write(tmp_path / "out.kv", words, matrix, counts, format="keyedvectors")
    theirs = gensim().load(str(tmp_path / "out.kv"))
    assert theirs.index_to_key == vector_files.to_keyed_vectors(words, matrix, counts).index_to_key
    assert np.array_equal(theirs["w3é"], matrix[3])
    with pytest.raises(FormatError, match=r"out.kv is a Python pickle, not word vectors: .*save_word2vec_format"):
        read(tmp_path / "out.kv")


def test_without_gensim_keyed_vectors_say_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gensim.models", None)
    with pytest.raises(UsageError, match="pip install gensim"):
        vector_files.to_keyed_vectors(["a"], [[1.0]])


# ── What others write ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "2 2\nthe 0.5 1\nof -2 3e-1\n",
        "2 2\nthe 0.5 1 \nof -2 3e-1 \n",  # a space at the line's end, as word2vec's own program writes it
        "2 2\r\nthe 0.5 1\r\nof -2 3e-1\r\n",
        "2 2\nthe\t0.5\t1\nof\t-2\t.3",
        "the 0.50000000000000000000 +1.\nof -2 3E-1\n",
        "the 0.5 1\nof -2 0.3\n\n \n",
        "2 2 \nthe 0.5 1\nof -2 0.3\n\n",
    ],
)  # fmt: skip
def test_the_ways_in_which_programs_write_the_same(tmp_path, text):
    (tmp_path / "file").write_bytes(text.encode())
    assert same(read(tmp_path / "file"), ["the", "of"], np.array([[0.5, 1], [-2, 0.3]], np.float32))


def test_words_with_spaces_as_in_glove_840b(tmp_path):
    lines = [". . . 0.1 0.2", "the 1 2", "of 3 4", "at name@domain.com 5 6"]
    (tmp_path / "file").write_text("\n".join(lines))
    assert read(tmp_path / "file").words == [". . .", "the", "of", "at name@domain.com"]
    assert read(tmp_path / "file").matrix[3].tolist() == [5, 6]


def test_binary_files_with_and_without_newlines_are_the_same(tmp_path):
    for newline in (b"", b"\n"):
        records = [word.encode() + b" " + row.tobytes() + newline for word, row in zip(WORDS, MATRIX, strict=True)]
        (tmp_path / "file").write_bytes(b"7 3\n" + b"".join(records))
        assert same(read(tmp_path / "file"), WORDS, MATRIX)


def test_a_vocabulary_of_numbers_is_no_header(tmp_path):
    (tmp_path / "file").write_text("12 7\n13 8\n")
    assert read(tmp_path / "file", format="glove").words == ["12", "13"]


@pytest.mark.parametrize("kind", READABLE)
@pytest.mark.parametrize("block", [1, 7, 100])
def test_blocks_may_end_anywhere(tmp_path, monkeypatch, kind, block):
    write(tmp_path / "file", WORDS, MATRIX, format=kind)
    monkeypatch.setattr(reader, "BLOCK", block)
    monkeypatch.setattr(reader, "HEAD", 50)
    assert same(read(tmp_path / "file"), WORDS, MATRIX)
    write(tmp_path / "again", WORDS, MATRIX, format=kind)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "file").read_bytes()


def test_progress_adds_up_to_the_file(tmp_path):
    class Recorder(Progress):
        @contextmanager
        def task(self, name, total=None):
            self.total, self.done = total, 0
            yield self

        def advance(self, amount=1, note=""):
            self.done += amount

    write(tmp_path / "file", WORDS, MATRIX)
    bars = Recorder()
    read(tmp_path / "file", progress=bars)
    assert bars.done == bars.total == (tmp_path / "file").stat().st_size


# ── What is wrong is said in one line ─────────────────────────────────────────────────────────────

BINARY = b"2 2\nthe " + np.array([0.5, 1], "<f4").tobytes() + b"\nof " + np.array([0.25, 3], "<f4").tobytes() + b"\n"


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (b"", "line 1: the file is empty"),
        (b" \n\n", "line 1: the file is empty"),
        (b"the 1 2\nof 3\n", "line 2: 1 number where most lines have 2"),
        (b"3 2\nthe 1 2\nof 3\nto 5 6\n", "line 3: 1 number where line 1 says 2"),
        (b"the 1 2of 3 4\nto 5 6\nin 7 8\n", "line 1: 4 numbers where most lines have 2, as of two lines in one"),
        (b"3 2\nthe 1 2\nof 3 4to 5 6\n", "line 3: 4 numbers where line 1 says 2, as of two lines in one"),
        (b"the 1 2\nof 3 x\n", "line 2: number 2 of 'of' is 'x', which is not a number"),
        (b"the 1 2\nof 3 1_0\n", "line 2: number 2 of 'of' is '1_0', which is not a number"),
        (b"3 2\nthe 1 2\nof 3 4\n", "line 1: 3 words are announced, and 2 are here: is the file cut short"),
        (b"1 2\nthe 1 2\nof 3 4\n", "line 1: 1 words are announced, and 2 are here"),
        (b"0 2\n", "line 1: 0 words of 2 numbers are announced, of which none can be"),
        (b"Once upon a time\nthere was\n", "line 1: 'Once upon a time' is neither a header"),
        (b"\x00\x01\x02 1 2\n", "is neither a header, 'words dimensions', nor a word and its numbers"),
        ("the 1 2\nof 3 4\n".encode("utf-16-le"), "no file of vectors: it is a text in UTF-16LE without its byte"),
        (b"<html>\n<body>\n", "this is no file of vectors: it is an HTML page; save its text"),
        (b'{"a": 1}\n', "this is no file of vectors: it is JSON lines"),
        (b"nan\n", "line 1: 'nan' is neither a header"),
        (b"\n\n\0", "is neither a header"),
        (b"\x0b\na", "is neither a header"),
        (b"the nan\n", "line 1: none of the words here has a vector that can be kept"),
        (b"\x93NUMPY\x01\x00", "file is a NumPy array (.npy), not word vectors"),
        (b"PK\x05\x06" + bytes(18), "file is an empty zip archive, not word vectors"),
        (b"\x80\x04\x95", "file is a Python pickle, not word vectors: loading one can run any code"),
        (b"version https://git-lfs.github.com/spec/v1\n", "file is a Git LFS pointer, not word vectors: the real"),
        (b"\xba\x16\x4f\x2f\x0c\x00", "file is a model in fastText's own format, not word vectors: use the .vec file"),
        (gzip.compress(b"the 1 2\n" * 9, mtime=0)[:-9], "file is damaged (Compressed file ended"),
        (b"\x1f\x8b\x08\x00and then nonsense", "file is damaged"),
        (BINARY[:-3], "word 2: the file ends here in 'of', and 2 words are announced"),
        (BINARY[:20], "word 2: the file ends here in 'of', and 2 words are announced"),
        (BINARY[:17], "word 2: the file ends here, and 2 words are announced"),
        (BINARY + b"to 1234", "word 3: there is text after the last of the announced words: 'to 1234'"),
        (BINARY.replace(b"of", b"o\nf"), "word 2: 'o\\nf' is no word: the file is damaged"),
        (b"9 2\n" + BINARY[4:17] + b"x" * 20_000, "word 2: no space ends it: the file is damaged"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, contents, says):
    (tmp_path / "file").write_bytes(contents)
    with pytest.raises(FormatError) as error:
        read(tmp_path / "file")
    assert str(error.value).startswith(f"{tmp_path / 'file'}")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


# ── One bad word does not cost the file ───────────────────────────────────────────────────────────

DUPLICATES = "duplicate words, of which the first was kept"
SPACES = "words with spaces in them"
NOT_FINITE = "vectors that are not finite, left out"
NOT_UTF8 = "words that are not UTF-8, whose bytes were spelled <0xNN>"
MARKS = "byte-order marks before words, left out: 2 (first: 'of'); vectors without a word, left out: 1"


@pytest.mark.parametrize(
    ("contents", "words", "note"),
    [
        (b"the 1 2\nof 3 4\nthe 5 6\n", ["the", "of"], DUPLICATES + ": 1 ('the')"),
        (b"3 2\nthe 1 2\nof 3 4\nof 5 6\n", ["the", "of"], DUPLICATES + ": 1 ('of')"),
        (b"2 2\nthe 1 2\nwindows 95 3 4\n", ["the", "windows 95"], SPACES + ": 1 ('windows 95')"),
        (b"the 1 2\nwindows 95 3 4\nof 5 6\n", ["the", "windows 95", "of"], SPACES + ": 1 ('windows 95')"),
        (b". . . 1 2\nat name 3 4\n", [". . .", "at name"], SPACES + ": 2 (first: '. . .')"),
        (b"the 1 2\nof nan 4\n", ["the"], NOT_FINITE + ": 1 ('of')"),
        (b"3 2\nto -inf 1\nthe 1 2\nof 3 1e39\n", ["the"], NOT_FINITE + ": 2 (first: 'to')"),
        (b"3 2\nthe 1 2\n 3 4\nof 5 6\n", ["the", "of"], "vectors without a word, left out: 1"),
        (b"the 1 2\n of 3 4\n", ["the", "of"], None),
        (b"<head> 1 2\n{ 3 4\n", ["<head>", "{"], None),
        (b"{ 1 2\nBZh 3 4\n", ["{", "BZh"], None),
        (b"2 2\nthe 1 2\n\nof 3 4\n", ["the", "of"], None),
        (b"\xef\xbb\xbf2 2\nthe 1 2\nof 3 4\n", ["the", "of"], None),
        (b"\xef\xbb\xbfthe 1 2\nof 3 4\n", ["the", "of"], None),
        (b"the 1 2\n\xef\xbb\xbfof 3 4\n\xef\xbb\xbf 5 6\n", ["the", "of"], MARKS),
        ("2 2\nthe 1 2\nof 3 4\n".encode("utf-16"), ["the", "of"], None),
        (bz2.compress(b"the 1 2\nof 3 4\n"), ["the", "of"], None),
        ("10\u00a0km 1 2\nof\u3000to 3 4\n\u0085 5 6\n".encode(), ["10\u00a0km", "of\u3000to", "\u0085"], None),
        (b"a 1 2\nna\xefve 3 4\n", ["a", "na<0xEF>ve"], NOT_UTF8 + ": 1 ('na<0xEF>ve')"),
        (BINARY.replace(b"of", b"the"), ["the"], DUPLICATES + ": 1 ('the')"),
        (BINARY.replace(b"of", b"\xd0\xbe\xd0"), ["the", "о<0xD0>"], NOT_UTF8 + ": 1 ('о<0xD0>')"),
        (BINARY.replace(b"of", b"na\xefve"), ["the", "na<0xEF>ve"], NOT_UTF8 + ": 1 ('na<0xEF>ve')"),
        (BINARY.replace(b"\x00\x00\x80\x3e", b"\x00\x00\xc0\x7f"), ["the"], NOT_FINITE + ": 1 ('of')"),
        (BINARY.replace(b"of ", b" "), ["the"], "vectors without a word, left out: 1"),
    ],
)  # fmt: skip
def test_what_is_good_is_kept_and_one_note_counts_the_rest(tmp_path, contents, words, note):
    (tmp_path / "file").write_bytes(contents)
    found = read(tmp_path / "file")
    assert found.words == words
    assert len(found.matrix) == len(words)
    assert found.notes == ([note] if note else [])


@pytest.mark.parametrize("newline", [b"", b"\n"])
@pytest.mark.parametrize("block", [1 << 23, 100])
def test_in_binary_files_a_word_with_a_space_shifts_the_records(tmp_path, monkeypatch, newline, block):
    monkeypatch.setattr(reader, "BLOCK", block)
    monkeypatch.setattr(reader, "HEAD", block)
    numbers = np.random.default_rng(0).normal(size=(4, 50)).astype("<f4")
    spelled = [b"the", b"of", b"new york", "10\u00a0km".encode()]
    records = [word + b" " + row.tobytes() + newline for word, row in zip(spelled, numbers, strict=True)]
    (tmp_path / "file").write_bytes(b"4 50\n" + b"".join(records))
    with pytest.raises(FormatError, match=r"word 4 begins inside .* perhaps word 3, 'new', shifts all"):
        read(tmp_path / "file")


def as_bytes(kind, words, rows):
    """A file as `write` makes it, which cannot be asked for words with spaces or twice."""
    numbers = [
        row.astype("<f4").tobytes() if kind == "word2vec-binary" else b" ".join(b"%g" % x for x in row) for row in rows
    ]
    lines = [word + b" " + row + b"\n" for word, row in zip(words, numbers, strict=True)]
    return (b"%d %d\n" % rows.shape if kind != "glove" else b"") + b"".join(lines)


BAD = [
    b"the",
    b"a b",
    b"\xd0\xbe\xd0",
    b"\xef\xbb\xbfof",
    b"10\xc2\xa0km",
    b"\xe3\x80\x80",
    b"x\x85",
    b"\x1c",
    b"95 95",
]


@pytest.mark.parametrize("kind", READABLE)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_bad_words_cost_themselves_alone(tmp_path_factory, kind, data):
    words = data.draw(st.lists(st.sampled_from([b"to", b"in", *BAD]), min_size=1, max_size=9))
    words = [b"w%d" % n if b" " in word and kind == "word2vec-binary" else word for n, word in enumerate(words)]
    rows = np.arange(1, len(words) * 4 + 1, dtype=np.float32).reshape(-1, 4)
    file = tmp_path_factory.mktemp("bad") / "file"
    good = [f"good{n}" for n in range(10)]
    file.write_bytes(as_bytes(kind, [*map(str.encode, good), *words], np.concatenate([np.ones((10, 4)), rows])))
    expected = {word: np.ones(4) for word in good}
    for word, row in zip(words, rows, strict=True):
        text = word.decode("utf-8", "backslashreplace").replace("\\xd0", "<0xD0>").replace("\\x85", "<0x85>")
        expected.setdefault(text.removeprefix("\ufeff"), row)
    found = read(file, format=kind)
    assert same(found, expected, np.array(list(expected.values()), np.float32))
    odd = len(set(words)) < len(words) or any(
        b" " in w or b"\xef" in w or w in (b"x\x85", b"\xd0\xbe\xd0") for w in words
    )
    assert len(found.notes) == odd
    for count in map(int, re.findall(r": (\d+)", "".join(found.notes))):
        assert 1 <= count <= len(words)


@pytest.mark.parametrize("kind", READABLE)
@given(at=st.integers(0, 400), written=st.binary(max_size=4), lost=st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_whatever_is_damaged_is_read_or_refused_in_one_line(tmp_path_factory, kind, at, written, lost):
    contents = as_bytes(kind, [f"wörd{n}".encode() for n in range(9)], np.full((9, 4), 0.25, np.float32))
    file = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    file.write_bytes(contents[:at] + written + contents[at + lost :])
    refused = None
    try:
        found = read(file)
    except FormatError as error:
        refused = str(error)
    if refused is not None:
        assert refused.startswith(str(file)) and "\n" not in refused
        return
    assert len(found.words) == len(set(found.words)) == len(found.matrix)
    assert np.isfinite(found.matrix).all()
    if found.format == kind and found.matrix.shape[1] == 4 and not found.notes and not lost and not written:
        assert len(found.words) == 9


def test_gensim_reads_bad_words_the_same(tmp_path):
    words = [b"the", b"of", b"the", b"na\xefve", b"10\xc2\xa0km", b"\xd0\xbe\xd0"]
    for kind in READABLE[:2]:
        file = tmp_path / kind
        file.write_bytes(as_bytes(kind, words, np.arange(12, dtype=np.float32).reshape(6, 2)))
        theirs = gensim().load_word2vec_format(str(file), binary=kind != "word2vec", unicode_errors="backslashreplace")
        found = read(file)
        spelled = [re.sub("<0x(..)>", lambda byte: f"\\x{byte[1].lower()}", word) for word in found.words]
        assert [*spelled, None] == theirs.index_to_key  # gensim leaves the place of the duplicate empty
        assert np.array_equal(found.matrix, theirs.vectors[:5])


def test_wrong_lines_are_counted_over_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "BLOCK", 64)
    monkeypatch.setattr(reader, "HEAD", 64)
    (tmp_path / "file").write_text("".join(f"w{i} 1 2\n" for i in range(99)) + "bad 1\nmore 1 2\n")
    with pytest.raises(FormatError, match="line 100: 1 number where most lines have 2"):
        read(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("missing", None, "missing cannot be read: No such file or directory"),
        ("", None, "is a folder, not a file"),
        ("file", "glov", "no format 'glov'; did you mean glove?"),
        ("file", "word2vec", "line 1: 'the 1 2' is not the two numbers, of words and dimensions, that word2vec has"),
    ],
)
def test_files_and_formats_that_are_none(tmp_path, name, kind, says):
    (tmp_path / "file").write_text("the 1 2\n")
    with pytest.raises(UsageError) as error:
        read(tmp_path / name, format=kind)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("words", "matrix", "counts", "says"),
    [
        (["a", "b"], [[1.0]], None, "2 words need a matrix with as many rows, not one of shape (1, 1)"),
        ([], np.zeros((0, 3)), None, "0 words need a matrix"),
        (["a"], [[1.0]], [1, 2], "1 words need as many counts, not counts of shape (2,)"),
        (["a b"], [[1.0]], None, "'a b' cannot be written: a word in a file of vectors is text without white space"),
        ([""], [[1.0]], None, "'' cannot be written"),
        (["\ud800"], [[1.0]], None, "'\\ud800' cannot be written"),
        (["a", "a"], [[1.0], [2.0]], None, "the word 'a' is given 2 times"),
        (["a", "b"], [[1.0], [np.nan]], None, "the vector of 'b' is not finite"),
    ],
)
@pytest.mark.parametrize("kind", READABLE)
def test_what_cannot_be_written_leaves_nothing(tmp_path, words, matrix, counts, says, kind):
    with pytest.raises(UsageError) as error:
        write(tmp_path / "file", words, matrix, counts, format=kind)
    assert says in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_line_read_slowly_is_the_line_read_fast(tmp_path):
    line = "word 0.1 -2.5e-7 33 +4 .5 6. 1e20"
    (tmp_path / "file").write_text(line + "\n")
    word, numbers = parse(line.encode(), 7, "")
    assert same(read(tmp_path / "file"), [word.decode()], numbers[None])
