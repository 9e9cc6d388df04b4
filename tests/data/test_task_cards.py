"""Test sets: their cards, and how they are found."""

import hashlib

import pytest

from lmzoo.data import task_cards
from lmzoo.errors import FormatError, UsageError


def test_every_card_can_be_read_and_names_its_source():
    assert {"words", "science", "arc"} <= set(task_cards.names())
    for name in task_cards.names():
        task = task_cards.find(name)
        assert task.title and task.licence and task.citation
        assert all(file.sha256 for file in task.files)
        assert "Mirror only" in task.note or all(file.url.startswith("https://") for file in task.files)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="no task 'word'; did you mean words"):
        task_cards.find("word")


def test_files_are_texts_by_name_and_are_checked(tmp_path, monkeypatch):
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    contents = b"a\tb\t1.0\r\n"
    (tmp_path / "mirror" / "toy" / "pairs.txt").write_bytes(contents)
    cards = tmp_path / "cards"
    cards.mkdir()
    digest = hashlib.sha256(contents).hexdigest()
    (cards / "toy.toml").write_text(
        'title = "Toy"\nlicence = "none"\ncitation = "nobody"\n'
        f'[[files]]\npath = "toy/pairs.txt"\nsha256 = "{digest}"\nsize = {len(contents)}\n'
    )
    monkeypatch.setattr(task_cards, "_folder", lambda: cards)
    monkeypatch.setenv("LMZOO_CACHE", str(tmp_path / "cache"))
    assert task_cards.fetch("toy", str(tmp_path / "mirror")) == {"pairs": "a\tb\t1.0\n"}


def test_a_card_says_how_its_files_are_encoded(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    contents = b"1 clich\xe9\x85\n"
    (tmp_path / "toy" / "reviews.txt").write_bytes(contents)
    digest = hashlib.sha256(contents).hexdigest()
    card = f'[[files]]\npath = "toy/reviews.txt"\nsha256 = "{digest}"\nsize = 10\n'
    (tmp_path / "toy.toml").write_text(
        f'title = "T"\nlicence = "none"\ncitation = "nobody"\nencoding = "cp1252"\n{card}'
    )
    (tmp_path / "bad.toml").write_text(f'title = "T"\nlicence = "none"\ncitation = "nobody"\n{card}')
    monkeypatch.setattr(task_cards, "_folder", lambda: tmp_path)
    monkeypatch.setenv("LMZOO_CACHE", str(tmp_path / "cache"))
    assert task_cards.fetch("toy", str(tmp_path)) == {"reviews": "1 cliché…\n"}
    with pytest.raises(FormatError, match=r"reviews.txt is not UTF-8: .* at byte 7"):
        task_cards.fetch("bad", str(tmp_path))


@pytest.mark.data
def test_the_word_sets_are_the_nine_and_the_analogies():
    texts = task_cards.fetch("words")
    assert len(texts) == 11
    assert len(texts["EN-WS-353-ALL"].splitlines()) == 353
