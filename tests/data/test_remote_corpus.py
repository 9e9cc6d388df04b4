"""A training text that only workers read is described as if it had been read here."""

import fsspec
import pytest

from lmzoo.data import corpus as corpora
from lmzoo.data import remote_corpus
from lmzoo.data.own_text import Paths
from lmzoo.errors import UsageError
from tests.inline import Inline


@pytest.fixture
def paths(tmp_path):
    for part, text in (("train", "one\ntwo Bär"), ("valid", "three\n"), ("test", "four\n")):
        (tmp_path / f"{part}.txt").write_text(text, encoding="utf-8")
    return Paths(**{part: str(tmp_path / f"{part}.txt") for part in ("train", "valid", "test")})


@pytest.mark.parametrize("refit", [False, True])
def test_it_is_described_as_one_that_is_read_here(paths, refit):
    there = remote_corpus.load(paths, Inline(), refit, lines=False)
    here = corpora.load(paths, refit=refit)
    assert there.train == ""
    assert there.text.read() == here.train
    for name in ("name", "valid", "test", "sha256", "sizes", "protocol", "refit", "tokenizer", "alone"):
        assert getattr(there, name) == getattr(here, name), name


@pytest.mark.parametrize(
    "changed",
    [{"corpus": "x"}, {"valid": None}, {"test": None}, {"field": "text"}, {"train": "FOLDER"}, {"train": "XZ"}],
)
def test_all_others_are_read_here(paths, tmp_path, changed):
    (tmp_path / "t.xz").write_bytes(b"\xfd7zXZ\0packed")
    given = vars(paths) | changed
    given["train"] = {"FOLDER": str(tmp_path), "XZ": str(tmp_path / "t.xz")}.get(given["train"], given["train"])
    assert remote_corpus.load(Paths(**given), Inline(), refit=False, lines=False) is None


def test_a_url_is_read_by_workers_or_not_at_all(paths):
    with fsspec.open("memory://far/train.txt", "wb") as file:
        file.write(b"far\naway\n")
    given = vars(paths) | {"train": "memory://far/train.txt"}
    corpus = remote_corpus.load(Paths(**given), Inline(), refit=False, lines=True)
    assert (corpus.name, corpus.sizes["train"]) == ("train.txt", {"characters": 9, "lines": 2})
    assert corpus.paths.to_json()["train"] == "memory://far/train.txt"
    with pytest.raises(UsageError, match="is read by workers only: give files with --valid and --test too"):
        remote_corpus.load(Paths(**given | {"test": None}), Inline(), refit=False, lines=False)
    with pytest.raises(UsageError, match=r"--train memory://nowhere\.txt: there is no such file"):
        remote_corpus.load(Paths(**given | {"train": "memory://nowhere.txt"}), Inline(), refit=False, lines=False)
    with fsspec.open("memory://far/packed.txt", "wb") as file:
        file.write(b"\xfd7zXZ\0packed")
    with pytest.raises(UsageError, match="is not one plain text in UTF-8"):
        remote_corpus.load(Paths(**given | {"train": "memory://far/packed.txt"}), Inline(), refit=False, lines=False)
