"""The errors a user sees as plain lines instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterable

STACK_FAILED = 4  # exit code of what Docker or the machine did, which says nothing about any claim


class BadInput(Exception):  # noqa: N818 - it names what the user gave, not what we did wrong
    """The user must change something: every problem found, one line each. The CLI exits with 2."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class StackError(Exception):
    """A container or the engine did not do as asked: what, and the last lines it logged. The CLI exits with 4."""
