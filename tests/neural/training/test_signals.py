import os
import signal
import threading

import pytest

from lmzoo.neural.training import signals
from lmzoo.neural.training.signals import Interruption


def press(number=signal.SIGINT):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_only_sets_the_request(number):
    with Interruption() as interruption:
        assert not interruption.requested
        press(number)
        assert interruption.requested


def test_a_second_signal_interrupts_at_once(monkeypatch):
    monkeypatch.setattr(signals, "ONE_REQUEST", -1.0)
    with Interruption():
        press()
        with pytest.raises(KeyboardInterrupt):
            press()


def test_the_same_signal_passed_on_by_torchrun_does_not_count_twice():
    with Interruption() as interruption:
        press(signal.SIGINT)
        press(signal.SIGTERM)
        assert interruption.requested


def test_the_earlier_handlers_are_restored():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interruption():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_no_handler_is_set():
    seen = []

    def train():
        with Interruption() as interruption:
            seen.append(interruption.requested)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [False]
