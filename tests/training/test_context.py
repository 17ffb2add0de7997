"""What a call shares among its runs reaches a worker as it was when the call began."""

import pickle

from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import Catalogue
from nanocl.training.context import Context

PLUGIN = """
from nanocl.strategies import Strategy


class Mine(Strategy):
    \"\"\"Has a number.

    Source: a test.
    \"\"\"

    number = {number}
"""


def test_a_worker_gets_the_plugin_file_as_it_was_read(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN.format(number=1))
    context = Context(Catalogue([path]), data_root=tmp_path, workers=2)
    sent = pickle.dumps(context)
    path.write_text(PLUGIN.format(number=2))
    received = pickle.loads(sent)
    assert (received.data_root, received.workers) == (tmp_path, 2)
    plugin = received.catalogue.plugin("strategies", "mine")
    assert catalogue.load(plugin).number == 1
