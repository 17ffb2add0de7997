"""The strategy `torch` builds optimizers of its library; see tests/libraries."""

from nanocl.libraries.torch import LIBRARY
from nanocl.plugins.catalogue import Catalogue
from nanocl.strategies.torch import Torch
from nanocl.testing import SmallBackbone
from nanocl.training.heads import Network


def test_the_text_after_the_colon_names_the_optimizer():
    complete = Catalogue().complete("strategies", "torch:Adam", {"lr": 0.25})
    optimizer = (
        Catalogue().make("strategies", complete).make_optimizer(Network(SmallBackbone(), outputs=4))
    )
    assert isinstance(optimizer, LIBRARY.optimizer("Adam"))
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_without_a_name_it_is_adamw():
    assert Torch.options_of("") == LIBRARY.options_of("AdamW")
    assert Torch().optimizer == "AdamW"
