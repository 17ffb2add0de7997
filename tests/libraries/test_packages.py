"""Every library by name."""

from nanocl.libraries.packages import LIBRARIES
from nanocl.plugins.catalogue import Catalogue


def test_every_library_has_a_strategy_of_its_name_and_every_such_strategy_a_library():
    plugins = Catalogue().plugins("strategies")
    assert set(LIBRARIES) == {name for name, plugin in plugins.items() if plugin.is_library}


def test_torch_has_its_public_optimizers_and_not_the_base_class():
    names = LIBRARIES["torch"].optimizers()
    assert {"Adam", "SGD", "SparseAdam"} <= set(names) and "Optimizer" not in names
