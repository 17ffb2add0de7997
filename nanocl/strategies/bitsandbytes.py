"""The optimizers of bitsandbytes, with moments of 8 bits."""

from __future__ import annotations

import logging
from typing import ClassVar

import torch

from nanocl.libraries.library import Library, Way
from nanocl.libraries.signature import Options
from nanocl.records import Option
from nanocl.strategies import Strategy

logging.getLogger("bitsandbytes").setLevel(
    logging.ERROR
)  # it warns of kernels for inference when it is imported
IGNORED = frozenset(
    {
        "amsgrad",
        "dampening",
        "nesterov",
        "optim_bits",
        "lr_decay",
        "initial_accumulator_value",
        "centered",
    }
)
BITS = ("", "8bit", "32bit")
CLIPPED = "only ever scales an update down, at 8 bits not even that, where {} scales every layer's to its weights' norm"

LIBRARY = Library(
    "bitsandbytes",
    "bitsandbytes.optim",
    "bitsandbytes",
    usual=Way(without=IGNORED),
    ways={
        **{
            f"{paged}Adam{bits}": Way(without=IGNORED | {"weight_decay"})
            for paged in ("", "Paged")
            for bits in BITS
        },
        **{f"RMSprop{bits}": Way(without=IGNORED | {"momentum"}) for bits in BITS},
    },
    refused={
        **{f"LAMB{bits}": CLIPPED.format("LAMB") for bits in BITS},
        **{f"LARS{bits}": CLIPPED.format("LARS") for bits in BITS},
        "PytorchLARS": CLIPPED.format("LARS"),
        **{
            f"{paged}AdEMAMix32bit": "cannot take a step in bitsandbytes 0.50; use bitsandbytes:AdEMAMix"
            for paged in ("", "Paged")
        },
    },
)


class Bitsandbytes(Strategy):
    """Any optimizer of bitsandbytes.optim, as in `bitsandbytes:AdamW8bit`; its options are those of its signature.

    Tensors of fewer entries than `min_8bit_size` keep their moments in float32. Checked with
    version 0.50 on a CPU: AdamW8bit takes the steps of AdamW from moments rounded to 256 values of
    each block of 256 after every step, as the paper has it; Lion agrees with its paper. Options
    that the library takes and ignores are left out (`amsgrad`, `nesterov`, `dampening`, the
    momentum of RMSprop), and so is the weight decay of Adam, which there is AdamW's. LAMB and LARS
    are refused: they are not what they are called.

    Args:
        optimizer: Its name there.

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
        self.optimizer, self.options = optimizer, LIBRARY.complete(optimizer, options)

    @classmethod
    def options_of(cls, text: str) -> Options:
        """Option to (types, default) of the optimizer named after the colon."""
        return LIBRARY.options_of(text or "AdamW8bit")

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return LIBRARY.build(self.optimizer, self.options, model)
