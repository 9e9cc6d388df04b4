"""Output in the terminal: bars open and close with their work; streams may be closed, full or narrow."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from lmzoo.cli import console
from lmzoo.cli.console import Bars
from lmzoo.errors import FormatError, ScoreError


def test_a_loop_advances_its_bar_once_for_each_item(monkeypatch):
    bars, advanced = Bars(quiet=True), []
    monkeypatch.setattr(Bars, "advance", lambda self, amount=1, note="": advanced.append(amount))
    assert list(bars.track("letters", "abc")) == ["a", "b", "c"]
    assert advanced == [1, 1, 1]


def test_an_error_inside_two_loops_closes_both_bars():
    bars = Bars(quiet=True)

    def divide():
        for outer in bars.track("outer", [1, 2]):
            for inner in bars.track("inner", [0]):
                outer / inner

    with pytest.raises(ZeroDivisionError):
        divide()
    assert bars._bars is None
    assert not bars._open


def test_what_is_at_work_is_named_before_it_is_done(monkeypatch):
    notes = []
    monkeypatch.setattr(Bars, "advance", lambda self, amount=1, note="": notes.append((amount, note)))
    for letter in Bars(quiet=True).track("letters", "ab", str.upper):
        notes.append(letter)
    assert notes == [(0, "A"), "a", (1, ""), (0, "B"), "b", (1, "")]


def test_a_narrow_terminal_cuts_what_is_at_work_and_keeps_the_time_left():
    bars, terminal = Bars(quiet=True), Console(width=80, file=io.StringIO())
    with bars.task("comparing", 10) as task:
        task.doing("ngram:order=5,smoothing=modified-kneser-ney,prune=1e-7")
        terminal.print(bars._bars.get_renderable())
    shown = terminal.file.getvalue()
    assert "comparing" in shown and "0%" in shown and "-:--:--" in shown
    assert "ngram:order=5,smoothing=modified-…" in shown


# ── Streams and variables ─────────────────────────────────────────────────────────────────────────


def in_a_shell(line, **variables):
    """The exit code, stdout and stderr of `line` in a shell, where $L is the command."""
    env = os.environ | variables | {"L": f"{sys.executable} -m lmzoo"}
    done = subprocess.run(["sh", "-c", line], env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("$L --version >&-", 0, ""),
        ("$L --version <&- >&- 2>&-", 0, ""),
        ("$L nonsense 2>&-", 2, ""),
        ("$L --version >/dev/full", 1, "lmzoo: input or output: No space left on device\n"),
        ("$L nonsense 2>/dev/full", 2, ""),
    ],
)
def test_a_stream_may_be_closed_or_full(line, code, err):
    assert in_a_shell(line) == (code, "", err)


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
def test_what_is_no_width_is_ignored():
    code, out, err = in_a_shell("$L --help", COLUMNS="0", LINES="x", TERMINAL_WIDTH="x", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert "storyworld" not in out and "compare" in out


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize("variables", [{"WORLD_SIZE": "two"}, {"WORLD_SIZE": "2", "RANK": "x"}])
def test_a_variable_of_torchrun_that_is_no_number_is_named(calling, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, out, err = calling(go=lambda: None)()
    assert (code, out) == (2, "")
    assert err.startswith(f"lmzoo: the environment variable {name} must be a whole number, not {value!r}")
    assert err.count("\n") == 1


def test_an_error_is_cut_and_cleaned(calling):
    code, _, err = calling(go=raising(FormatError("\x1b[31m" + "x" * 10_000 + "\nis too long")))()
    assert code == 2
    assert len(err) == len("lmzoo: ") + console.LONGEST_ERROR + 1
    assert err.endswith("x is too long\n")
    assert "\x1b" not in err


def wrongly_blamed():
    try:
        raise MemoryError
    except MemoryError:
        raise FormatError("it is not a whole file") from None


@pytest.mark.parametrize(
    "command", [raising(MemoryError()), raising(OSError(12, "Cannot allocate memory")), wrongly_blamed]
)
def test_a_lack_of_memory_is_called_that(calling, command):
    assert calling(go=command)() == (1, "", f"lmzoo: {console.OUT_OF_MEMORY}\n")


def test_notes_are_wrapped_at_80_characters_and_no_name_or_command_is_broken(capsys):
    path = "/a/very/long-folder/" * 5
    console.show_notes([f"{path} has been read as UTF-16, {'of which much could be said ' * 3}"])
    console.show_wrapped("  note: " + "word " * 30)
    first, second, third, *rest = capsys.readouterr().out.splitlines()
    assert (first, second) == ("note:", f"  {path}")
    assert third.startswith("  has been read as UTF-16")
    assert rest[-1].startswith("    word") and len(rest[-2]) <= 80


def test_names_of_files_are_cleaned_wherever_they_are_shown(capsys, monkeypatch):
    console.say("saved as r\x1b[31m\nx")
    console.show_table(("name",), [["r\x1b[31m"]], numbers_from=1)
    console.show_json({"name": "r\x9b\udc80"})
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x9b" not in out
    assert out.startswith("saved as r\ufffd[31m\ufffdx\n")
    assert '"r\\u009b\\udc80"' in out
    bars = Bars(quiet=True)
    with bars.task("reading \x1b]0;title\x07" + "x" * 100):
        (bar,) = bars._bars.tasks
    assert bar.description.startswith("reading \ufffd]0;title\ufffdxxx")
    assert len(bar.description) == console.LONGEST_NAME


def test_no_figure_is_shown_that_is_not_finite():
    with pytest.raises(ScoreError, match="NaN or infinite"):
        console.show_json({"perplexity": float("inf")})


def test_a_perplexity_with_too_many_digits_is_a_power_of_two():
    row = {"bits": 2200.0, "tokens": 2, "words": 0, "perplexity_per_token": None, "perplexity_per_word": None}
    assert console._perplexity(row, "token") == "2^1100.0"
    assert console._perplexity(row, "word") == "–"
    assert console._perplexity(row | {"perplexity_per_token": 1e300}, "token") == "2^1100.0"
    assert console._perplexity(row | {"perplexity_per_token": 12.345}, "token") == "12.35"
