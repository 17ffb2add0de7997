"""Finds the options of a learner for a protocol: search spaces, trials, the choice, its record."""
