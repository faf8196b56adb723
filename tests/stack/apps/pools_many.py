"""Sends many tasks and waits for the result of the last (on one solo worker: of all): python pools_many.py COUNT."""

import sys

from pools import add

last = [add.delay(number) for number in range(int(sys.argv[1]))][-1]
assert last.get(timeout=90) == int(sys.argv[1]) - 1
