"""What an exception says, in one line that a person and a table can take."""

from __future__ import annotations

MAX_LENGTH = 160


def root_cause(error: BaseException) -> BaseException:
    """Return what an error was raised from, to the bottom: kombu and redis-py wrap what the socket said."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def in_one_line(error: BaseException) -> str:
    """Return what an error says, up to where the representation of some object begins.

    py-amqp puts the class and method it answers to in front, which is (0, 0) for a refused login.
    """
    said = " ".join(str(error).split()).removeprefix("(0, 0): ")
    return said.partition(" <")[0].rstrip(" .:")[:MAX_LENGTH]


def class_and_words(error: BaseException) -> str:
    """Return "ConnectionRefusedError: [Errno 111] Connection refused" of the error at the bottom."""
    cause = root_cause(error)
    text = in_one_line(cause)
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__
