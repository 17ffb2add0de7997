"""Optimizers with compact state, drop-in for `torch.optim`. Needs torch, numpy and numba, and nothing of nanocl."""

from .cautious_adamw import CautiousAdamW
from .classp import CLASSP
from .lift import LIFT
from .low_rank import LowRankAdamW
from .microadam import MicroAdam
from .mofo import MoFO
from .nanoadam import NanoAdam
from .pafi import PaFi
from .step_in_backward import StepInBackward

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
