"""Conformance checks for anybody's plugins: one call each, failing with one sentence."""

from nanocl.testing._small import SmallBackbone, run, small_learner, small_stream

__all__ = ["SmallBackbone", "run", "small_learner", "small_stream"]
