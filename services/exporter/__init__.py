"""Follows the ledger live and serves what happens to each task as Prometheus metrics. `docs/metrics.md` explains them.

    segments --take--> rows --digest--> tally --collect--> /metrics
                              window joins what two processes saw of one task

Everything between is numpy over batches of slots: one poll costs the same few dozen array operations
whether four tasks happened or four thousand.
"""
