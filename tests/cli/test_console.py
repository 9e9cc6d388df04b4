"""Progress in the terminal: bars open and close with the work they stand for."""

import pytest

from lmzoo.cli.console import Bars


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
