"""Files of word vectors: round trips, gensim in both directions, and every way in which a file can be wrong."""

import gzip
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lmzoo.errors import FormatError, UsageError
from lmzoo.formats import vectors as vector_files
from lmzoo.formats.vectors import read, write
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


# No white space, no lone surrogates; and a word that gensim and we spell alike in UTF-8.
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\r\v\f"), min_size=1, max_size=8)
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
    with pytest.raises(FormatError, match=r"out.kv, line 1: this is a Python pickle.*save_word2vec_format"):
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
    monkeypatch.setattr(vector_files, "BLOCK", block)
    monkeypatch.setattr(vector_files, "HEAD", 50)
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
        (b"the 1 2\nof 3\n", "line 2: 1 number where line 1 has 2"),
        (b"3 2\nthe 1 2\nof 3\nto 5 6\n", "line 3: 1 number where line 1 says 2"),
        (b"the 1 2\nof 3 4 5\nto 5 6\n", "line 2: 3 numbers where line 1 has 2"),
        (b"the 1 2\nof 3 x\n", "line 2: 'x', which is not a number, as number 2 of 'of'"),
        (b"the 1 2\nof 3 1_0\n", "line 2: '1_0', which is not a number"),
        (b"the 1 2\nof nan 4\n", "line 2: nan, where vectors must be finite, as number 1 of 'of'"),
        (b"2 2\nthe 1 2\nof 3 -inf\n", "line 3: -inf, where vectors must be finite, as number 2 of 'of'"),
        (b"the 1 2\nof 3 1e39\n", "line 2: inf, where vectors must be finite"),
        (b"the 1 2\n\nof 3 4\n", "line 2: a blank line, where a word and 2 numbers are due"),
        (b"the 1 2\n 3 4 5\n", "line 2: the line begins with white space, where a word is due: ' 3 4 5'"),
        (b"the 1 2\nof 3 4\nthe 5 6\n", "line 3: the word 'the' again, which line 1 has: leave one of the two out"),
        (b"3 2\nthe 1 2\nof 3 4\nof 5 6\n", "line 4: the word 'of' again, which line 3 has"),
        (b"3 2\nthe 1 2\nof 3 4\n", "line 1: 3 words are announced, and 2 are here: is the file cut short"),
        (b"1 2\nthe 1 2\nof 3 4\n", "line 1: 1 words are announced, and 2 are here"),
        (b"0 2\n", "line 1: 0 words of 2 numbers are announced, of which none can be"),
        (b"the 1 2\nna\xefve 3 4\n", "line 2: the word 'na\ufffdve' is not UTF-8: convert the file, as with iconv"),
        (b"2 2\nna\xefve 3 4\nof 3 4\n", "line 2: the word 'na\ufffdve' is not UTF-8"),
        (b"Once upon a time\nthere was\n", "line 1: 'Once upon a time' is neither a header"),
        (b"\x00\x01\x02 1 2\n", "is neither a header, 'words dimensions', nor a word and its numbers"),
        (b"\x93NUMPY\x01\x00", "line 1: this is a numpy array, which has no words"),
        (b"PK\x03\x04glove.6B.50d.txt", "line 1: this is a zip archive: unpack it"),
        (b"\x80\x04\x95", "line 1: this is a Python pickle"),
        (gzip.compress(b"the 1 2\n" * 9, mtime=0)[:-9], "the compressed file is damaged or cut short"),
        (b"\x1f\x8b\x08\x00and then nonsense", "the compressed file is damaged or cut short"),
        (BINARY[:-3], "word 2: the file ends here in 'of', and 2 words are announced"),
        (BINARY[:20], "word 2: the file ends here in 'of', and 2 words are announced"),
        (BINARY[:17], "word 2: the file ends here, and 2 words are announced"),
        (BINARY + b"to 1234", "word 3: 'to 1234' stands behind the last of the announced words"),
        (BINARY.replace(b"of", b"the"), "word 2: the word 'the' again, which word 1 has"),
        (BINARY.replace(b"of", b"\xff\xfe"), "word 2: the word '\ufffd\ufffd' is not UTF-8"),
        (BINARY.replace(b"of", b"o\nf"), "word 2: 'o\\nf' is no word: the file is damaged"),
        (BINARY.replace(b"\x00\x00\x80\x3e", b"\x00\x00\xc0\x7f"), "word 2: nan, where vectors must be finite, as "),
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


def test_wrong_lines_are_counted_over_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_files, "BLOCK", 64)
    monkeypatch.setattr(vector_files, "HEAD", 64)
    (tmp_path / "file").write_text("".join(f"w{i} 1 2\n" for i in range(99)) + "bad 1\nmore 1 2\n")
    with pytest.raises(FormatError, match="line 100: 1 number where line 1 has 2"):
        read(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("missing", None, "missing cannot be read: No such file or directory"),
        ("", None, "cannot be read: Is a directory"),
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
