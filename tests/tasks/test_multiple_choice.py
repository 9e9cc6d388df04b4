"""Multiple-choice questions: both published forms, mistakes in files, and grading."""

import json

import pytest

from lmzoo.errors import FormatError, UsageError
from lmzoo.tasks import multiple_choice
from lmzoo.tasks.multiple_choice import Question, grade, read

CHOICES = [{"label": "A", "text": "gravel"}, {"label": "B", "text": "blacktop"}]
AI2 = {"id": "1", "question": {"stem": "Which is smooth?", "choices": CHOICES}, "answerKey": "B"}
WITH_QUERY = {"query": "Question: Which is smooth?", "choices": ["gravel", "blacktop"], "gold": 1}
SMOOTH = Question("Which is smooth?", ("gravel", "blacktop"), 1)


def without(fields, *path):
    """A copy of `fields` that lacks what is at `path`."""
    if len(path) == 1:
        return {key: value for key, value in fields.items() if key != path[0]}
    return {**fields, path[0]: without(fields[path[0]], *path[1:])}


@pytest.mark.parametrize("fields", [AI2, WITH_QUERY])
def test_both_published_forms_give_the_same_question(fields):
    assert read(json.dumps(fields)) == [SMOOTH]


def test_forms_may_be_mixed_and_blank_lines_are_skipped():
    assert read(f"\n{json.dumps(AI2)}\r\n\n{json.dumps(WITH_QUERY)}\n") == [SMOOTH, SMOOTH]


def test_labels_may_be_numbers():
    choices = [{"label": "1", "text": "gravel"}, {"label": "2", "text": "blacktop"}]
    assert read(json.dumps({"question": {"stem": "?", "choices": choices}, "answerKey": "2"}))[0].answer == 1


def test_a_unicode_line_separator_within_a_text_ends_no_line():
    fields = {**WITH_QUERY, "query": "one\u2028two"}
    assert read(json.dumps(fields, ensure_ascii=False))[0].stem == "one\u2028two"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("{", "mine, line 2 is not JSON"),
        ([1], "mine, line 2: expected object, got array"),
        ({"stem": "?"}, "mine, line 2 is no question: it needs question and answerKey, or query, choices and gold"),
        (without(AI2, "answerKey"), "mine, line 2 is not a complete question: 'answerKey' is missing"),
        (without(AI2, "question", "stem"), "line 2 is not a complete question: 'stem' is missing"),
        (without(WITH_QUERY, "gold"), "line 2 is not a complete question: 'gold' is missing"),
        ({**AI2, "question": "Which?"}, "line 2 is not a complete question"),
        ({**AI2, "question": {"stem": "?", "choices": ["a", "b"]}}, "line 2 is not a complete question"),
        ({**AI2, "answerKey": "E"}, "line 2: the right answer is none of the 2 choices"),
        ({**AI2, "answerKey": ["A"]}, "line 2: the right answer is none of the 2 choices"),
        ({**WITH_QUERY, "gold": 2}, "line 2: the right answer is none of the 2 choices"),
        ({**WITH_QUERY, "gold": -1}, "line 2: the right answer is none of the 2 choices"),
        ({**WITH_QUERY, "gold": True}, "line 2: the right answer is none of the 2 choices"),
        ({**WITH_QUERY, "choices": "ab"}, "line 2 is not a complete question: choices must be a list"),
        ({**WITH_QUERY, "choices": ["a"], "gold": 0}, "line 2 has 1 choices: to choose, there must be 2 or more"),
        ({**WITH_QUERY, "choices": ["a", 3]}, "line 2: what is asked and each choice must be text"),
        ({**WITH_QUERY, "query": 3}, "line 2: what is asked and each choice must be text"),
    ],
)
def test_a_mistake_is_named_with_its_line(fields, message):
    line = fields if isinstance(fields, str) else json.dumps(fields)
    with pytest.raises(FormatError) as error:
        read(f"{json.dumps(AI2)}\n{line}\n", "mine")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_without_questions_is_refused():
    with pytest.raises(FormatError, match="mine has no questions"):
        read("\n \n", "mine")


def test_a_set_is_named_after_its_file(tmp_path):
    (tmp_path / "mine.jsonl").write_text(json.dumps(AI2) + "\n")
    assert multiple_choice.load(tmp_path / "mine.jsonl") == {"mine": [SMOOTH]}


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no questions at 'scince': give science or arc, or a file"):
        multiple_choice.load("scince")
    with pytest.raises(UsageError, match="is a folder, not a file"):
        multiple_choice.load(tmp_path)
    (tmp_path / "mine.jsonl").write_bytes(b"a caf\xe9")
    with pytest.raises(FormatError, match="is not UTF-8"):
        multiple_choice.load(tmp_path / "mine.jsonl")


def test_k_tied_options_share_the_credit():
    questions = [Question("?", ("a", "b", "c", "d"), 2)] * 4
    graded = grade(
        "mine", questions, [(0, 0, 1, 0), (0, 1, 1, 0), (1, 0, 0, 0), (0, 0, 0, 0)], [True, True, True, False]
    )
    assert graded.value == pytest.approx((1 + 0.5 + 0 + 0.25) / 4)
    assert graded.details["accuracy_known"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert (graded.items, graded.details["unknown"], graded.chance) == (4, 1, 0.25)


def test_chance_is_the_mean_of_one_over_the_options():
    questions = [Question("?", ("a", "b"), 0), Question("?", ("a", "b", "c", "d"), 0)]
    graded = grade("mine", questions, [(0, 0), (0, 0, 0, 0)], [False, False])
    assert graded.chance == graded.value == pytest.approx(0.375)
    assert graded.details["accuracy_known"] is None


def test_no_questions_cannot_be_graded():
    with pytest.raises(UsageError, match="no question"):
        grade("mine", [], [], [])


@pytest.mark.data
def test_the_published_sets_have_their_published_sizes():
    sizes = {name: len(some) for task in multiple_choice.TASKS for name, some in multiple_choice.load(task).items()}
    assert sizes == {
        "AI2-8thGr-NDMC-Feb2016-Dev": 65,
        "AI2-8thGr-NDMC-Feb2016-Train": 293,
        "AI2-Elementary-NDMC-Feb2016-Dev": 84,
        "AI2-Elementary-NDMC-Feb2016-Train": 432,
        "arc_challenge.test": 1172,
        "arc_easy.test": 2376,
    }
