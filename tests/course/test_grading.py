"""The grader over hand-ins of assignment 3: right ones, wrong ones, and files that are none."""

import json
import math
import operator
import stat

import pytest

from lmzoo.cli.main import main
from lmzoo.course import assignments, grading, jail, remote
from lmzoo.errors import LmzooError, UsageError
from tests.course.counted import COUNTING, REFERENCE, SECRET, SMALL, drawn_once, kept  # noqa: F401
from tests.course.hand_ins import asked_here

pytestmark = pytest.mark.usefixtures("drawn_once")


@pytest.fixture
def grade(tmp_path):
    def graded(code, assignment=COUNTING, level=0, **others):
        (tmp_path / "counting.py").write_bytes(code if isinstance(code, bytes) else code.encode())
        return grading.grade(tmp_path, assignment, SECRET, "ada", level, **others)

    return graded


def lost(result):
    """The points that each check took."""
    return {check.name: round(check.of - check.points, 2) for check in result.checks if check.points < check.of}


def test_the_starter_earns_nothing_and_the_reference_everything(grade, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(remote, "ask", asked_here)
        starter = grade((assignments.FOLDER / COUNTING.name / "starter.py").read_bytes())
    assert starter.points == 0
    assert "TODO 4: jelinek_mercer" in starter.checks[3].message
    seen = []
    result = grade(REFERENCE, after_check=lambda so_far: seen.append(len(so_far.checks)))
    assert (lost(result), result.points, result.finished, seen) == ({}, 75, True, [1, 2, 3, 4, 5, 6])


# What is replaced in the reference, by what, and the one check that takes points.
WRONG = [
    # Lines run into one another: in texts of two lines or more and orders above 2.
    ("            line = [end]\n", "            pass\n", "counts"),
    (
        "        return [followers.get(w, 0) / total for",
        "        return [followers.get(w, 0) / (total + 1) for",
        "maximum likelihood",
    ),
    ("+ k * vocab_size", "+ k", "add-k"),
    (
        "weight * followers.get(w, 0) / total + (1 - weight)",
        "(1 - weight) * followers.get(w, 0) / total + weight",
        "Jelinek-Mercer",
    ),
    # Absolute discounting for Kneser-Ney.
    ("discounted(continuation(tables, vocab_size), vocab_size)", "discounted(tables, vocab_size)", "Kneser-Ney"),
    # What begins a line has nothing before it, so its count would be 0.
    (
        "discounted(continuation(tables, vocab_size), vocab_size)",
        "discounted([{g: c if n == len(tables) - 1 or not n or g[0] < vocab_size - 1 else 0 for g, c in t.items()}"
        " for n, t in enumerate(continuation(tables, vocab_size))], vocab_size)",
        "Kneser-Ney",
    ),
    ("count(tokens, vocab_size, 3)", "count(tokens, vocab_size, 1)", "bits of a hidden text"),
]


@pytest.mark.parametrize(("right", "wrong", "check"), WRONG, ids=[wrong.strip()[:30] for _, wrong, _ in WRONG])
def test_a_wrong_hand_in_loses_the_points_of_what_is_wrong(grade, monkeypatch, right, wrong, check):
    monkeypatch.setattr(remote, "ask", asked_here)
    assert REFERENCE.count(right) == 1
    code = REFERENCE.replace(right, wrong)
    (part,) = [part for part in COUNTING.rubric.check if part.name == check]
    due = round(part.points * share(code, check), 2)
    assert lost(grade(code)) == {check: pytest.approx(part.points - due)}
    assert due < part.points


def share(code, check):
    """By the rubric: of cases the share in which it is as the reference, of a figure its place in bits."""
    drawn = kept[check](check)
    answers = {who: list(asked(who, drawn.question)) for who in (code, REFERENCE)}
    if check == "counts":
        return sum(map(operator.eq, *answers.values())) / len(answers[code])
    if check != "bits of a hidden text":
        same = [
            a == b if check == "counts" else a == pytest.approx(b)
            for a, b in zip(answers[code], answers[REFERENCE], strict=True)
        ]
        return sum(same) / len(same)
    judge = drawn.judge
    bits = sum(-math.log2(p[token]) for p, token in zip(answers[code], judge.tokens, strict=True)) / len(judge.tokens)
    return min(1, max(0, (judge.baseline - bits) / (judge.baseline - judge.target)))


def asked(code, question):
    """The answers of a hand-in that we trust."""
    hand_in = {}
    exec(code, hand_in)
    function = hand_in[question.function]
    made = [function(*given) for given in question.given]
    for number, arguments in question.cases:
        try:
            yield (function if number is None else made[number])(*arguments)
        except ZeroDivisionError:
            yield None


def instead(body):
    """The reference with another body of add_k."""
    begin, end = REFERENCE.index("    followers, reach"), REFERENCE.index("def jelinek")
    return f"{REFERENCE[:begin]}    {body}\n\n\n{REFERENCE[end:]}"


# What is handed in, what is said of the check of add_k, and the points of 20 that stand.
BAD = {
    "a syntax error": ("def count(:\n    pass\n", "line 1: invalid syntax\n  def count(:\n            ^", 0),
    "Python 2": ("x = 1\nprint 'hello'\n", "line 2: this is Python 2", 0),
    "not UTF-8": ("x = 'na\u00efve'\n".encode("latin-1"), "the file is not UTF-8", 0),
    "not installed": ("import nltk_of_old\n", "line 1: No module named 'nltk_of_old'; it is not installed", 0),
    "the reference": ("import lmzoo.models.ngram\n", "a hand-in may not use it", 0),
    "a hole": (instead("raise NotImplementedError('TODO 3: add_k')"), "a hole is left in it: TODO 3", 10),
    "nothing": (instead("return None"), "add_k returned nothing, and must return a function", 10),
    "a wrong type": (instead("return lambda history: {1: 0.5}"), "it returned a dict, and must return a list", 10),
    "text": (instead("return lambda history: ['1'] * vocab_size"), "it returned a str among the probabilities", 10),
    "NaN": (instead("return lambda history: [float('nan')] * vocab_size"), "a probability is NaN", 10),
    "no sum of 1": (instead("return lambda history: [0.5] * vocab_size"), "sum to 5.5, not to 1", 10),
    "too few": (instead("return lambda history: [1.0]"), "it returned 1 probabilities instead of 11", 10),
    "an error": (instead("return lambda history: 1 / 0"), "ZeroDivisionError: division by zero", 10),
    "no function": (REFERENCE.replace("def add_k", "def addk"), "there is no function add_k in it", 10),
    "an endless loop": (instead("while True: pass"), "it used more than 2 seconds of CPU", 10),
    "too much memory": (instead("return [0] * (1 << 33)"), "it needs more memory than the 2 GiB", 10),
    "exit": (instead("raise SystemExit(0)"), "it called exit: a function must return", 10),
    "_exit": (instead("import os; os._exit(0)"), "it ended its own process with exit code 0", 10),
    "a crash": (instead("import os; os.abort()"), "it crashed (SIGABRT)", 10),
    "a forged line": (instead("import os, sys; os.write(int(sys.argv[2]), b'1\\n')"), "something other than", 10),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_hand_in_keeps_the_points_of_what_works(grade, name):
    code, said, points = BAD[name]
    result = grade(code, SMALL)
    assert said in result.checks[1].message
    assert result.points == points


def test_what_is_printed_costs_nothing_and_is_kept_in_part(grade):
    result = grade("import sys\nfor n in range(200):\n    sys.stdout.write('a' * (1 << 20))\n" + REFERENCE, SMALL)
    assert result.points == 20
    assert len(result.printed) < 5000
    assert result.printed.endswith("209,711,104 bytes more")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "there is no counting.py in what was handed in"),
        (["a.py", "b.py"], "there are 2 files that could be counting.py (a.py, b.py)"),
        (["x/counting.py", "counting.py"], "there are 2 files"),
    ],
)
def test_a_folder_without_the_file_or_with_two(tmp_path, files, said):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(REFERENCE, "utf-8")
    result = grading.grade(tmp_path, SMALL, SECRET, "ada", 0)
    assert said in result.checks[0].message
    assert (result.points, result.finished) == (0, True)


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "key").write_text("the secret", "utf-8")
    (tmp_path / "handed").mkdir()
    (tmp_path / "handed" / "counting.py").symlink_to(tmp_path / "key")
    result = grading.grade(tmp_path / "handed", SMALL, SECRET, "ada", 0)
    assert result.checks[0].message == "counting.py is a link: hand in the file itself"


def test_inputs_are_of_the_student_and_the_secret():
    def drawn(*words):
        return grading.source(*words).random()

    first = drawn(b"one", "ada", "counts")
    assert first == drawn(b"one", "ada", "counts")
    assert (
        len({first, drawn(b"two", "ada", "counts"), drawn(b"one", "bob", "counts"), drawn(b"one", "ada", "add")}) == 4
    )


def test_a_secret_that_others_may_read_is_refused(tmp_path):
    key = tmp_path / "key"
    key.write_text("0123456789abcdef", "utf-8")
    key.chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        grading.read_secret(key)
    key.chmod(stat.S_IRUSR)
    assert grading.read_secret(key) == b"0123456789abcdef"


def test_a_process_that_cannot_be_started_is_the_fault_of_the_grader(grade, monkeypatch):
    monkeypatch.setattr(jail, "command", lambda *words: ["false"])
    with pytest.raises(LmzooError, match="nothing was graded"):
        grade(REFERENCE, SMALL)


def test_the_worked_example_of_the_handout():
    hand_in = {}
    exec(REFERENCE, hand_in)
    tables = hand_in["count"]([0, 1, 2, 1, 1, 2], 3, 2)
    after = (2, 0, 1)
    assert hand_in["maximum_likelihood"](tables, 3)(after) == pytest.approx([0, 1 / 3, 2 / 3])
    assert hand_in["add_k"](tables, 3, 1)(after) == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert hand_in["jelinek_mercer"](tables, 3, 0.5)(after) == pytest.approx([1 / 8, 3 / 8, 1 / 2])
    assert hand_in["kneser_ney"](tables, 3)(after) == pytest.approx([4 / 45, 17 / 45, 24 / 45])


@pytest.fixture
def lmzoo(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(assignments, "find", lambda name: SMALL)
    monkeypatch.setattr(assignments, "every", lambda: {SMALL.name: SMALL})
    monkeypatch.setattr(grading, "every", lambda: {SMALL.name: SMALL})

    def run(*words):
        with pytest.raises(SystemExit) as exit_:
            main(list(words))
        shown, errors = capsys.readouterr()
        return exit_.value.code, shown, errors

    return run


def test_the_commands(lmzoo, tmp_path):
    assert lmzoo("course", "new", "3", "--out", "bob")[0] == 0
    assert (tmp_path / "bob" / "handout.md").is_file()
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "counting.py").write_text(instead("return lambda history: [0.5, 0.5]"), "utf-8")
    (tmp_path / "key").write_bytes(SECRET)
    assert lmzoo("course", "grade", "ada", "--secret", "key")[0] == 2  # others may read it
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "cy").mkdir()
    (tmp_path / "cy" / "counting.py").write_text("def count(:\n", "utf-8")
    (tmp_path / "dee").mkdir()
    words = ("course", "grade", "ada", "bob", "cy", "dee", "--secret", "key", "--level", "0", "--results", "points")
    code, shown, _ = lmzoo(*words, "--csv")
    assert code == 0
    assert shown.splitlines() == [
        "student,points,of,level,counts,add-k",
        "ada,10,20,0,10,0",
        "bob,0,20,0,0,0",
        "cy,0,20,0,0,0",  # nothing that is handed in is an error of the grader's
        "dee,0,20,0,0,0",
    ]
    assert json.loads((tmp_path / "points" / "ada.json").read_text("utf-8"))["points"] == 10
    code, shown, _ = lmzoo("course", "grade", "ada", "dee", *words[6:], "--json")
    assert [one["points"] for one in json.loads(shown)] == [10, 0]
    code, shown, _ = lmzoo("course", "check", "ada")
    assert code == 0
    assert "1 of 2 public checks pass; hidden ones run when you hand in" in shown
    assert lmzoo("course", "grade", "eve", "--secret", "key") == (2, "", "lmzoo: there is no eve\n")
