"""The strategy `torchao` builds optimizers of its library; see tests/libraries."""

import pytest

from nanocl.libraries.torchao import LIBRARY
from nanocl.plugins.catalogue import Catalogue
from nanocl.strategies.torchao import Torchao
from nanocl.testing import SmallBackbone
from nanocl.training.heads import Network

pytest.importorskip("torchao")


def test_the_text_after_the_colon_names_the_optimizer():
    complete = Catalogue().complete("strategies", "torchao:AdamW8bit", {"lr": 0.25})
    optimizer = (
        Catalogue().make("strategies", complete).make_optimizer(Network(SmallBackbone(), outputs=4))
    )
    assert isinstance(optimizer, LIBRARY.optimizer("AdamW8bit"))
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_without_a_name_it_is_adamw8bit():
    assert Torchao.options_of("") == LIBRARY.options_of("AdamW8bit")
    assert Torchao().optimizer == "AdamW8bit"
