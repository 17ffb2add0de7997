"""Within a command the signals of batch systems are interrupts; afterwards they are as before."""

import os
import signal

import pytest

from nanocl.cli import signals


@pytest.mark.parametrize("number", signals.SIGNALS)
def test_a_signal_is_an_interrupt_with_its_exit_code_and_a_second_is_ignored(number):
    with pytest.raises(KeyboardInterrupt) as caught, signals.as_interrupts():
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
    assert signals.exit_code(caught.value) == 128 + number


def test_afterwards_the_handlers_are_as_before():
    before = [signal.getsignal(number) for number in signals.SIGNALS]
    with signals.as_interrupts():
        assert [signal.getsignal(number) for number in signals.SIGNALS] != before
    assert [signal.getsignal(number) for number in signals.SIGNALS] == before


def test_ctrl_c_has_the_usual_exit_code():
    assert signals.exit_code(KeyboardInterrupt()) == 130


def test_the_number_of_the_signal_survives_an_interrupt_that_replaces_it():
    with pytest.raises(KeyboardInterrupt) as caught, signals.as_interrupts():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None
    assert signals.exit_code(caught.value) == 143
