"""The errors of the top floor."""

from __future__ import annotations


class RunnerError(Exception):
    """Root of what `runner` itself reports; printed as one `error:` message, without a traceback."""
