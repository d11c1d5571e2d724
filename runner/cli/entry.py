"""The program that a shell starts: until it is loaded, Ctrl-C ends it without a traceback."""

import signal

_HEARS_CTRL_C = signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""Not so in the background of a shell script, which has it ignored."""
if _HEARS_CTRL_C:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from runner.cli.main import main as run  # noqa: E402 - it takes a while


def main() -> None:
    """Run the command line that was typed."""
    if _HEARS_CTRL_C:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
