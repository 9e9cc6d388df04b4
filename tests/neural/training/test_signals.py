import os
import signal
import threading

import pytest

from lmzoo.errors import Terminated
from lmzoo.neural.training import signals
from lmzoo.neural.training.signals import Interruption


@pytest.fixture(autouse=True)
def heard():
    """A shell may have us ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press(number=signal.SIGINT):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_only_sets_the_request(number):
    with Interruption() as interruption:
        interruption.to_save = True
        assert not interruption.requested
        press(number)
        assert interruption.requested
    assert isinstance(interruption.error(), Terminated) == (number != signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_there_is_anything_to_save_the_first_interrupts_at_once(number):
    with Interruption(), pytest.raises(KeyboardInterrupt) as caught:
        press(number)
    assert isinstance(caught.value, Terminated) == (number != signal.SIGINT)


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interruption():
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        press(signal.SIGHUP)
    signal.signal(signal.SIGHUP, before)


def test_a_second_signal_interrupts_at_once(monkeypatch):
    monkeypatch.setattr(signals, "ONE_REQUEST", -1.0)
    with Interruption() as interruption:
        interruption.to_save = True
        press()
        with pytest.raises(KeyboardInterrupt):
            press()


def test_the_same_signal_passed_on_by_torchrun_does_not_count_twice():
    with Interruption() as interruption:
        interruption.to_save = True
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
