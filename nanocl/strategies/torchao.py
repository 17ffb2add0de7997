"""The optimizers of torchao, with moments of 8 and 4 bits."""

from __future__ import annotations

from typing import ClassVar

import torch

from nanocl.libraries.signature import Options
from nanocl.libraries.torchao import LIBRARY
from nanocl.records import Option
from nanocl.strategies import Strategy


class Torchao(Strategy):
    """Any optimizer of torchao.optim, as in `torchao:AdamW8bit`.

    The options are those of the optimizer's signature. Only tensors of 4096 entries or more, whose
    number is a multiple of `block_size`, are quantised; others keep their moments in the dtype of
    the weights.

    Checked with torchao 0.18 on a CPU: AdamW8bit takes the steps of AdamW. After each step it
    rounds the moments to the nearest of 256 values in each block, as in the paper. On a CPU the
    library's compiler is switched off, which makes a step a hundred times slower than AdamW's;
    `bitsandbytes:AdamW8bit` is fast on CPUs too.

    Args:
        optimizer: Name of the class in torchao.optim.
        options: Options of that class.

    Source: Dettmers, Lewis, Shleifer and Zettlemoyer, 2022, arXiv:2110.02861, section 2; Or et al.,
        2025, arXiv:2507.16099.
    """

    citation: ClassVar[str] = """@misc{or2025torchao,
  title = {{TorchAO}: {PyTorch}-Native Training-to-Serving Model Optimization},
  author = {Or, Andrew and Jain, Apurva and Vega-Myhre, Daniel and Cai, Jesse and Hernandez, Charles
    David and Zheng, Zhenrui and Guessous, Driss and Kuznetsov, Vasiliy and Puhrsch, Christian and
    Saroufim, Mark and Rao, Supriya and Tran, Thien and Samard{\\v{z}}i{\\'c}, Aleksandar},
  year = {2025},
  eprint = {2507.16099},
  archiveprefix = {arXiv}
}

@inproceedings{dettmers2022optimizers,
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
