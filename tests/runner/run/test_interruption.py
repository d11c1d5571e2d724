"""What must not be cut in two is not, and a person who insists is heard."""

from __future__ import annotations

import signal

import pytest

from runner.run.interruption import all_like_ctrl_c, held_back


def struck(
    numbers: list[signal.Signals], reached: list[str], error: Exception | None = None
) -> None:
    with all_like_ctrl_c(), held_back():
        for number in numbers:
            signal.raise_signal(number)
        reached.append("the end")
        if error is not None:
            raise error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("error", [None, ValueError()])
def test_the_first_signal_waits_for_the_end_and_is_not_lost(
    number: signal.Signals, error: Exception | None
) -> None:
    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        struck([number], reached, error)
    assert reached == ["the end"]


def test_the_second_ends_the_block_at_once() -> None:
    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        struck([signal.SIGINT, signal.SIGTERM], reached)
    assert not reached
