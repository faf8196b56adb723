"""The experiment engine: a file that puts one claim to the test, run side by side in rounds, and its verdict."""
