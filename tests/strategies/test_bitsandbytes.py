"""The strategy `bitsandbytes` builds optimizers of its library; see tests/libraries."""

import pytest

from nanocl.libraries.bitsandbytes import LIBRARY
from nanocl.plugins.catalogue import Catalogue
from nanocl.strategies.bitsandbytes import Bitsandbytes
from nanocl.testing import SmallBackbone
from nanocl.training.heads import Network

pytest.importorskip("bitsandbytes")


def test_the_text_after_the_colon_names_the_optimizer():
    complete = Catalogue().complete("strategies", "bitsandbytes:AdamW8bit", {"lr": 0.25})
    optimizer = (
        Catalogue().make("strategies", complete).make_optimizer(Network(SmallBackbone(), outputs=4))
    )
    assert isinstance(optimizer, LIBRARY.optimizer("AdamW8bit"))
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_without_a_name_it_is_adamw8bit():
    assert Bitsandbytes.options_of("") == LIBRARY.options_of("AdamW8bit")
    assert Bitsandbytes().optimizer == "AdamW8bit"
