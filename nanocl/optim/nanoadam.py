"""NanoAdam: Adam on the smallest weights of each chunk, with state for these alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch._compile import _disable_dynamo  # torch.compiler.disable imports Triton at once

from nanocl.optim._base import CompactOptimizer
from nanocl.optim._capture import (
    StepsSinceSelection,
    check_capturable,
    check_lr,
    check_prepared,
    is_capturing,
    take_counts,
    uncapturable,
)
from nanocl.optim._choice import BY_GRADIENT, choose
from nanocl.optim._gradients import gradient_of
from nanocl.optim._masked_adamw import (
    SELECTION,
    advance,
    has_dense,
    masked_bytes,
    start_dense,
    start_selection,
)
from nanocl.optim._options import check_choice, check_integer, check_masked, check_number
from nanocl.optim._plain.selection import selected_count
from nanocl.optim._shards import local
from nanocl.optim._threads import Work

SELECTIONS = ("small", "large", "random", "gradient", "gallop", "static-small")
MOMENT_POLICIES = ("carry", "reset", "slot")


class NanoAdam(CompactOptimizer):
    """Adam on the selected entries of each parameter; all other entries keep every bit.

    Every `mask_interval` steps of a parameter, entries are selected anew in each of its chunks. The
    state holds their positions, their moments and (with `carry`) their ages, so it grows with
    `density`, not with the parameter. A group with density 1 is dense AdamW; the paper trains norms
    and the output layer this way.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group.
        density: Share of each chunk that is selected, in [0, 1]; at least one entry unless it is 0.
        final_density: Density after `total_steps`, reached linearly; None keeps `density`.
        total_steps: Steps of the density schedule.
        mask_interval: Steps from one selection to the next.
        density_interval: Steps from one evaluation of the schedule to the next; each evaluation
            makes a selection. None evaluates it at every selection.
        chunk_size: Entries of a chunk; None is the whole parameter. Up to 32768, an offset takes 2
            bytes, otherwise 4.
        select: `small` is the paper's rule; `large`, `random` and `gradient` (largest gradient of
            the step) are its controls; `gallop` takes the largest |gradient| / |weight| (Choudhary
            et al., 2025, arXiv:2510.19778, which selects once); `static-small` selects once, before
            the first step.
        moment_policy: How a selection treats the moments. `carry`: entries that stay keep moments
            and age, new ones start at zero (ages above 32767 count as 32767: with beta2 = 0.9999
            older entries step up to 2 % too short, with 0.999 not at all). `reset`: all moments and
            the step count of the bias correction start at zero. `slot`: the arrays stay, so moments
            pass to other entries, and all steps count; this common mistake is here to be measured.
        decay_scope: Which entries the decoupled weight decay shrinks. With `all`, entries that are
            not selected change too.
        state_dtype: Type of the moments; None is float32, or float64 for float64 parameters.
            bfloat16 is rounded stochastically, because a second moment with beta2 = 0.999 would
            stop growing otherwise.
        seed: Seed of the random selection and of stochastic rounding.
        weight_rounding: How bfloat16 parameters are rounded after a step: `nearest` or
            `stochastic`.
        fused: True demands a kernel (numba on the CPU, Triton on a GPU), False plain PyTorch; None
            takes what fits.
        capturable: Whether a CUDA graph can replay `step`, see below; on a CPU it is then plain
            PyTorch, and selections always are.

    With `capturable`, steps are counted on the device and the state keeps its addresses. Capture a
    step after an ordinary one, which makes the state; a graph also holds the addresses of gradients
    and the numbers of the group, so a schedule needs an lr that is a tensor on the device. The host
    does not see replays: call `select` before the first one and after every `mask_interval`::

        optimizer = NanoAdam(model.parameters(), torch.tensor(1e-3, device="cuda"), capturable=True)
        train(inputs)  # forward, backward and step(), on a side stream as torch demands
        optimizer.zero_grad()  # the capture makes gradients of its own
        with torch.cuda.graph(graph):
            train(inputs)
        for number, batch in enumerate(batches):
            if number % mask_interval == 0:
                optimizer.select()
            inputs.copy_(batch)
            graph.replay()

    A capture is refused before the first step, after loading a state until the next step, and while
    a selection is due. Steps outside of graphs select by themselves, `mask_interval` steps after
    the last selection. The density is fixed.

    Raises:
        ValueError: An option is out of its range.

    Source: Zhou, Jacobs, Gadhikar and Burkholz, "Pay Attention to Small Weights", NeurIPS 2025,
        arXiv:2506.21374, Algorithm 1. The paper leaves open how moments move when the selection
        changes, the bias correction (it prints none), the chunk length, and which entries weight
        decay shrinks: `moment_policy`, `chunk_size` and `decay_scope` cover these; their defaults
        are ours. Steps are counted per parameter.
    """

    version: ClassVar[int] = 1
    required_state: ClassVar[frozenset[str]] = frozenset(("step", "key", "mean", "square"))
    optional_state: ClassVar[frozenset[str]] = SELECTION

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
        capturable: bool = False,
    ) -> None:
        adam = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        defaults = {
            **adam,
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
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        for options in (state.get("defaults", {}), *state["param_groups"]):
            options.setdefault("capturable", False)  # saved before there was this option
        super().__setstate__(state)

    @cached_property
    def _since(self) -> StepsSinceSelection:
        return StepsSinceSelection()

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
            _check_schedule(options)
        check_choice("capturable", options["capturable"], (False, True))
        if options["capturable"]:
            check_capturable(options)

    @staticmethod
    def bytes_of(param: Tensor, group: Mapping[str, Any]) -> int:
        selected = selected_count(param.numel(), group["density"], group["chunk_size"])
        return masked_bytes(param, group, selected, dense=_is_dense(group))

    def fixed_options(self, group: dict[str, Any]) -> frozenset[str]:
        fixed = super().fixed_options(group) | {"chunk_size", "moment_policy"}
        # no selection comes that a new density could change
        static = group["select"] == "static-small" or has_dense(self.state, group)
        # a graph holds the addresses of as many entries as it was captured with
        if static or group["capturable"]:
            fixed |= {"density", "final_density"}
        return fixed

    def is_due(self, step: int, group: dict[str, Any]) -> bool:
        if group["select"] == "static-small":
            return step == 0
        if step % group["mask_interval"] == 0:
            return True
        return group["density_interval"] is not None and step % group["density_interval"] == 0

    def update(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
        if not state:
            start = start_dense if _is_dense(group) else start_selection
            start(param, state, group, self.ordinal(group["seed"]))
        if group["capturable"]:
            self._since.place_counts(state, param.device)
        else:
            take_counts(state)
        # Algorithm 1: every mask_interval steps a new mask, then Adam on the entries it selects
        if "offset" in state and self._selects_now(param, state, group):
            self._choose(param, state, group)
        if "offset" in state and group["capturable"] and not is_capturing(param):
            self._since.add_step(state)
        return advance(param, state, group)

    def _selects_now(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> bool:
        if not group["capturable"]:
            return self.is_due(state["step"], group)
        selected = selected_count(param.numel(), group["density"], state["chunk"])
        if len(state["offset"]) < selected or group["select"] == "static-small":
            return len(state["offset"]) < selected
        return self._since.of(state) >= group["mask_interval"]

    def _choose(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        choose(param, state, group)
        if group["capturable"]:
            self._since.restart(state)

    def check_capture(self, params: list[Tensor], group: dict[str, Any]) -> None:
        name = type(self).__name__
        if not group["capturable"]:
            raise uncapturable(name, group)
        for param in params:
            state = self.state.get(param, {})
            check_prepared(name, state, self._since)
            check_lr(group["lr"], param.device)
            if "offset" in state and self._selects_now(local(param), state, group):
                raise RuntimeError(
                    f"{name} must select entries, which replays of this step would not repeat: "
                    f"call select() before the capture and after every {group['mask_interval']} "
                    "replays"
                )

    @_disable_dynamo
    @torch.no_grad()
    def select(self) -> None:
        """Select entries anew at once in every group with `capturable`.

        It writes where captured steps read, and may be captured itself. Dense parameters, those of
        `static-small` and those before their first step stay as they are.

        Raises:
            RuntimeError: No group has `capturable`, a graph is captured before the first step, or
                the selection needs a gradient that is missing.
        """
        if not any(group["capturable"] for group in self.param_groups):
            raise RuntimeError(
                f"{type(self).__name__}.select() needs a group with capturable=True, got none; "
                "step() selects every mask_interval steps"
            )
        for number, group in enumerate(self.param_groups):
            self.settle(number)
            if group["capturable"] and group["select"] != "static-small":
                self._select_in(group)

    def _select_in(self, group: dict[str, Any]) -> None:
        for param in group["params"]:
            state = self.state.get(param, {})
            if "offset" not in state:
                continue
            if is_capturing(param):
                check_prepared(type(self).__name__, state, self._since)
            if group["select"] in BY_GRADIENT:
                gradient_of(param)  # raises an error if there is none
            part = local(param)
            self._since.place_counts(state, part.device)
            self._choose(part, state, group)


def _check_schedule(options: dict[str, Any]) -> None:
    """Check the options of a density schedule."""
    check_number("final_density", options["final_density"], 0.0, 1.0)
    # without a length the schedule has no slope, and a static selection would never follow it
    if options["total_steps"] is None:
        raise ValueError(
            "total_steps must be a positive integer when final_density is given, got None"
        )
    if options["select"] == "static-small":
        raise ValueError(
            f"final_density must be None with select='static-small', "
            f"got {options['final_density']!r}"
        )


def _is_dense(group: Mapping[str, Any]) -> bool:
    return group["density"] == 1 and group["final_density"] in (None, 1)
