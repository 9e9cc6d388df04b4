"""The PMI solver: against counts by hand, a brute-force reference, a corpus of answers and noise."""

import math
import random
from collections import defaultdict
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data import corpus
from lmzoo.errors import UsageError
from lmzoo.tasks import multiple_choice, pmi_index
from lmzoo.tasks.multiple_choice import Question, grade
from lmzoo.tasks.pmi_index import KINDS, Ngrams, look_up, words_of
from lmzoo.tasks.pmi_solver import STOP_WORDS, Pair, PmiSolver


def occurrences(words):
    """Every n-gram of a list of words, by name: [(name, the places that it takes)]."""
    found = []
    for at in range(len(words)):
        for offsets in KINDS:
            span = range(at, at + offsets[-1] + 1)
            if span[-1] < len(words):
                names = [words[place] if place - at in offsets else "_" for place in span]
                found.append((" ".join(names), set(span)))
    return found


def co_occurrences(heres, theres, window):
    """Occurrences of x with one of y that share no place and reach over no more than `window` words."""
    return sum(
        not here & there and max(here | there) - min(here | there) < window for here, there in product(heres, theres)
    )


def reference_scores(question, text, window=10, unseen="skip", stop_words=STOP_WORDS):
    """The definition, word for word: scores of the options, and how many of their pairs co-occur."""
    total, stands = len(words_of(text)), defaultdict(list)
    for name, places in occurrences(words_of(text)):
        stands[name].append(places)
    scores, known = [], []
    for option in question.options:
        x_of, y_of = (
            {name for name, _ in occurrences(words_of(side)) if not set(name.split()) <= stop_words | {"_"}}
            for side in (question.stem, option)
        )
        values = []
        for x, y in product(x_of, y_of):
            together = co_occurrences(stands[x], stands[y], window)
            if together:
                p_x, p_y = len(stands[x]) / total, len(stands[y]) / total
                values.append(math.log(together / total / (p_x * p_y)))
        divisor = len(values) if unseen == "skip" else len(x_of) * len(y_of)
        scores.append(sum(values) / divisor if values else 0.0)
        known.append(len(values))
    return scores, known


few_words = st.lists(st.sampled_from(["the", "ice", "melts", "fire", "of", "rain"]), max_size=20).map(" ".join)
questions_of_few_words = st.builds(
    lambda stem, options: Question(stem, tuple(options), 0), few_words, st.lists(few_words, min_size=2, max_size=3)
)


@given(st.lists(questions_of_few_words, max_size=3), few_words, st.integers(2, 12), st.sampled_from(["skip", "zero"]))
def test_scores_are_those_of_the_definition(questions, text, window, unseen):
    sheet = PmiSolver(window=window, unseen=unseen).solve(questions, text)
    assert len(sheet.answers) == len(questions)
    for question, answer in zip(questions, sheet.answers, strict=True):
        scores, known = reference_scores(question, text, window, unseen)
        assert answer.scores == pytest.approx(scores)
        assert list(answer.pairs) == known


@given(questions_of_few_words, few_words)
def test_ngrams_of_function_words_count_on_request(question, text):
    (answer,) = PmiSolver(function_words=True).solve([question], text).answers
    assert answer.scores == pytest.approx(reference_scores(question, text, stop_words=frozenset())[0])


def test_pmi_of_a_tiny_corpus_by_hand():
    text = "Ice melts. Fire burns; ice floats, fire smokes."  # 8 words: ice and fire at 1, 5 and at 3, 7
    sheet = PmiSolver(window=3).solve([Question("ice?", ("fire", "smokes"), 0)], text)
    # ice(1) fire(3); ice(5) fire(3); ice(5) fire(7): three times within three words, of 2 and 2 occurrences
    expected = math.log((3 / 8) / ((2 / 8) * (2 / 8)))
    assert sheet.answers[0].scores == pytest.approx((expected, 0.0))  # ice(5) to smokes(8) takes four words
    assert sheet.answers[0].best == (0,)
    assert sheet.evidence(0, 0) == [Pair("ice", "fire", 3, (2, 2), pytest.approx(expected))]
    assert sheet.evidence(0, 1) == []
    assert sheet.words == 8


def test_a_skip_bigram_has_one_word_between_and_spans_three_positions():
    ngrams = Ngrams(["carbon hot dioxide", "rain"])
    assert [ngrams.name(n) for n in ngrams.of(0)] == [
        *("carbon", "hot", "dioxide"),
        *("carbon hot", "hot dioxide"),
        "carbon hot dioxide",
        "carbon _ dioxide",
    ]
    found = look_up(ngrams, "carbon some dioxide rain carbon dioxide carbon a b dioxide carbon hot dioxide")
    counts = {ngrams.name(n): count for n, count in enumerate(found.counts.tolist())}
    assert counts["carbon _ dioxide"] == 2
    assert counts["carbon hot dioxide"] == counts["carbon hot"] == 1
    skip, rain = (
        next(n for n in range(len(ngrams)) if ngrams.name(n) == name) for name in ("carbon _ dioxide", "rain")
    )
    pair = np.array([skip]), np.array([rain])
    assert [found.together(*pair, window).tolist() for window in (3, 4)] == [[0], [1]]


def test_the_word_in_the_gap_of_a_skip_bigram_overlaps_it():
    ngrams = Ngrams(["carbon dioxide dioxide", "rain"])
    found = look_up(ngrams, "carbon rain dioxide")
    names = [ngrams.name(n) for n in range(len(ngrams))]
    left, right = np.array([names.index("carbon _ dioxide")]), np.array([names.index("rain")])
    assert found.counts[left] == found.counts[right] == 1
    assert found.together(left, right, 10).tolist() == [0]


def test_ngrams_lie_within_one_option():
    ngrams = Ngrams(["red", "blue sky", "rain"])
    assert {ngrams.name(n) for n in range(len(ngrams))} == {"red", "blue", "sky", "blue sky", "rain"}


def test_ngrams_of_function_words_alone_are_left_out():
    ngrams = Ngrams(["of the ice of it", "of the"], STOP_WORDS)
    assert {ngrams.name(n) for n in ngrams.of(0)} == {
        *("ice", "the ice", "ice of", "of _ ice", "ice _ it"),
        *("of the ice", "the ice of", "ice of it"),
    }
    assert not len(ngrams.of(1))


def test_words_are_lower_case_runs_of_letters_and_digits():
    assert words_of("The Earth's 2nd-largest _moon_, ÉTÉ!") == ["the", "earth", "s", "2nd", "largest", "moon", "été"]


def test_an_unknown_question_has_all_options_for_its_answer():
    question = Question("magnets attract", ("iron", "wood", "paper", "glass"), 0)
    (answer,) = (
        PmiSolver().solve([question], "magnets and far from them, behind ten or more other words here, iron").answers
    )
    assert not answer.known
    assert answer.best == (0, 1, 2, 3)
    assert answer.scores == (0.0,) * 4
    assert grade("mine", [question], [answer.scores], [answer.known]).value == 0.25


@pytest.mark.parametrize("text", ["", "…", "one"])
def test_in_a_corpus_without_words_every_question_is_unknown(text):
    (answer,) = PmiSolver().solve([Question("one two", ("three", "two"), 0)], text).answers
    assert (answer.known, answer.best) == (False, (0, 1))


def test_a_question_without_words_is_unknown():
    (answer,) = PmiSolver().solve([Question("?", ("!", "ice"), 0)], "ice ice ice").answers
    assert (answer.known, answer.best) == (False, (0, 1))


def invented(seed, count=400):
    """Questions of made-up words, two of the question's own and one for each of four options, and all the words."""
    dice = random.Random(seed)
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(6 * count)]
    asked = [Question(" ".join(own[:2]), tuple(own[2:]), dice.randrange(4)) for own in np.reshape(words, (count, 6))]
    return asked, words


def graded(questions, text):
    answers = PmiSolver().solve(questions, text).answers
    return grade("mine", questions, [one.scores for one in answers], [one.known for one in answers])


def test_a_corpus_with_the_answers_answers_everything():
    questions, words = invented(1)
    facts = [f"{question.stem} {question.options[question.answer]}" for question in questions]
    filler = " ".join(["so"] * 10)
    everything = " ".join([*words, filler, f" {filler} ".join(facts)])  # the wrong options stand in it too
    assert graded(questions, f" {filler} ".join([*facts, *words])).value == 1
    assert graded(questions, everything).details["unknown"] == 0


def test_a_random_corpus_scores_chance():
    questions, words = invented(2)
    found = graded(questions, " ".join(random.Random(3).choices(words, k=400_000)))
    assert found.details["unknown"] < 0.05 * len(questions)
    assert found.interval[0] < 0.25 < found.interval[1]


def test_scores_do_not_depend_on_the_number_of_threads(monkeypatch):
    questions, words = invented(4, 60)
    text = " ".join(random.Random(5).choices(words, k=20_000))
    sheets = []
    for threads in (1, 3):
        monkeypatch.setattr(pmi_index, "THREADS", threads)
        sheets.append(PmiSolver().solve(questions, text).answers)
    assert sheets[0] == sheets[1]


def test_ngrams_are_found_across_the_ends_of_parts(monkeypatch):
    questions, words = invented(6, 20)
    text = " ".join(random.Random(7).choices(words, k=2_000))
    whole = PmiSolver().solve(questions, text).answers
    monkeypatch.setattr(pmi_index, "PART", 7)
    assert PmiSolver().solve(questions, text).answers == whole


def test_the_order_of_the_options_changes_no_score():
    question = Question("ice melts", ("fire", "rain and fire", "snow"), 0)
    turned = Question(question.stem, question.options[::-1], 2)
    text = "ice melts in fire and in rain and fire but snow melts no ice " * 3
    first, second = PmiSolver().solve([question, turned], text).answers
    assert first.scores == second.scores[::-1]


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(UsageError, match="window must be 2 or more, not 1"):
        PmiSolver(window=1)
    with pytest.raises(UsageError, match="no value of unseen 'none'; there are: skip, zero"):
        PmiSolver(unseen="none")


@pytest.mark.data
def test_on_real_text_each_score_is_the_mean_of_its_evidence():
    questions = multiple_choice.load("science")["AI2-Elementary-NDMC-Feb2016-Dev"][:20]
    sheet = PmiSolver().solve(questions, corpus.load("wikitext2").train[:2_000_000])
    known = [n for n, answer in enumerate(sheet.answers) if answer.known]
    assert len(known) >= 15
    for n in known:
        for option, score in enumerate(sheet.answers[n].scores):
            evidence = sheet.evidence(n, option, most=10_000)
            assert len(evidence) == sheet.answers[n].pairs[option]
            assert score == pytest.approx(np.mean([pair.pmi for pair in evidence]) if evidence else 0)
            for pair in evidence:
                assert pair.pmi == pytest.approx(math.log(pair.together * sheet.words / math.prod(pair.occurrences)))
