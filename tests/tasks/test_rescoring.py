"""N-best lists: what they are made of, how they are read, and what a choice from them is worth."""

import functools
import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data import corpus, tokenizers
from lmzoo.errors import FormatError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform
from lmzoo.tasks import nbest, rescoring
from lmzoo.tasks.nbest import Candidate, NBest
from lmzoo.tasks.rescoring import RescoringTest
from tests.fake_models import Knowing

WORDS = [
    "the",
    "then",
    "cat",
    "cart",
    "sat",
    "sad",
    "set",
    "on",
    "in",
    "a",
    "an",
    "and",
    "mat",
    "dog",
    "log",
    "saw",
    "was",
]
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
LISTS = st.builds(
    NBest,
    reference=TEXT.filter(str.strip),
    candidates=st.lists(st.builds(Candidate, TEXT, st.floats(-1e6, 0)), min_size=1, max_size=3).map(tuple),
    before=TEXT,
    after=TEXT,
)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A corpus of sentences without sense, in which every word is frequent."""
    source = random.Random(0)
    sentences = [" ".join(source.choices(WORDS, k=source.randint(5, 9))) + "." for _ in range(1200)]
    path = tmp_path_factory.mktemp("own") / "sentences.txt"
    path.write_text("\n\n".join(" ".join(sentences[i : i + 3]) for i in range(0, 1200, 3)))
    return corpus.load(path)


@pytest.fixture(scope="module")
def lists(own):
    return nbest.make(own, lists=50, candidates=20, rate=0.3)


BYTES = tokenizers.train("byte", "")


def oracle(lists):
    """Gives what was said a probability of 1, and everything else less."""
    said = (tuple(BYTES.encode(one.before + one.reference + one.after)) for one in lists)
    return Knowing(said, BYTES.vocab_size, otherwise=-9.0)


def uniform():
    return Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), BYTES.vocab_size))


# ── Lists that are made ───────────────────────────────────────────────────────────────────────────


def test_lists_are_sentences_of_the_test_text_with_what_is_before_them(lists, own):
    for one in lists:
        assert one.before + one.reference in " ".join(own.test.split())
        assert 5 <= len(one.reference.split()) <= 40
        assert len(one.before.split()) <= nbest.CONTEXT
        assert one.after == ""
    assert any(one.before for one in lists)
    assert len({one.before + one.reference for one in lists}) == 50


def test_candidates_are_the_best_first_each_once_and_no_more_than_asked_for(lists):
    for one in lists:
        scores, texts = zip(*((c.score, c.text) for c in one.candidates), strict=True)
        assert list(scores) == sorted(scores, reverse=True)
        assert len(set(texts)) == len(texts) <= 20
    assert np.median([len(one.candidates) for one in lists]) == 20


def test_most_lists_have_what_was_said_and_those_that_have_not_say_so(lists):
    assert 0.5 < np.mean([one.has_reference for one in lists]) < 1
    for one in lists:
        errors = [rescoring.word_errors(one.reference, c.text) for c in one.candidates]
        assert one.has_reference == (min(errors) == 0)


def test_the_same_seed_makes_the_same_lists_and_another_seed_others(own):
    one, same, other = (nbest.make(own, 20, 5, seed=seed) for seed in (3, 3, 4))
    assert one == same != other


def test_in_a_corpus_of_lines_a_list_ends_with_its_line(tmp_path):
    text = corpus.load(_written(tmp_path, "\n\n".join(["a cat sat on the mat", "the dog saw a log"] * 300)))
    lines = corpus.Corpus(**{**vars(text), "lines": True})
    assert {one.after for one in nbest.make(lines, 20, 5)} == {"\n"}


def test_a_corpus_without_sentences_is_refused(tmp_path):
    short = corpus.load(_written(tmp_path, "one two three.\n\n" * 500))
    with pytest.raises(UsageError, match=r"own.txt has 0 sentences of 5 to 40 known words .* 20 or more"):
        nbest.make(short)


def _written(folder, text):
    (folder / "own.txt").write_text(text)
    return folder / "own.txt"


# ── The format ────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(LISTS, min_size=1, max_size=4))
def test_what_is_written_is_read_again(lists):
    assert nbest.read(nbest.to_json_lines(lists)) == lists
    assert nbest.read(nbest.to_json_lines(lists, [{"log_probs": {"x": [1.0]}}] * len(lists))) == lists


def test_a_recogniser_needs_to_give_no_more_than_reference_texts_and_scores():
    line = {"reference": "a cat", "candidates": [{"text": "a cat", "score": -1, "acoustic": 7}], "id": "u1"}
    assert nbest.read("\n" + json.dumps(line) + "\n") == [NBest("a cat", (Candidate("a cat", -1.0),))]


GOOD = {"reference": "a cat", "candidates": [{"text": "a cat", "score": -1.5}]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("{", "mine, line 2 is not JSON"),
        ("[1]", "mine, line 2 is no n-best list: it must be an object with reference and candidates"),
        (GOOD | {"reference": None}, "mine, line 2: reference must be text"),
        (GOOD | {"reference": " "}, "mine, line 2: the reference has no words"),
        ({"candidates": GOOD["candidates"]}, "mine, line 2: reference must be text"),
        (GOOD | {"before": 3}, "mine, line 2: before must be text"),
        ({"reference": "a"}, "mine, line 2: candidates must be a list of one or more"),
        (GOOD | {"candidates": []}, "mine, line 2: candidates must be a list of one or more"),
        (GOOD | {"candidates": ["a"]}, "mine, line 2, candidate 1 must be an object with text and score"),
        (GOOD | {"candidates": [{"text": "a"}]}, "line 2, candidate 1: its score must be a number, a log-prob"),
        (GOOD | {"candidates": [{"text": "a", "score": "-1"}]}, "candidate 1: its score must be .*, not '-1'"),
        (GOOD | {"candidates": [*GOOD["candidates"], {"text": "a", "score": float("nan")}]}, "candidate 2: .* not nan"),
        (GOOD | {"candidates": [{"text": "a", "score": True}]}, "candidate 1: its score must be .*, not True"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_number(wrong, message):
    text = json.dumps(GOOD) + "\n" + (wrong if isinstance(wrong, str) else json.dumps(wrong))
    with pytest.raises(FormatError, match=message) as caught:
        nbest.read(text, "mine")
    assert "\n" not in str(caught.value)


def test_an_empty_file_one_that_is_not_text_and_one_that_is_not_there_are_refused(tmp_path):
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(FormatError, match="empty has no n-best lists: it must have one on each line"):
        nbest.load(tmp_path / "empty")
    with pytest.raises(FormatError, match=r"binary is not UTF-8: .* at byte 0"):
        nbest.load(tmp_path / "binary")
    with pytest.raises(UsageError, match=r"no n-best lists at .*nowhere.*: No such file"):
        nbest.load(tmp_path / "nowhere")


# ── Word error rate ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reference", "text", "errors"),
    [
        ("the cat sat", "the cat sat", 0),
        ("the cat sat", "the  cat\nsat ", 0),
        ("the cat sat", "the bat sat", 1),
        ("the cat sat", "the sat", 1),
        ("the cat sat", "the cat sat down", 1),
        ("recognise speech", "wreck a nice beach", 4),
        ("it is hard to recognise speech", "it is hard to wreck a nice beach", 4),
        ("a b c d", "b c d a", 2),
        ("the cat", "", 2),
    ],
)
def test_errors_by_hand(reference, text, errors):
    assert rescoring.word_errors(reference, text) == errors


@functools.cache
def distance(a, b):
    """Levenshtein's, from its definition."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b[1:]) + (a[0] != b[0]), distance(a[1:], b) + 1, distance(a, b[1:]) + 1)


@given(st.lists(st.sampled_from("abc"), max_size=7), st.lists(st.sampled_from("abc"), max_size=7))
def test_errors_are_levenshteins_distance(one, other):
    assert rescoring.word_errors(" ".join(one), " ".join(other)) == distance(tuple(one), tuple(other))


# ── The choice ────────────────────────────────────────────────────────────────────────────────────


def test_the_rate_is_over_the_words_of_the_tested_lists_by_hand():
    wrong = NBest("a b c d", (Candidate("a b x d", 0.0), Candidate("a b c d", -1.0)))
    right = NBest("a b", (Candidate("a b", 0.0), Candidate("b", -1.0)))
    marked = RescoringTest.of([wrong, right, wrong])  # the third is for fitting
    assert marked.is_fitted_on.tolist() == [False, False, True]
    assert marked.result(marked.errors_of_first, "task", "").value == 1 / 6
    assert marked.result(marked.errors_of_best, "task", "").value == 0
    grade = marked.result(marked.errors_of_first, "task", "how")
    assert (grade.kind, grade.metric, grade.items, grade.training) == ("rescoring", "word error rate", 2, 1)
    assert grade.protocol == "lower is better; how"


def test_an_oracle_gets_what_the_best_candidates_get(lists):
    marked = RescoringTest.of(lists)
    everywhere = [one for one in lists if one.has_reference]
    grade, _ = rescoring.rescore(TextModel(oracle(lists), BYTES), RescoringTest.of(everywhere))
    assert grade.value == 0
    assert grade.details["weight"] > 0
    assert marked.rate(marked.errors_of_best, ~marked.is_fitted_on) < marked.rate(
        marked.errors_of_first, ~marked.is_fitted_on
    )


def test_a_model_of_weight_zero_leaves_the_channels_first_choice(lists):
    marked = RescoringTest.of(lists)
    grade, _ = rescoring.rescore(TextModel(uniform(), BYTES), marked, weight=0.0)
    assert grade.details["weight"] == 0
    assert grade.value == grade.chance == marked.rate(marked.errors_of_first, ~marked.is_fitted_on)
    assert grade.interval[0] < grade.value < grade.interval[1]
    assert grade.protocol == "lower is better; weight 0, weight given"


def test_no_choice_is_better_than_the_best_candidates(lists):
    marked, source = RescoringTest.of(lists), np.random.default_rng(0)
    for weight in (0.1, 10):
        chosen = marked.errors_of_choices([source.normal(size=len(scores)) for scores in marked.scores], weight)
        assert (chosen >= marked.errors_of_best).all()


def test_the_weight_is_fitted_on_lists_that_do_not_count():
    better = NBest("a b", (Candidate("a x", 0.0), Candidate("a b", -4.0)))
    worse = NBest("a x", (Candidate("a x", 0.0), Candidate("a b", -4.0)))
    for third, expected in ((better, 5.0), (worse, 1.0)):
        marked = RescoringTest.of([better, worse, third])
        assert marked.fit_weight([np.array([-1.0, 0.0])] * 3) == expected


def test_what_is_around_a_list_is_read_but_only_what_follows_is_scored():
    text = "the cat sat on the mat and the dog sat on the log\n" * 20
    ids = BYTES.encode(text)
    model = Ngram(order=4).fit(Data.of(ids, ids, BYTES.vocab_size))
    one = NBest("cat", (Candidate("cat", 0.0), Candidate("dog", 0.0)), "the ", " sat")
    (found,) = rescoring.log_probs(TextModel(model, BYTES), [one])
    for candidate, log_prob in zip(("cat", "dog"), found, strict=True):
        whole, before = (model.log_probs(BYTES.encode(t))[0].sum() for t in (f"the {candidate} sat", "the "))
        assert log_prob == pytest.approx(whole - before)


def test_a_closed_vocabulary_reads_lists_as_its_corpus_is_written():
    text = " the cat sat \n the dog sat \n" * 5
    made = tokenizers.train("split", text, lines=True)
    ids = made.encode(text)
    model = Ngram(order=2).fit(Data.of(ids, ids, made.vocab_size))
    (found,) = rescoring.log_probs(
        TextModel(model, made), [NBest("the cat sat", (Candidate("the cat sat", 0.0),), after="\n")]
    )
    assert found[0] == pytest.approx(model.log_probs(made.encode(" the cat sat \n"))[0].sum())


def test_a_model_that_gives_zero_has_a_dash_and_a_footnote(lists):
    ids = BYTES.encode("the cat sat on the mat")
    model = Ngram(order=2, smoothing="ml").fit(Data.of(ids, ids, BYTES.vocab_size))
    grade, _ = rescoring.rescore(TextModel(model, BYTES), RescoringTest.of(lists))
    assert grade.value is None
    assert "weight" not in grade.details
    assert "must give every token a probability above zero" in grade.note


def test_a_tokenizer_that_cannot_write_a_candidate_has_a_dash_and_a_footnote(lists):
    closed = tokenizers.train("split", "the cat sat\n", lines=True)
    model = Uniform().fit(Data.of(np.zeros(1, np.int32), np.zeros(1, np.int32), closed.vocab_size))
    grade, _ = rescoring.rescore(TextModel(model, closed), RescoringTest.of(lists))
    assert grade.value is None
    assert "is not in the closed vocabulary" in grade.note


def test_one_list_is_too_few():
    with pytest.raises(UsageError, match=r"there must be 2 n-best lists or more, .*, not 1"):
        RescoringTest.of([NBest("a", (Candidate("a", 0.0),))])


@pytest.mark.data
def test_five_words_of_context_lower_the_word_error_rate_on_the_treebank():
    treebank = corpus.load("ptb")
    made = tokenizers.train("split", treebank.train, lines=True)
    marked = RescoringTest.of(nbest.make(treebank, lists=150, candidates=30))
    ids = made.encode(treebank.train)
    rates = {}
    for order in (1, 5):
        model = Ngram(order=order).fit(Data.of(ids, made.encode(treebank.valid), made.vocab_size))
        grade, _ = rescoring.rescore(TextModel(model, made), marked)
        rates[order] = grade.value
    first, best = (
        marked.rate(errors, ~marked.is_fitted_on) for errors in (marked.errors_of_first, marked.errors_of_best)
    )
    assert best < rates[5] < 0.85 * first
    assert rates[5] < rates[1]
