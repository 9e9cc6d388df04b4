"""Published figures: that each is whole and says how it compares, and whose text it is shown beside."""

import dataclasses
import re

import pytest

from lmzoo.comparison import published
from lmzoo.comparison.results import Published, to_json
from lmzoo.data import cards as _cards
from lmzoo.data import corpus
from lmzoo.errors import FormatError

GOOD = """
[[group]]
source = "A paper"
unit = "bits per character"
family = "count"
split = "test"
protocol = "context carries on"
adapts = false
same = true
figures = [{ corpus = "ptb", system = "trigram", value = 1.75, year = 1992 }]
"""


@pytest.fixture
def cards(tmp_path, monkeypatch):
    """A folder of cards of its own, with GOOD as its figures."""
    monkeypatch.setattr(_cards, "folder", lambda: tmp_path)
    (tmp_path / published.NAME).write_text(GOOD, encoding="utf-8")
    return tmp_path


def everything() -> list[Published]:
    return [figure for name in _cards.cards() for figure in published.figures(name)]


def test_every_figure_is_for_a_corpus_that_has_a_card():
    assert len(everything()) == len(published._read(_cards.folder() / published.NAME)) > 60


def test_the_file_is_not_taken_for_a_corpus():
    assert (_cards.folder() / published.NAME).is_file()
    assert not any("published" in name for name in _cards.cards())


def test_a_corpus_has_one_unit_so_its_figures_share_an_axis():
    for name in _cards.cards():
        assert len({figure.unit for figure in published.figures(name)}) <= 1


def test_no_figure_is_listed_twice():
    named = [(figure.corpus, figure.system) for figure in everything()]
    assert len(named) == len(set(named))


def test_whatever_learns_from_the_text_it_is_scored_on_has_another_protocol():
    assert not any(figure.same for figure in everything() if figure.adapts)


def test_figures_are_given_by_corpus_and_unit_oldest_first():
    found = published.figures("ptb", "perplexity per token")
    assert [figure.year for figure in found] == sorted(figure.year for figure in found)
    values = {figure.system: figure.value for figure in found}
    assert values["Kneser–Ney 5-gram"] == 141.2
    assert values["AWD-LSTM"] == 57.3
    assert published.figures("ptb", "bits per byte") == []
    assert published.figures("storyworld") == []


def test_people_are_a_band_and_only_beside_english_letter_by_letter():
    bands = {figure.corpus: figure.range for figure in everything() if figure.range}
    assert set(bands) == {"shakespeare", "brown", "books", "text8"}
    assert set(map(tuple, bands.values())) == {(0.6, 1.3)}


@pytest.mark.usefixtures("cards")
def test_a_figure_has_the_keys_of_its_group():
    (figure,) = published.figures("ptb")
    assert set(to_json(figure)) == {part.name for part in dataclasses.fields(Published)} - {"range"}
    assert (figure.source, figure.system, figure.why) == ("A paper", "trigram", "")


@pytest.mark.usefixtures("cards")
def test_what_a_caller_does_with_a_figure_stays_with_the_caller():
    with pytest.raises(dataclasses.FrozenInstanceError):
        published.figures("ptb")[0].value = 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("value = 1.75", "value = 1.75, range = [1, 2]"), "either a value or a range"),
        (("value = 1.75, ", ""), "either a value or a range"),
        (("value = 1.75", "value = -1"), "must be positive"),
        (("value = 1.75", 'value = "1.75"'), "expected float | null, got str in value"),
        (("value = 1.75", "range = [2, 1]"), "the smaller first"),
        (("value = 1.75", "range = [1, 2, 3]"), "array of length 2, got 3 in range"),
        (("year = 1992", "year = true"), "expected int, got bool in year"),
        (("year = 1992", "yaer = 1992"), "lacks the field year"),
        (("same = true", 'same = true\nwyh = ""'), "the unknown name 'wyh'; did you mean why"),
        (('source = "A paper"', ""), "lacks the field source"),
        (("bits per character", "bits per charcter"), "did you mean bits per character"),
        (("count", "fantasy"), "the family 'fantasy'"),
        (("same = true", "same = false"), "must say why"),
        (("same = true", 'same = true\nwhy = "another text"'), "and only then"),
    ],
)
def test_an_invalid_figure_is_one_clear_line(cards, change, said):
    (cards / published.NAME).write_text(GOOD.replace(*change), encoding="utf-8")
    published._read.cache_clear()
    with pytest.raises(FormatError, match=said) as caught:
        published.figures("ptb")
    assert "'trigram'" in str(caught.value)
    assert published.NAME in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["[[group]", "", "[[group]]\nfigures = 3", "group = 3", "[[group]]\nfigures = [3]", GOOD.replace("1.75", "nan")],
)
def test_an_invalid_file_is_one_clear_line(cards, text):
    (cards / published.NAME).write_text(text, encoding="utf-8")
    published._read.cache_clear()
    with pytest.raises(FormatError, match=re.escape(published.NAME)) as caught:
        published.figures("ptb")
    assert "\n" not in str(caught.value)


# Beside whose scores


@pytest.fixture(scope="module")
def shakespeare() -> corpus.Corpus:
    """As the card has it, but of a few words."""
    card = _cards.cards()["shakespeare"]
    texts = dict.fromkeys(corpus.SPLITS, "To be, or not to be")
    return corpus._corpus(card, texts, "a test")


def test_figures_stand_beside_the_corpus_that_they_are_for(shakespeare):
    assert published.beside(shakespeare) == published.figures("shakespeare") != []


def test_a_text_of_ones_own_with_a_known_name_has_no_figures_beside_it(tmp_path):
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb" / "mine.txt").write_text("some words of mine\n" * 50, encoding="utf-8")
    own = corpus.load(tmp_path / "ptb")
    assert own.name == "ptb"
    assert published.beside(own) == []


def test_models_that_were_trained_on_the_validation_text_too_have_no_equals():
    card = _cards.cards()["ptb"]
    text = corpus._corpus(card, dict.fromkeys(corpus.SPLITS, "a b\n"), "a test")
    assert sum(figure.same for figure in published.beside(text)) == 4
    found = published.beside(dataclasses.replace(text, refit=True))
    assert not any(figure.same for figure in found)
    assert all(figure.why for figure in found)
