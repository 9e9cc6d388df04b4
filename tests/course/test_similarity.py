"""Winnowing: what it promises of any two texts, and what it says of hand-ins that were and were not copied."""

import json
import random
from pathlib import Path

import pytest

from lmzoo.cli.main import main
from lmzoo.course import assignments, similarity
from tests.course.counted import REFERENCE

OTHER = (Path(__file__).parent / "kneser_ney.py").read_text("utf-8")  # the same method, written by itself
SIGNS = "+-*/%@&|^~<>=.,:;()[]{}"


def renamed(code):
    """A copy with other names, comments, constants and layout, and its functions in another order."""
    for name in ("tables", "vocab_size", "followers", "history", "total", "line", "token", "counts"):
        code = code.replace(name, f"my_{name[::-1]}")
    first, *functions = code.replace("    ", "\t").split("\n\n\ndef ")
    return "\n\n# mine\ndef ".join([first.replace("    ", "\t"), *reversed(functions)])


def test_what_is_shared_of_k_and_a_window_is_always_found():
    """Section 3.1: at least one hash of every run of WINDOW + K - 1 tokens is kept, and none of fewer than K shared."""
    source = random.Random(0)
    for _ in range(40):
        shared = source.choices(SIGNS, k=similarity.WINDOW + similarity.K - 1)
        texts = [[*source.choices(SIGNS, k=40), *part, *source.choices(SIGNS, k=40)] for part in (shared, shared)]
        a, b = (similarity.winnow(" ".join(text)).keys() for text in texts)
        assert a & b
        short = source.choices(SIGNS, k=similarity.K - 1)
        texts = [[*source.choices(SIGNS, k=40), *part, *source.choices(SIGNS, k=40)] for part in (short, short)]
        a, b = (similarity.winnow("  ".join(text)).keys() for text in texts)
        assert not a & b


def test_tokens():
    text = "def f(x): # a comment\n\tif x == 'it\\'s #':\n        return 0x1f\n"
    assert [token for token, _ in similarity.tokens(text)] == [
        "def", "name", "(", "name", ")", ":", "if", "name", "==", "string", ":", "return", "number",
    ]  # fmt: skip
    assert similarity.tokens(text)[-1] == ("number", 3)
    assert similarity.tokens('print \'a\', """b\nc""", (\nd')[-1] == ("name", 3)  # no valid Python


def test_copies_are_found_and_the_same_method_is_not():
    starter = (assignments.FOLDER / "03-counting" / "starter.py").read_text("utf-8")
    ours = [one for one in similarity.ours() if one.name == "lmzoo/models/ngram.py"]
    model = "\n".join(ours[0].lines)
    hand_ins = {"ada": REFERENCE, "bob": renamed(REFERENCE), "cy": OTHER, "dee": starter, "eve": model + OTHER}
    report = similarity.compare(hand_ins, starter, ours)
    shares = {(pair.a, pair.b): pair.share for pair in report.pairs}
    assert shares["ada", "bob"] > 0.9
    assert shares["cy", "eve"] == 1
    assert shares["ada", "cy"] < 0.2
    assert not [pair for pair in [*report.pairs, *report.with_ours] if "dee" in (pair.a, pair.b)]
    assert report.with_ours[0].a == "eve"
    assert report.with_ours[0].share_of_b == 1
    assert {pair.a for pair in report.with_ours if pair.share > 0.2} == {"eve"}


def test_what_a_class_was_taught_does_not_count():
    """Nine hand-ins have a function in common, and two of them another."""
    functions = REFERENCE.split("\n\n\n")
    source = random.Random(1)
    own = [" ".join(source.choices(SIGNS, k=200)) for _ in range(9)]
    hand_ins = {f"s{n}": functions[1] + "\n" + text for n, text in enumerate(own)}
    for name in ("s2", "s5"):
        hand_ins[name] += functions[6]
    report = similarity.compare(hand_ins)
    assert [(pair.a, pair.b) for pair in report.pairs if pair.share > 0.1] == [("s2", "s5")]


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(similarity, "ours", list)
    for name, code in {"ada": REFERENCE, "<b>ob": renamed(REFERENCE), "cy": OTHER, "dee": None}.items():
        (tmp_path / "handed" / name).mkdir(parents=True)
        if code:
            (tmp_path / "handed" / name / "counting.py").write_text(code, "utf-8")

    def run(*words):
        with pytest.raises(SystemExit) as exit_:
            main(["course", "similar", *words])
        return exit_.value.code, *capsys.readouterr()

    code, shown, errors = run("handed", "--out", "similar.html")
    assert code == 0
    assert "<b>ob" in shown
    assert "cy" not in shown
    assert "dee is left out: there is no counting.py" in errors
    page = Path("similar.html").read_text("utf-8")
    assert "&lt;b&gt;ob and ada" in page
    assert "<b>" not in page
    assert 'class="same"' in page
    code, shown, _ = run("handed", "--json", "--least", "0.9")
    facts = json.loads(shown)
    assert (facts["hand_ins"], len(facts["pairs"])) == (3, 3)
    assert facts["pairs"][0]["share"] > 0.9
    assert run("handed/ada")[0] == 2
