"""Experiment files: what one may say, and everything that is wrong with one."""
