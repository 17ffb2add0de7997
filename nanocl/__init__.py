"""nanocl: which optimizer or strategy learns a stream of tasks with the least forgetting, and at what cost."""

__version__ = "0.1.0"
