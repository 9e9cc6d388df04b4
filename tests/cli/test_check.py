"""`lmzoo check`: each outcome has a line and a mark, and the exit code says whether all checks passed."""

import json

import pytest

from lmzoo import testing
from lmzoo.cli.check import check_file
from lmzoo.interface import LanguageModel

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
