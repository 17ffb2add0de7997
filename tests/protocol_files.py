"""A protocol file of a user, and the specs that it gives."""

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request

GOOD = """
title = "Mine"
strategies = ["adamw", "sgd"]
seeds = 2

[stream]
family = "split"
experiences = 2

[training]
epochs = 1

[options.sgd]
lr = 0.1

[tier.cpu.for.task.training]
epochs = 2
"""


def specs(tmp_path, text, **values):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return suite.specs(Request(stream=str(path), **values), Catalogue())
