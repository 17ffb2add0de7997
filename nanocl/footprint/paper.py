"""Optimizer state in the accounting of the NanoAdam paper, and with the settings of its runs.

Source: Zhou, Jacobs, Gadhikar and Burkholz, NeurIPS 2025, arXiv:2506.21374, section on memory. It
counts the state of S parameters with moments of 2 bytes. For Llama-2-7B it gives these GiB, written
GB: AdamW 25.1, AdamW-8bit 12.55, MicroAdam 5.65, NanoAdam 0.3765. There NanoAdam has density 1 %
and all layers are sparse. The paper's runs on GLUE, commonsense and GSM8K start at 10 %, with dense
output layer and norms (appendices B and J).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nanocl.footprint.architectures import Weight

WINDOW = 10
DENSITY = 0.01
RUN_DENSITY = 0.1
BUCKET = 64


@dataclass(frozen=True)
class Account:
    """One optimizer in the paper's accounting.

    Attributes:
        optimizer: Its name, with the setting.
        formula: The paper's formula for the bytes; S is the number of parameters.
        bytes: Its value for this architecture.
        run_formula: The formula with the settings of the paper's runs; D is the number of entries
            of the dense layers.
        run_bytes: Its value for this architecture.
    """

    optimizer: str
    formula: str
    bytes: float
    run_formula: str
    run_bytes: float


def accounts(weights: Iterable[Weight]) -> list[Account]:
    """The paper's optimizers on these weights, NanoAdam with indices of 16 and of 64 bits."""
    weights = tuple(weights)
    total = every(weights)
    full = dense(weights)
    # for each step of the window, k S indices and k S values of 2 bytes each
    window = 4 * WINDOW * DENSITY
    return [
        Account("AdamW", "4 S", 4 * total, "4 S", 4 * total),
        Account("AdamW-8bit", "2 S", 2 * total, "2 S", 2 * total),
        Account(
            f"MicroAdam, window {WINDOW}",
            f"0.5 S + {window:g} S",
            (0.5 + window) * total,
            f"0.5 S + {window:g} S + 4 S / {BUCKET}",
            (0.5 + window + 4 / BUCKET) * total,
        ),
        *(
            Account(
                f"NanoAdam, int{8 * index} indices",
                f"{4 + index} k S",
                (4 + index) * DENSITY * total,
                f"{4 + index} k (S - D) + 4 D",
                (4 + index) * RUN_DENSITY * (total - full) + 4 * full,
            )
            for index in (2, 8)
        ),
    ]


def every(weights: Iterable[Weight]) -> int:
    """S: entries of all weights."""
    return sum(weight.numel for weight in weights)


def dense(weights: Iterable[Weight]) -> int:
    """D: entries of output layer and norms."""
    return sum(weight.numel for weight in weights if weight.role in ("norm", "head"))
