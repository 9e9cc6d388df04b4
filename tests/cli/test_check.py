"""`lmzoo check`: each outcome has a line and a mark, and the exit code says whether all checks passed."""

import json
from pathlib import Path

import pytest

from lmzoo import testing
from lmzoo.cli.check import check_file
from lmzoo.interface import LanguageModel
from tests.course import kneser_ney

pytestmark = pytest.mark.usefixtures("little_patience")

UNIGRAM = '''
from dataclasses import dataclass
import numpy as np
from lmzoo.interface import LanguageModel, check_ids

@dataclass
class Unigram(LanguageModel):
    """Add-one frequencies."""
    reach = 0
    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        counts = np.bincount(data.train, minlength=data.vocab_size) + 1
        self.log_probs_ = np.log(counts / counts.sum())
        return self
    def start(self):
        return ()
    def advance(self, state, tokens):
        return ()
    def next_log_probs(self, state):
        return self.log_probs_
'''


@pytest.fixture
def check(tmp_path, calling):
    """Check a file with this source: (exit code, stdout, stderr)."""
    call = calling(check=check_file)

    def grade(source, *flags):
        file = tmp_path / "mine.py"
        file.write_text(source, encoding="utf-8")
        return call(file, *flags)

    return grade


def test_a_right_model_passes(check):
    code, out, err = check(UNIGRAM)
    count = len(testing.check_names(LanguageModel))
    assert (code, err) == (0, "")
    assert f"{count} of {count} checks passed\n" in out
    assert out.count("✓") == count


def test_a_wrong_model_is_told_what_is_wrong_with_it(check):
    code, out, err = check(UNIGRAM.replace("return self.log_probs_", "return self.log_probs_ + 0.1"))
    assert (code, err) == (1, "")
    assert "✗ sums to one: " in out
    assert f" of {len(testing.check_names(LanguageModel))} checks passed, " in out


def test_an_error_in_a_model_is_shown_with_its_line(check):
    code, out, _ = check(UNIGRAM.replace("        return ()\n    def next", "        return 1 / 0\n    def next"))
    assert code == 1
    line = UNIGRAM.splitlines().index("    def advance(self, state, tokens):") + 2
    assert f"! sums to one: could not run: it raised ZeroDivisionError: division by zero (line {line})" in out
    assert "! cut anywhere: could not run: as above" in out


def test_what_was_not_reached_is_listed_and_counted(check):
    code, out, _ = check(UNIGRAM.replace("        return self\n", "        raise ValueError('not today')\n"))
    assert code == 1
    assert "! fit: could not run: it raised ValueError: not today" in out
    assert "– sums to one: not reached: there is no fitted model" in out
    assert f"3 of {len(testing.check_names(LanguageModel))} checks passed, 1 could not run, " in out


def test_json_has_every_check_with_its_ability_and_outcome(check):
    code, out, _ = check(UNIGRAM.replace("return self.log_probs_", "return self.log_probs_ + 0.1"), "--json")
    rows = json.loads(out)
    assert code == 1
    assert all(set(row) == {"check", "ability", "outcome", "passed", "message"} for row in rows)
    assert [row["check"] for row in rows] == testing.check_names(LanguageModel)
    failed = next(row for row in rows if row["check"] == "sums_to_one")
    assert (failed["ability"], failed["outcome"], failed["passed"]) == ("Decoder", "failed", False)


def test_a_model_without_an_ability_is_one_line(check):
    source = UNIGRAM.replace("LanguageModel", "Model")
    code, out, err = check(source)
    assert (code, out) == (2, "")
    assert err.startswith("lmzoo: Unigram has no ability that could be checked: derive it from one of LanguageModel, ")


def test_a_file_is_compared_with_a_model_and_the_exit_code_says_which(calling, tmp_path):
    """Absolute discounting is not taken for Kneser-Ney."""
    call, right = calling(check=check_file), Path(kneser_ney.__file__)
    code, out, err = call(right, "--same-as", "ngram:order=3,smoothing=kneser-ney")
    assert (code, out, err) == (0, "the same as ngram:order=3,smoothing=kneser-ney in all of 121 contexts\n", "")
    wrong = tmp_path / "absolute.py"
    wrong.write_text(right.read_text("utf-8").replace("else before[ngram]", "else count"), encoding="utf-8")
    code, out, err = call(wrong, "--same-as", "ngram:order=3,smoothing=kneser-ney")
    assert (code, err) == (1, "")
    assert "P(On | <s>)\n  ngram   0.14263     = 0.13864 + 0.61356·" in out
    assert "your numbers are those of absolute, order 3" in out
    code, out, _ = call(wrong, "--same-as", "ngram:order=3,smoothing=absolute", "--json")
    assert (code, json.loads(out)["same"]) == (0, True)


def test_a_file_that_fails_is_one_line(calling, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(UNIGRAM.replace("return self.log_probs_", "return 1 / 0"), encoding="utf-8")
    code, out, err = calling(check=check_file)(file, "--same-as", "ngram:order=2")
    assert (code, out) == (1, "")
    assert err.endswith("it raised ZeroDivisionError: division by zero\n")
    assert "(line " in err
