"""Optimizers with compact state, drop-in for `torch.optim`. Needs torch, numpy and numba, and nothing of nanocl."""

from nanocl.optim.cautious_adamw import CautiousAdamW
from nanocl.optim.classp import CLASSP
from nanocl.optim.lift import LIFT
from nanocl.optim.low_rank import LowRankAdamW
from nanocl.optim.microadam import MicroAdam
from nanocl.optim.mofo import MoFO
from nanocl.optim.nanoadam import NanoAdam
from nanocl.optim.pafi import PaFi
from nanocl.optim.step_in_backward import StepInBackward

__all__ = [
    "CLASSP",
    "LIFT",
    "CautiousAdamW",
    "LowRankAdamW",
    "MicroAdam",
    "MoFO",
    "NanoAdam",
    "PaFi",
    "StepInBackward",
]
