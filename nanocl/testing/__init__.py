"""Conformance checks for anybody's plugins: one call each, failing with one sentence."""

from nanocl.testing._small import run, small_learner, small_stream

__all__ = ["run", "small_learner", "small_stream"]
