"""An untrusted file: whatever it does in its process, a broken model does not pass, and each fault has a message."""

import time
from collections import Counter

import pytest

from lmzoo import testing
from lmzoo.errors import LmzooError, UsageError
from lmzoo.interface import LanguageModel
from lmzoo.testing import sandbox
from lmzoo.testing.sandbox import Limits
from tests.contract.right_models import RIGHT, Bigram

BIGRAM = '''
from dataclasses import dataclass
import numpy as np
from lmzoo.interface import LanguageModel, check_ids

@dataclass
class Mine(LanguageModel):
    """Add-one bigrams in dictionaries."""
    reach = 1
    def fit(self, data, run=None):
        self.vocab_size_ = data.vocab_size
        self.pairs_ = {}
        for pair in zip(data.train[:-1].tolist(), data.train[1:].tolist()):
            self.pairs_[pair] = self.pairs_.get(pair, 0) + 1
        return self
    def start(self):
        return self.vocab_size_ - 1
    def advance(self, state, tokens):
        check_ids(tokens, self.vocab_size_)
        return int(tokens[-1]) if len(tokens) else state
    def next_log_probs(self, state):
        row = np.array([1.0 + self.pairs_.get((state, token), 0) for token in range(self.vocab_size_)])
        return np.log(row / row.sum())
'''
NAMES = testing.check_names(LanguageModel)
PATIENT = Limits(answer=30)


@pytest.fixture
def check(tmp_path):
    """Check BIGRAM with something else in a method's first line, or at the end of the file."""

    def run(method="", does="", after="", limits=PATIENT):
        source = BIGRAM
        if method:
            start = source.index(":\n", source.index(f"def {method}(")) + 2
            source = source[:start] + f"        {does}\n" + source[start:]
        file = tmp_path / "mine.py"
        file.write_text(source + after, encoding="utf-8")
        return sandbox.check_file(file, steps=1, limits=limits)

    return run


def outcomes(result):
    assert [check.name for check in result.checks] == NAMES
    return {check.name: check for check in result.checks}


def test_a_right_model_passes_with_its_counts_in_dictionaries(check):
    result = check()
    assert {c.name: c.message for c in result.checks if not c.passed} == {}
    assert [c.name for c in result.checks] == NAMES
    assert result.printed == ""


def test_right_models_of_every_ability_pass_in_another_process(tmp_path):
    """The right models of the tests, each as a file of its own: the same checks, and all of them pass."""
    kinds = [kind for kind in RIGHT if kind is not Bigram]
    for kind in kinds:
        file = tmp_path / f"{kind.__name__}.py"
        file.write_text(
            "from dataclasses import dataclass\nfrom tests.contract import right_models\n\n"
            f"@dataclass\nclass Mine(right_models.{kind.__name__}):\n    name = 'mine'\n",
            encoding="utf-8",
        )
        result = sandbox.check_file(file, steps=1)
        assert {c.name: c.message for c in result.checks if not c.passed} == {}
        assert [c.name for c in result.checks] == testing.check_names(kind)


def test_sys_exit_is_an_error_like_any_other(check):
    found = outcomes(check("next_log_probs", "import sys; sys.exit(0)"))
    assert found["sums_to_one"].message.startswith("it called sys.exit(0) (line ")
    assert {c.outcome for name, c in found.items() if name in ("fit", "empty_text")} == {"passed", "could not run"}
    assert Counter(c.passed for c in found.values())[False] > 20


@pytest.mark.parametrize(
    ("does", "limits", "sentence"),
    [
        ("import os; os._exit(0)", PATIENT, "ended its own process with exit code 0"),
        ("while True: pass", Limits(answer=1), "did not return within 1 seconds (an endless loop?)"),
        ("while True: pass", Limits(cpu=3), "used more than 3 seconds of CPU"),
        ("import os; os.abort()", PATIENT, "crashed (SIGABRT)"),
        (
            "self.spoil()",
            PATIENT,
            "something other than an answer was written to the pipe",
        ),
    ],
)  # fmt: skip
def test_the_end_of_the_process_is_a_message(check, does, limits, sentence):
    after = """
    def spoil(self):
        import os, stat
        for fd in map(int, os.listdir("/proc/self/fd")):
            if os.path.exists(f"/proc/self/fd/{fd}") and stat.S_ISFIFO(os.fstat(fd).st_mode):
                try:
                    os.write(fd, b"34 of 34 checks passed")
                except OSError:
                    pass
"""
    began = time.monotonic()
    found = outcomes(check("next_log_probs", does, after, limits))
    assert time.monotonic() - began < 60
    assert found["fit"].passed
    assert found["sums_to_one"].outcome == "could not run"
    assert sentence in found["sums_to_one"].message
    assert found["cut_anywhere"].outcome == "not reached"
    assert sentence in found["cut_anywhere"].message


def test_after_the_end_of_the_process_no_check_is_reached(check):
    found = outcomes(check("start", "import os; os._exit(3)"))
    first, *others = list(found.values())[2:]
    assert (first.name, first.outcome) == ("unfitted_says_so", "could not run")
    assert first.message.startswith("in start it ended its own process with exit code 3")
    assert {c.outcome for c in others} == {"not reached"}
    assert found["fit"].message == first.message


def test_a_lack_of_memory_is_reported(check):
    found = outcomes(check("next_log_probs", "np.ones(1 << 29)", limits=Limits(memory=2 << 30)))
    assert "MemoryError: it needs more memory than a model may use here" in found["sums_to_one"].message


def test_changing_the_given_ids_is_a_failure(check):
    found = outcomes(check("advance", "tokens[:] = 0"))
    assert found["cut_anywhere"].message == "advance changed the ids that it was given: work on a copy"
    assert found["constructor_only_stores"].passed


REWRITES = """
import lmzoo.testing, lmzoo.testing.contract as contract, lmzoo.testing.practice as practice
contract._run = lambda candidate, ability, name, check: contract.Check(name, ability, "passed")
practice.close = lambda a, b: True
contract.Check.passed = True
np.isclose = lambda a, b, **more: np.ones(np.shape(a), dtype=bool)
np.allclose = np.array_equal = lambda *a, **more: True
lmzoo.testing.check_model = lambda *a, **more: []
print("34 of 34 checks passed")
"""


def test_replacing_functions_of_the_checks_changes_nothing_and_is_a_failure(check):
    result = check("next_log_probs", "return np.zeros(self.vocab_size_)", REWRITES)
    found = outcomes(result)
    assert "the probabilities sum to 12.0" in found["sums_to_one"].message
    assert "it replaced " in found["no_monkey_patching"].message
    assert result.printed == "34 of 34 checks passed\n"
    assert sandbox.printed("a/mine.py", result) == "mine.py printed: 34 of 34 checks passed\n"
    lines = sandbox.printed("mine.py", sandbox.Result((), "line\n" * 30)).splitlines()
    assert lines == [*["mine.py printed: line"] * 20, "mine.py printed more, which is not shown"]


def test_a_file_that_ends_its_process_when_imported_is_one_line(check):
    with pytest.raises(LmzooError, match=r"mine\.py: in describe it ended its own process with exit code 7"):
        check(after="\nimport os; os._exit(7)\n")


def test_a_file_without_a_model_is_refused_as_everywhere(check):
    with pytest.raises(UsageError, match=r"must define exactly one model .* it has Other, Third"):
        check(after="\nclass Other(Mine): ...\nclass Third(Mine): ...\n")


def test_processes_that_the_model_started_end_with_it(check, tmp_path):
    mark = tmp_path / "alive"
    forks = (
        f"\nimport os, time\nif not os.fork():\n    for _ in range(300):\n        time.sleep(0.1)\n"
        f"        open({str(mark)!r}, 'a').write('x')\n    os._exit(0)\n"
    )
    with pytest.raises(UsageError):
        check(after=forks + f"\nwhile not os.path.exists({str(mark)!r}):\n    time.sleep(0.01)\nraise ValueError\n")
    size = mark.stat().st_size
    time.sleep(0.4)
    assert mark.stat().st_size == size
