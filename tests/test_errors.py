"""What is said of values outside a range, of a lack of memory and of a variable; and lines that a terminal can show."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.errors import FormatError, UsageError, cleaned, in_range, is_out_of_memory, one_line, whole_number_in

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, {"least": 1}, "k must be 1 or more, not 0"),
        (65, {"least": 1, "most": 64}, "k must be 1 to 64, not 65"),
        (0.0, {"above": 0}, "k must be above 0, not 0.0"),
        (1.0, {"least": 0, "below": 1}, "k must be 0 or more and below 1, not 1.0"),
        (1.0, {"above": 0, "below": 1}, "k must be above 0 and below 1, not 1.0"),
        (1.5, {"above": 0, "most": 1}, "k must be above 0 and at most 1, not 1.5"),
        (NAN, {"least": 0}, "k must be 0 or more, not nan"),
        (INF, {"least": 0}, "k must be 0 or more, not inf"),
        (INF, {"above": 0}, "k must be above 0, not inf"),
        (-1, {"least": 0, "why": "it counts words"}, "k must be 0 or more, not -1: it counts words"),
    ],
)
def test_a_value_outside_is_refused(value, bounds, message):
    with pytest.raises(UsageError) as error:
        in_range("k", value, **bounds)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("value", "bounds"),
    [(1, {"least": 1}), (64, {"least": 1, "most": 64}), (1e-9, {"above": 0}), (0.0, {"least": 0, "below": 1})],
)
def test_the_ends_are_inside(value, bounds):
    in_range("k", value, **bounds)


# ── Lines ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_line_has_nothing_that_a_terminal_obeys():
    assert one_line("a\x1b[31m\x9b\udc80\n  b\t\x7f") == "a\ufffd[31m\ufffd\ufffd b \ufffd"
    assert cleaned("a\r\n\tb\x07") == "a\ufffd\n\tb\ufffd"


def test_of_a_long_line_the_middle_is_left_out():
    line = one_line("begin " + "x" * 10_000 + ": no such file", 500)
    assert line.startswith("begin xxx")
    assert " … " in line
    assert line.endswith("xxx: no such file")
    assert len(line) == 500


@given(st.text(), st.integers(20, 60))
def test_no_line_is_longer_or_has_more_than_one_line(text, most):
    line = one_line(text, most)
    assert len(line) <= most
    assert len(line.splitlines()) <= 1


# ── Memory and variables ──────────────────────────────────────────────────────────────────────────


def led_to(cause):
    """A FormatError that was raised where `cause` was caught."""
    try:
        try:
            raise cause
        except Exception:
            raise FormatError("it is damaged") from None
    except FormatError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OSError("libllvmlite.so: failed to map segment from shared object"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("can't start new thread"),
    ],
)
def test_a_lack_of_memory_is_known_in_whatever_words_and_behind_whatever_error(error):
    assert is_out_of_memory(error)
    assert is_out_of_memory(led_to(error))


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "No file"), ValueError("3"), FormatError("out of memory")])
def test_other_errors_are_no_lack_of_memory(error):
    assert not is_out_of_memory(error)
    assert not is_out_of_memory(led_to(error))


def test_a_variable_is_a_whole_number(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert whole_number_in("WORLD_SIZE", 1) == 1
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert whole_number_in("WORLD_SIZE", 1) == 4
    for value in ("two", "-3", "1.5", " ", "9" * 5000, "\N{ARABIC-INDIC DIGIT TWO}"):
        monkeypatch.setenv("WORLD_SIZE", value)
        with pytest.raises(UsageError, match="WORLD_SIZE must be a whole number, not"):
            whole_number_in("WORLD_SIZE", 1)
