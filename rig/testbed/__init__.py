"""Containers of our own while something is measured: brokers, workers, generators, and what counts what they use."""
