"""The optimizers of torchao, with moments of 8 and 4 bits."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn
from torch.optim import Optimizer

from nanocl.libraries.library import Library, Way
from nanocl.libraries.signature import Options
from nanocl.records import Option
from nanocl.strategies import Strategy


def eager(
    optimizer: type[Optimizer], model: nn.Module, arguments: dict[str, Any], extra: dict[str, Any]
) -> Optimizer:
    """The optimizer; on a CPU not compiled, which would take many seconds for each new shape of a layer."""
    if any(p.is_cuda for p in model.parameters()):
        return optimizer(model.parameters(), **arguments)

    class Eager(optimizer):
        def step(self, closure: Any = None) -> Any:
            with torch.compiler.set_stance("force_eager"):
                return super().step(closure)

    return Eager(model.parameters(), **arguments)


LIBRARY = Library(
    "torchao",
    "torchao.optim",
    "torchao",
    usual=Way(eager),
    refused={
        "CPUOffloadOptimizer": "moves a GPU model's state to the CPU and does nothing elsewhere; use torch:AdamW"
    },
)


class Torchao(Strategy):
    """Any optimizer of torchao.optim, as in `torchao:AdamW8bit`; its options are those of its signature.

    Only tensors of 4096 entries or more whose number is a multiple of `block_size` are quantised;
    the others keep their moments in the weights' dtype. Checked with torchao 0.18 on a CPU:
    AdamW8bit takes the steps of AdamW from moments that are rounded to the nearest of 256 values of
    each block after every step, as the paper has it. A CPU runs it without the library's compiler,
    a hundred times slower than AdamW; `bitsandbytes:AdamW8bit` is for CPUs too.

    Args:
        optimizer: Its name there.

    Source: Dettmers, Lewis, Shleifer and Zettlemoyer, 2022, arXiv:2110.02861, section 2; Or et al.,
        2025, arXiv:2507.16099.
    """

    citation: ClassVar[str] = """@misc{or2025torchao,
  title = {{TorchAO}: {PyTorch}-Native Training-to-Serving Model Optimization},
  author = {Or, Andrew and Jain, Apurva and Vega-Myhre, Daniel and Cai, Jesse and Hernandez, Charles David and
    Zheng, Zhenrui and Guessous, Driss and Kuznetsov, Vasiliy and Puhrsch, Christian and Saroufim, Mark and
    Rao, Supriya and Tran, Thien and Samard{\\v{z}}i{\\'c}, Aleksandar},
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
        self.optimizer, self.options = optimizer, LIBRARY.complete(optimizer, options)

    @classmethod
    def options_of(cls, text: str) -> Options:
        """Option to (types, default) of the optimizer named after the colon."""
        return LIBRARY.options_of(text or "AdamW8bit")

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return LIBRARY.build(self.optimizer, self.options, model)
