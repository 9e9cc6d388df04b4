"""Which part of a text a run is scored on, and what is said of it: never flattered by text that it was trained on."""

import random
from pathlib import Path

import pytest

from lmzoo.data import corpus as corpora
from lmzoo.data.corpus import Paths
from lmzoo.interface import Progress, Run
from lmzoo.runs import score
from lmzoo.runs import train as training
from lmzoo.runs.score import EARLIER, MORE, NEW, PART, PERHAPS_SEEN, REST, UNKNOWN
from lmzoo.runs.train import SEEN


def names(count, seed):
    rng = random.Random(seed)
    return "".join("".join(rng.choices("aeioulnrst", k=rng.randint(3, 8))) + "\n" for _ in range(count))


OLD, NEW_TEXT = names(400, seed=0), names(60, seed=1)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("old.txt").write_text(OLD)
    Path("new.txt").write_text(NEW_TEXT)
    return tmp_path


def train(corpus="old.txt", tokenizer="char", refit=False, lines=False):
    """A bigram, saved as the run `run`."""
    run = Run()
    text = training.encode(corpora.load(corpus, refit=refit, lines=lines), tokenizer, run)
    training.save(training.fit("ngram", {"order": "2"}, text, run), Path("run"), overwrite=True)


def scored(corpus=None, split=None, protocol=None):
    return score.score_run(Path("run"), corpus, split, protocol, None, None, Progress())


def said(one):
    """The part, why, and the notes on whether it was trained on."""
    notes = [note for note in one.row["notes"] if note in (SEEN, PERHAPS_SEEN)]
    return one.row["split"], one.row["split_why"], notes


def test_the_runs_own_corpus_is_scored_on_its_test_part(here):
    train()
    own = scored()
    assert said(own) == ("test", "", [])
    assert own.score.characters == len(corpora.load("old.txt").test)
    assert own.row["split_sizes"] == own.corpus.sizes
    assert own.row["split_rule"] == own.corpus.split
    assert own.split_in_words == (
        f"old.txt: its test text is scored; train / validation / test: {len(own.corpus.train):,} / "
        f"{len(own.corpus.valid)} / {len(own.corpus.test)} characters, 362 / 19 / 19 lines; {own.corpus.split}"
    )


def test_a_file_that_the_run_was_not_trained_on_is_scored_whole(here):
    train()
    whole = scored("new.txt")
    assert said(whole) == ("all", NEW, [])
    assert whole.score.characters == len(NEW_TEXT)
    assert whole.split_in_words == f"new.txt: all of it is scored ({NEW}): {len(NEW_TEXT)} characters, 60 lines"
    assert said(scored("new.txt", "test")) == ("test", "as asked for", [])
    assert scored("new.txt", "test").score.characters < len(NEW_TEXT) / 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OLD, ("test", REST, [])),  # the same text under another name
        (OLD[:1000], ("test", PART, [SEEN])),
        (NEW_TEXT + OLD + NEW_TEXT, ("test", MORE, [PERHAPS_SEEN])),
        (OLD.replace("\n", "\r\n"), ("test", MORE, [PERHAPS_SEEN])),
        (OLD[:50] + NEW_TEXT, ("all", NEW, [])),  # a few lines are in many texts
    ],
)
def test_a_file_with_training_text_is_known_by_its_contents(here, text, expected):
    train()
    Path("other.txt").write_text(text)
    assert said(scored("other.txt")) == expected


def test_a_file_that_was_trained_on_and_has_changed_since_is_known_by_its_path(here):
    train()
    Path("old.txt").write_text(NEW_TEXT)
    Path("link.txt").symlink_to("old.txt")
    assert said(scored("link.txt")) == ("test", EARLIER, [])


def test_the_parts_of_a_folder(here):
    for part, text in [("train", OLD), ("valid", NEW_TEXT), ("test", names(60, seed=2))]:
        (here / "split").mkdir(exist_ok=True)
        (here / "split" / f"{part}.txt").write_text(text)
    train("split")
    assert said(scored("split")) == ("test", "", [])
    assert said(scored("split/train.txt")) == ("test", PART, [SEEN])
    assert said(scored("split/valid.txt")) == said(scored("split/test.txt")) == ("all", NEW, [])
    train("split", refit=True)
    assert said(scored("split/valid.txt")) == ("test", PART, [SEEN])
    train(Paths(train="split/train.txt", test="split/test.txt"))
    assert said(scored("split/test.txt")) == ("all", NEW, [])
    Path("split/train.txt").write_text(names(400, seed=3))
    assert said(scored("split/train.txt")) == ("test", EARLIER, [])


def test_a_corpus_with_a_split_of_its_own_is_scored_on_its_test_part(here):
    train()
    assert said(scored("storyworld:20kB")) == ("test", "", [])


def test_of_an_imported_run_nothing_is_known(here, monkeypatch):
    train()
    monkeypatch.setattr(score.store, "read_provenance", lambda folder: {})
    assert said(scored("new.txt")) == ("all", UNKNOWN, [])


@pytest.mark.parametrize("lines", [False, True])
def test_a_text_is_read_line_by_line_by_a_run_of_lines(here, lines):
    train(lines=lines)
    for corpus in (None, "new.txt"):
        assert scored(corpus).protocol == ("lines" if lines else "stream")
        assert scored(corpus, protocol="stream").protocol == "stream"
    assert ("one line is one text" in scored().split_in_words) == lines
    assert scored("storyworld:20kB").protocol == "stream"  # its card says so


def test_white_space_of_another_layout_is_read_and_noted(here):
    """Of a pre-tokenised file: the same words have the same bits however they are spaced."""
    train(tokenizer="split:min=2")
    messy = NEW_TEXT.replace("a\n", "a \r\n").replace("ae", "a\te")
    Path("spaced.txt").write_bytes(NEW_TEXT.replace("ae", "a e").encode())
    Path("messy.txt").write_bytes(messy.encode())
    clean, other = scored("spaced.txt"), scored("messy.txt")
    assert (clean.score.bits, clean.score.characters, clean.score.sha256) == (
        other.score.bits, other.score.characters, other.score.sha256
    )  # fmt: skip
    lines = sum(a != b for a, b in zip(messy.split("\n"), Path("spaced.txt").read_text().split("\n"), strict=True))
    noted = [note for note in other.row["notes"] if "white space" in note]
    assert noted == [
        f"the white space of {lines} lines was read as that of the training text, and characters are counted so"
    ]
    assert not any("white space" in note for note in clean.row["notes"])


def test_a_text_far_from_home_is_noted_and_another_of_the_same_kind_is_not(here):
    train()
    Path("far.txt").write_text("WXYZ WXYZ ZZZZ WWWW XYXY ZYXW\n" * 20)
    (note,) = [note for note in scored("far.txt").row["notes"] if note.startswith("out of domain")]
    assert note.endswith("it was trained on old.txt")
    for text in (None, "new.txt"):
        assert not any("out of domain" in note for note in scored(text).row["notes"])
