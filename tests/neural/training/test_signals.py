import os
import signal
import threading

import pytest

from lmzoo.neural.training import signals
from lmzoo.neural.training.signals import Interruption


def press(number=signal.SIGINT):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_only_noted(number):
    with Interruption() as interruption:
        assert not interruption.requested
        press(number)
        assert interruption.requested


def test_a_second_interrupts_at_once(monkeypatch):
    monkeypatch.setattr(signals, "ONE_REQUEST", -1.0)
    with Interruption():
        press()
        with pytest.raises(KeyboardInterrupt):
            press()


def test_the_same_one_passed_on_by_torchrun_is_no_second():
    with Interruption() as interruption:
        press(signal.SIGINT)
        press(signal.SIGTERM)
        assert interruption.requested


def test_afterwards_all_is_as_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interruption():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_thread_that_gets_no_signals_trains_without():
    seen = []

    def train():
        with Interruption() as interruption:
            seen.append(interruption.requested)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [False]
