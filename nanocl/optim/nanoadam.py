"""NanoAdam: Adam on the smallest weights of each chunk, with a state for those alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nanocl.optim._backend import backend
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._masked_adamw import advance, masked_bytes, start_dense, start_selection
from nanocl.optim._options import check_choice, check_integer, check_masked, check_number
from nanocl.optim._plain.rounding import SELECTION_KEY, stream_key
from nanocl.optim._plain.selection import even_starts, selected_count
from nanocl.optim._threads import Work

SELECTIONS = ("small", "large", "random", "gradient", "static-small")
MOMENT_POLICIES = ("carry", "reset", "slot")


class NanoAdam(CompactOptimizer):
    """Adam on the selected entries of each parameter; all other entries keep every bit.

    The entries are chosen anew every `mask_interval` steps of the parameter, in each chunk on its
    own. The state holds their places, their moments and (under `carry`) their ages, so it grows
    with `density`, not with the parameter. A group with density 1 is dense AdamW: the way to train
    norms and the output layer, as the paper does.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        density: Share of each chunk that is selected, in [0, 1]; at least one entry unless it is 0.
        final_density: Density after `total_steps`, reached linearly; None keeps `density`.
        total_steps: Steps of the density schedule.
        mask_interval: Steps from one selection to the next.
        density_interval: Steps from one evaluation of the schedule to the next; each forces a
            selection. None evaluates it at every selection.
        chunk_size: Entries of a chunk, None for the whole parameter. Up to 32768 an offset takes 2
            bytes, else 4.
        select: `small` is the paper; `large`, `random` and `gradient` (largest gradient of the
            step) are its controls; `static-small` chooses once, before the first step.
        moment_policy: What a selection does to the moments: `carry` keeps those of the entries that
            stay and starts the others at zero with an age of zero (it tells ages up to 32767 apart:
            with beta2 = 0.9999 older entries step up to 2 % too short, with 0.999 none); `reset`
            zeroes all, and the step count of the bias correction; `slot` leaves the arrays as they
            are, so that moments fall to other entries, and counts all steps: a mistake that is
            easily made, here to be measured.
        decay_scope: Which entries the decoupled weight decay shrinks; `all` breaks the promise
            above.
        state_dtype: Of the moments; None is float32, float64 for float64 parameters. bfloat16 is
            rounded stochastically, else a second moment with beta2 = 0.999 would stop growing.
        seed: Of the random selection and of stochastic rounding.
        weight_rounding: How bfloat16 parameters are rounded after a step: `nearest` or
            `stochastic`.
        fused: True for the compiled kernels (numba on the CPU, Triton on a GPU), False for plain
            PyTorch, None for whichever fits.

    Raises:
        ValueError: An option is out of its range.

    Source: Zhou, Jacobs, Gadhikar and Burkholz, "Pay Attention to Small Weights", NeurIPS 2025,
        arXiv:2506.21374, Algorithm 1. The paper leaves open what happens to the moments when the
        selection changes, the bias correction (printed without), the chunk length, and which
        entries weight decay touches: these are the options `moment_policy`, `chunk_size` and
        `decay_scope`, whose defaults are ours. Steps are counted per parameter.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        density: float = 0.1,
        final_density: float | None = None,
        total_steps: int | None = None,
        mask_interval: int = 100,
        density_interval: int | None = None,
        chunk_size: int | None = 32768,
        select: str = "small",
        moment_policy: str = "carry",
        decay_scope: str = "selected",
        state_dtype: torch.dtype | str | None = None,
        seed: int = 0,
        weight_rounding: str = "nearest",
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "density": density,
                "final_density": final_density,
                "total_steps": total_steps,
                "mask_interval": mask_interval,
                "density_interval": density_interval,
                "chunk_size": chunk_size,
                "select": select,
                "moment_policy": moment_policy,
                "decay_scope": decay_scope,
                "state_dtype": state_dtype,
                "seed": seed,
                "weight_rounding": weight_rounding,
                "fused": fused,
            },
        )

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_masked(options)
        check_integer("mask_interval", options["mask_interval"], 1)
        for name in ("density_interval", "total_steps"):
            if options[name] is not None:
                check_integer(name, options[name], 1)
        check_choice("select", options["select"], SELECTIONS)
        check_choice("moment_policy", options["moment_policy"], MOMENT_POLICIES)
        if options["final_density"] is not None:
            check_number("final_density", options["final_density"], 0.0, 1.0)
            if options["total_steps"] is None:
                raise ValueError(
                    "total_steps must be a positive integer when final_density is given, got None"
                )
            if options["select"] == "static-small":
                raise ValueError(
                    f"final_density must be None with select='static-small', "
                    f"got {options['final_density']!r}"
                )

    @staticmethod
    def bytes_of(param: Tensor, group: dict[str, Any]) -> int:
        return masked_bytes(
            param,
            group,
            selected_count(param.numel(), group["density"], group["chunk_size"]),
            dense=_is_dense(group),
        )

    def is_due(self, step: int, group: dict[str, Any]) -> bool:
        if group["select"] == "static-small":
            return step == 0
        return step % group["mask_interval"] == 0 or (
            group["density_interval"] is not None and step % group["density_interval"] == 0
        )

    def update(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        state = self.state[param]
        if not state:
            (start_dense if _is_dense(group) else start_selection)(
                param, state, group, self.ordinal(group["seed"])
            )
        if "offset" in state and self.is_due(state["step"], group):
            _choose(param, state, group)
        return advance(param, state, group)


def _is_dense(group: dict[str, Any]) -> bool:
    return group["density"] == 1 and group["final_density"] in (None, 1)


def _choose(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if group["moment_policy"] == "carry" and "age" not in state:
        raise ValueError(
            f"moment_policy cannot become 'carry' for a parameter that began without ages "
            f"({state['step']} steps ago): empty the optimizer's state of it first"
        )
    kind, select, chunk = backend(param, group["fused"]), group["select"], state["chunk"]
    density = scheduled_density(state["step"], group)
    if select == "random":
        key = stream_key(state["key"], state["step"], SELECTION_KEY)
        offset = kind.select_random(key, param.numel(), density, chunk, param.device)
    else:
        values = param.grad if select == "gradient" else param
        offset = kind.select(values, density, chunk, largest=select in ("large", "gradient"))
    start = even_starts(param.numel(), density, chunk, param.device)
    kind.reselect(state, start, offset, group["moment_policy"])


def scheduled_density(step: int, group: dict[str, Any]) -> float:
    """Density in use after `step` steps: linear in the last multiple of `density_interval`."""
    if group["final_density"] is None:
        return group["density"]
    evaluated = step - step % (group["density_interval"] or 1)
    return group["density"] + (group["final_density"] - group["density"]) * min(
        1.0, evaluated / group["total_steps"]
    )
