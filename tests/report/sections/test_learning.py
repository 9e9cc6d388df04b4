"""Learning curves: how a share is cut, what is learned from it, and that what fails says so."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.comparison.results import to_json
from lmzoo.data import cards
from lmzoo.data import corpus as corpora
from lmzoo.data.grammar import Grammar
from lmzoo.errors import UsageError
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.files import typed
from lmzoo.interface import Run
from lmzoo.report.sections import curves
from lmzoo.runs import train


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """200 kB of the built-in grammar, in words."""
    path = tmp_path_factory.mktemp("corpus") / "small.txt"
    grammar = Grammar.load(cards.folder() / "storyworld.grammar.toml")
    path.write_text("".join(grammar.generate(200_000, "small")), encoding="utf-8")
    return train.encode(corpora.load(path), "word:1000", Run())


# The share


@given(st.text(alphabet="ab \n", min_size=64), st.sampled_from(curves.SHARES))
def test_a_share_is_the_beginning_and_loses_a_tenth_of_itself_at_most(whole, share):
    part = curves.first_share(whole, share)
    assert whole.startswith(part)
    assert 0.9 * int(share * len(whole)) < len(part) <= share * len(whole)


@given(st.text(min_size=64))
def test_every_share_is_part_of_the_next_and_the_last_is_all(whole):
    parts = [curves.first_share(whole, share) for share in curves.SHARES]
    assert all(larger.startswith(smaller) for smaller, larger in pairwise(parts))
    assert parts[-1] == whole


def test_shares_go_from_a_64th_to_all():
    assert curves.SHARES == (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)


@pytest.mark.parametrize(
    ("sentence", "end"),
    [
        ("Once upon a time.\n\nThere was\na cat", "time.\n\n"),
        ("Once upon a time there was\na cat and", "was\n"),
        ("Once upon a time there was a cat called", "cat "),
        ("onceuponatimetherewasacat", "acat"),
    ],
    ids=["document", "line", "word", "no boundary"],
)
def test_it_ends_with_a_document_else_a_line_else_a_word(sentence, end):
    before = "x" * 300  # so that a tenth of the share is more than the sentence
    whole = before + sentence
    part = curves.first_share(whole + "y" * len(whole), 0.5)
    assert part.startswith(before)
    assert part.endswith(end)


def test_a_boundary_that_would_cost_more_than_a_tenth_is_passed_over():
    whole = "one line\n" + 91 * "x" + 100 * "y"
    assert curves.first_share(whole, 0.5) == whole[:100]


def test_no_share_of_nothing_and_none_beyond_all():
    with pytest.raises(UsageError, match="1/64 of a training text of 20 characters is less than one"):
        curves.first_share("x" * 20, 1 / 64)
    for share in (0, -1, 1.5):
        with pytest.raises(UsageError, match="lies above 0 and at most at 1"):
            curves.first_share("text", share)


# The points


def test_more_text_makes_an_n_gram_better(text):
    points = [curves.point("ngram:order=3", share, text, Run()) for share in curves.SHARES]
    bits = [one.bits_per_character for one in points]
    assert bits == sorted(bits, reverse=True)
    assert bits[0] > 1.5 * bits[-1]
    row = curves.curve("ngram order 3", "ngram", points)
    assert row.fit.exponent > 0.1
    assert typed(json.loads(json.dumps(to_json(row), allow_nan=False)), curves.Curve, "curve") == row


def test_the_whole_text_gives_what_training_gives(text):
    one = curves.point("ngram:order=2", 1, text, Run())
    fitted = train.fit("ngram", {"order": "2"}, text, Run())
    score = evaluate(TextModel(fitted.model, text.tokenizer), text.corpus.test, text.corpus.protocol)
    assert one.bits_per_character == score.bits_per_character
    assert (one.characters, one.tokens) == (len(text.corpus.train), len(text.train))
    assert (one.share, one.error) == (1, None)
    assert one.seconds > 0


def test_a_share_is_learned_by_the_tokens_of_the_whole(text, monkeypatch):
    seen = []
    fit = train.fit

    def watched(name, given, part, run):
        seen.append(part)
        return fit(name, given, part, run)

    monkeypatch.setattr(train, "fit", watched)
    one = curves.point("uniform", 1 / 8, text, Run())
    (part,) = seen
    assert part.tokenizer is text.tokenizer
    assert part.corpus.train == curves.first_share(text.corpus.train, 1 / 8)
    assert (part.corpus.test, part.valid.tolist()) == (text.corpus.test, text.valid.tolist())
    assert text.tokenizer.decode(part.train) == part.corpus.train
    assert one.tokens == len(part.train)
    assert part.corpus.sha256["train"] != text.corpus.sha256["train"]


def test_uniform_learns_nothing_from_more(text):
    points = [curves.point("uniform", share, text, Run()) for share in curves.SHARES]
    assert len({one.bits_per_character for one in points}) == 1
    assert curves.curve("uniform", "uniform", points).fit is None


def test_a_checkpoint_is_neither_left_nor_gone_on_from(text, tmp_path):
    run = Run(steps=3, folder=tmp_path, resume=True)
    one = curves.point("lstm:preset=tiny", 1 / 8, text, run)
    assert one.error is None
    assert list(tmp_path.iterdir()) == []
    assert (run.folder, run.resume) == (tmp_path, True)


def test_what_fails_says_why_and_has_no_score(text, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from dataclasses import dataclass\nfrom lmzoo.models.uniform import Uniform\n"
        "@dataclass\nclass Mine(Uniform):\n"
        "    def fit(self, *args):\n        raise ZeroDivisionError('by hand')\n",
        encoding="utf-8",
    )
    for words, share, error in (
        ("no-such-model", 1, "no-such-model"),
        ("ngram:order=nine", 1, "nine"),
        ("lstm:preset=tiny,batch=9999", 1 / 64, "more than the training text"),
        (str(mine), 1, "ZeroDivisionError: by hand"),
        ("uniform", 1e-9, "less than one"),
    ):
        one = curves.point(words, share, text, Run(steps=1))
        assert error in one.error
        assert one.bits_per_character is None


def test_the_law_goes_through_the_points_that_have_a_score():
    points = tuple(
        curves.Point(share, int(1e6 * share), None, share**-0.25 if share > 1 / 32 else None, None, None)
        for share in curves.SHARES
    )
    row = curves.curve("gpt", "gpt", points)
    assert row.fit.points == 5
    assert row.fit.exponent == pytest.approx(0.25)
    assert row.points == points
    assert curves.curve("gpt", "gpt", points[:4]).fit is None
