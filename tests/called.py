"""Functions that tests call in a worker process."""

import gc
import os
import sys

from nanocl.records import Notice, UserError


class Unpicklable(UserError):
    """An error of a plugin that takes two arguments and so cannot cross processes."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def product(a, b, tell):
    tell(Notice("", f"{a} times {b}"))
    return a * b


def wrong(tell):
    raise Unpicklable("this", "that")


def broken(tell):
    return {}["a key that is not there"]


def leaves(tell):
    sys.exit(4)


def dies(tell):
    os._exit(9)


def facts(tell):
    return {
        "collects": gc.isenabled(),
        "frozen": gc.get_freeze_count() > 100_000,
        "loaded": {"nanocl.training.experiment", "torch._dynamo"} <= set(sys.modules),
    }
