"""The optimizers of bitsandbytes, with moments of 8 bits."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl.libraries.bitsandbytes import LIBRARY
from nanocl.libraries.signature import Options
from nanocl.records import Option
from nanocl.strategies import Strategy


class Bitsandbytes(Strategy):
    """Any optimizer of bitsandbytes.optim, as in `bitsandbytes:AdamW8bit`.

    The options are those of the optimizer's signature. Left out are those that the library accepts
    and ignores (`amsgrad`, `nesterov`, `dampening`, the momentum of RMSprop) and the weight decay
    of Adam, which decays as AdamW's does. Tensors of fewer entries than `min_8bit_size` keep their
    moments in float32.

    Checked with version 0.50 on a CPU: AdamW8bit takes the steps of AdamW. After each step it
    rounds the moments to 256 values in each block of 256, as in the paper. Lion agrees with its
    paper. LAMB and LARS are refused: they compute something else than their papers.

    Args:
        optimizer: Name of the class in bitsandbytes.optim.
        options: Options of that class.

    Source: Dettmers, Lewis, Shleifer and Zettlemoyer, 2022, arXiv:2110.02861, section 2.
    """

    citation: ClassVar[str] = """@inproceedings{dettmers2022optimizers,
  title = {8-bit Optimizers via Block-wise Quantization},
  author = {Dettmers, Tim and Lewis, Mike and Shleifer, Sam and Zettlemoyer, Luke},
  booktitle = {International Conference on Learning Representations},
  year = {2022},
  eprint = {2110.02861},
  archiveprefix = {arXiv}
}"""

    def __init__(self, *, optimizer: str = "AdamW8bit", **options: Option) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.options = LIBRARY.complete(optimizer, options)

    @classmethod
    def options_of(cls, text: str) -> Options:
        """Option to (types, default) of the optimizer named after the colon."""
        return LIBRARY.options_of(text or "AdamW8bit")

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return LIBRARY.build(self.optimizer, self.options, model)
