"""nanocl: which optimizer or strategy forgets least on a stream of tasks, and at what cost."""

__version__ = "0.1.0"
