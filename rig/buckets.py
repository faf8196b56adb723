"""The bounds of every latency histogram that the rig serves: one set, so that stages and sides can be compared."""

from __future__ import annotations

from typing import Final

# Upper bounds in seconds: a no-op's stages take 100 µs and more, a backlog's wait can take minutes.
BOUNDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0,
)  # fmt: skip
