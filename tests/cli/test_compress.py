"""`lmzoo compress`, `decompress` and `certify`: what a lecturer sees, and what is said of what cannot be."""

import hashlib
import json
import random

import pytest

from lmzoo.cli.compress import certify_runs, compress_file, decompress_file
from lmzoo.compression import certify, codec
from lmzoo.compression.container import SIZE
from lmzoo.data import corpus
from lmzoo.errors import LmzooError
from lmzoo.interface import Run
from lmzoo.runs import store, train

SENTENCES = ["the cat sat on the mat.", "then a dög saw the cat.", "a cart was in the log and sad."]
LETTER = "the dög and the cat sat in a cart.\n" * 30

MUTE = """
from dataclasses import dataclass
from lmzoo.interface import Model

@dataclass
class Mute(Model):
    name = "mute"

    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        return self
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text of a few sentences over and over, with runs of a trigram and of a unigram on it."""
    place, source = tmp_path_factory.mktemp("codec"), random.Random(0)
    (place / "own.txt").write_text("\n".join(source.choice(SENTENCES) for _ in range(400)))
    text = train.encode(corpus.load(place / "own.txt"), "char", Run())
    for order in ("1", "3"):
        train.save(train.fit("ngram", {"order": order}, text, Run()), place / f"order{order}")
    (place / "mute.py").write_text(MUTE)
    train.save(train.fit(str(place / "mute.py"), {}, text, Run()), place / "mute")
    for name in ("letter.txt", "same.txt"):
        (place / name).write_text(LETTER)
    return place


@pytest.fixture
def lmzoo(calling, monkeypatch, folder):
    """Call one of the three commands in an application of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(folder)
    return calling(compress=compress_file, decompress=decompress_file, certify=certify_runs)


def test_a_file_comes_back(lmzoo, folder):
    code, out, err = lmzoo("compress", "order3", "letter.txt")
    assert (code, err) == (0, "")
    assert f"letter.txt: {len(LETTER.encode()):,} bytes → letter.txt.lmz: " in out
    assert (folder / "letter.txt.lmz").stat().st_size < len(LETTER) / 3
    (folder / "letter.txt").unlink()
    code, out, err = lmzoo("decompress", "order3", "letter.txt.lmz")
    assert (code, err, out) == (0, "", f"letter.txt.lmz → letter.txt: {len(LETTER.encode()):,} bytes\n")
    assert (folder / "letter.txt").read_text() == LETTER


@pytest.mark.parametrize(
    "data", [b"", b"x", bytes(range(256)), b"caf\xe9 caf\xe9\n"], ids=["empty", "x", "all", "latin"]
)
def test_any_file_comes_back(lmzoo, folder, data):
    (folder / "any").write_bytes(data)
    facts = json.loads(lmzoo("compress", "order3", "any", "-o", "any.z", "--overwrite", "--json")[1])
    assert facts["file"] == "any.z"
    assert (facts["bytes"], facts["original_bytes"]) == ((folder / "any.z").stat().st_size, len(data))
    back = json.loads(lmzoo("decompress", "order3", "any.z", "-o", "back", "--overwrite", "--json")[1])
    assert back == {"file": "back", "bytes": len(data), "sha256": facts["sha256"]}
    assert (folder / "back").read_bytes() == data


def test_what_cannot_be_is_said_in_one_line_and_leaves_nothing(lmzoo, folder):
    lmzoo("compress", "order3", "same.txt", "-o", "packed.lmz")
    whole = (folder / "packed.lmz").read_bytes()
    (folder / "short.lmz").write_bytes(whole[:-1])
    (folder / "nothing.lmz").write_bytes(b"")
    (folder / "packed").write_bytes(b"")
    for arguments, said in (
        (("decompress", "order1", "packed.lmz", "-o", "new"), "packed.lmz: it was compressed with another model"),
        (("decompress", "order3", "short.lmz"), "short.lmz: it is damaged or cut short"),
        (("decompress", "order3", "nothing.lmz"), "nothing.lmz: it is empty"),
        (("decompress", "order3", "own.txt", "-o", "new"), "own.txt: it was not written by `lmzoo compress`"),
        (("decompress", "order3", "own.txt"), "does not end in .lmz: name the file to write with --out"),
        (("decompress", "order3", "packed.lmz"), "packed exists already"),
        (("decompress", "order3", "gone.lmz"), "gone.lmz cannot be read: No such file"),
        (("compress", "order3", "own.txt", "-o", "no/where"), "there is no folder no"),
        (("compress", "mute", "own.txt", "-o", "new", "--code", "mute.py"), "mute gives no probability to a text"),
        (("compress", "gone", "own.txt", "-o", "new"), "no run at gone"),
        (("certify", "order3", "--split", "tests"), "no split 'tests'; did you mean test?"),
        (("certify", "order3", "--characters", 0), "--characters must be 1 or more, not 0"),
        (("certify", "mute", "--code", "mute.py"), "mute gives no probability to a text"),
    ):
        code, out, err = lmzoo(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert said in err
    assert not any((folder / name).exists() for name in ("new", "short", "nothing", "gone"))


@pytest.fixture
def in_this_process(monkeypatch):
    """Decompress here: what a new process does is tested below and in tests/compression/test_certify.py."""
    monkeypatch.setattr(
        certify, "_elsewhere", lambda run, file, code: (codec.decompress(store.load(run, code), file), 0.0)
    )


@pytest.mark.usefixtures("in_this_process")
def test_a_certificate_has_the_evaluators_bits_beside_those_of_a_file_that_came_back(lmzoo, folder):
    (one,) = json.loads(lmzoo("certify", "order3", "--json")[1])
    text_model = store.load(folder / "order3")
    text = corpus.load(folder / "own.txt").test
    assert one["bits"] == codec.payload_bits(codec.compress(text_model, text.encode()))
    assert one["file_bytes"] == one["bits"] / 8 + SIZE
    assert 0 <= one["bits"] - one["evaluated_bits"] <= 64
    assert (one["characters"], one["bytes"]) == (len(text), len(text.encode()))
    assert one["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert one["notes"] == []


@pytest.mark.usefixtures("in_this_process")
def test_runs_stand_below_each_other_and_may_be_asked_for_a_beginning(lmzoo):
    code, out, err = lmzoo("certify", "order1", "order3", "--characters", 200)
    assert (code, err) == (0, "")
    rows = [line.split()[0] for line in out.splitlines() if "%" in line]
    assert rows == ["order1", "order3"]
    assert out.count("over 200 characters; every byte came back") == 2


def test_another_text_that_comes_back_is_no_certificate(lmzoo, monkeypatch, folder):
    text = corpus.load(folder / "own.txt").test[:50].encode()
    monkeypatch.setattr(certify, "_elsewhere", lambda *given: (text[:-1] + b"!", 0.0))
    code, out, err = lmzoo("certify", "order3", "--characters", 50)
    assert (code, out) == (1, "")
    assert "order3: another text came back: it differs from byte" in err


def test_what_the_other_process_says_is_passed_on(folder, tmp_path):
    file = codec.compress(store.load(folder / "order1"), b"the cat")
    assert certify._elsewhere(folder / "order1", file, None)[0] == b"the cat"
    with pytest.raises(LmzooError, match=r"process of its own: .*compressed with another model"):
        certify._elsewhere(folder / "order3", file, None)


def test_of_lines_only_whole_ones_are_certified():
    text = "one\ntwo\nthree"
    assert [certify._beginning(text, n, "lines") for n in (1, 4, 6, 8, 12)] == [
        "one\n",
        "one\n",
        "one\n",
        *["one\ntwo\n"] * 2,
    ]
    assert [certify._beginning(text, n, "stream") for n in (1, 6, 99)] == ["o", "one\ntw", text]
    assert certify._beginning("no end", 3, "lines") == "no "


def test_more_bits_than_the_evaluator_says_are_remarked_upon(folder, monkeypatch):
    said = certify.evaluate

    def flattering(*arguments):
        from dataclasses import replace

        score = said(*arguments)
        return replace(score, bits=score.bits / 2)

    monkeypatch.setattr(certify, "evaluate", flattering)
    monkeypatch.setattr(certify, "_elsewhere", lambda run, file, code: (b"the cat sat", 0.0))
    monkeypatch.setattr(certify, "_refuse_other", lambda back, data: None)
    found = certify.certify(folder / "order3", characters=400)
    assert any("more bits than the evaluator says" in note for note in found.notes)
