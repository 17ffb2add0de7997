"""PaFi: Adam on the smallest weights of the whole model, chosen once."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, chain
from typing import Any

import torch
from torch import Tensor

from nanocl.optim._backend import backend
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._masked_adamw import advance, masked_bytes, start_dense, start_selection
from nanocl.optim._options import check_masked
from nanocl.optim._plain.selection import from_flat_index, quota
from nanocl.optim._threads import Work


class PaFi(CompactOptimizer):
    """Adam on the smallest entries of all parameters together, as they were before the first step; no other moves.

    How many entries a parameter gives follows from its scale: unlike
    `NanoAdam(select="static-small")`, which takes the same share of each, a layer of small weights
    may be trained whole and one of large weights not at all. The largest magnitude selected is
    kept, and holds for parameters that have their first gradient in a later step. A group with
    density 1 is dense AdamW.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group. Groups of
            equal density are chosen from together.
        density: Share of all entries that is selected, in [0, 1].
        chunk_size: Entries that share a start in the state, None for the whole parameter; up to
            32768 the place of an entry takes 2 bytes, else 4.
        decay_scope: Which entries the decoupled weight decay shrinks: `selected` or `all`.
        state_dtype, seed, weight_rounding, fused: See `NanoAdam`.

    Raises:
        ValueError: An option is out of its range.

    Source: Liao, Meng and Monz, "Parameter-Efficient Fine-Tuning without Introducing New Latency",
        ACL 2023, arXiv:2305.16742: the task-agnostic mask by magnitude. The authors' code is not
        public; that vectors are chosen from like matrices is ours.
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
        chunk_size: int | None = 32768,
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
                "chunk_size": chunk_size,
                "decay_scope": decay_scope,
                "state_dtype": state_dtype,
                "seed": seed,
                "weight_rounding": weight_rounding,
                "fused": fused,
                "moment_policy": "reset",  # chosen once: all entries have the age of the parameter
                "cut": None,
            },
        )

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_masked(options)

    @staticmethod
    def bytes_of(param: Tensor, group: dict[str, Any]) -> int:
        """See `CompactOptimizer`; as if the parameter gave the share of all, which only the sum of many comes near."""
        return masked_bytes(
            param, group, quota(param.numel(), group["density"]), dense=group["density"] == 1
        )

    def state_bytes(self) -> int:
        """See `CompactOptimizer`; exact where the parameters of one density have one type and one layout."""
        total = super().state_bytes()
        for density in {group["density"] for group in self.param_groups} - {1}:
            groups = [group for group in self.param_groups if group["density"] == density]
            params = [param for group in groups for param in group["params"]]
            each = masked_bytes(params[0], groups[0], 1) - masked_bytes(params[0], groups[0], 0)
            alone = sum(quota(param.numel(), density) for param in params)
            total += each * (quota(sum(param.numel() for param in params), density) - alone)
        return total

    def update(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        state = self.state[param]
        if not state and group["density"] == 1:
            start_dense(param, state, group, self.ordinal(group["seed"]))
        elif not state:
            self._start(param, state, group)
        return advance(param, state, group)

    def _start(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Fill the empty state of a parameter with its part of the selection."""
        groups = [other for other in self.param_groups if other["density"] == group["density"]]
        if not any(self.state.get(other) for peer in groups for other in peer["params"]):
            for peer in groups:
                peer["cut"] = None  # nothing has been trained, or all is forgotten: choose from all
        numbers = {
            id(other): number
            for number, other in enumerate(chain(*(g["params"] for g in self.param_groups)))
        }
        if group["cut"] is None:
            _cut([peer for peer in groups if peer["cut"] is None], numbers)
        start_selection(param, state, group, self.ordinal(group["seed"]))
        index = _below(param, group["cut"], numbers[id(param)])
        start, offset = from_flat_index(index, param.numel(), state["chunk"])
        backend(param, group["fused"]).reselect(state, start, offset, group["moment_policy"])


def _cut(groups: list[dict[str, Any]], numbers: dict[int, int]) -> None:
    """Find the largest magnitude that is selected of all trainable parameters in the groups, and note it in them.

    The note is this magnitude, and the number of the parameter and the place in it of the last
    entry selected that has
    it: of equal ones the first go first, as ever.
    """
    params = [param for group in groups for param in group["params"] if param.requires_grad]
    params.sort(key=lambda param: numbers[id(param)])
    device = params[0].device
    values = torch.cat(
        [param.detach().reshape(-1).abs().to(device, torch.float64) for param in params]
    )
    chosen = (
        backend(params[0], False)
        .select(values, groups[0]["density"], max(1, len(values)))
        .to(torch.int64)
    )
    cut = (-1.0, 0, 0)
    if len(chosen):
        largest = values[chosen].max()
        last = int(chosen[values[chosen] == largest][-1])
        ends = list(accumulate(param.numel() for param in params))
        which = bisect_right(ends, last)
        cut = (
            largest.item(),
            numbers[id(params[which])],
            last - ends[which] + params[which].numel(),
        )
    for group in groups:
        group["cut"] = cut


def _below(param: Tensor, cut: tuple[float, int, int], number: int) -> Tensor:
    """Places of a parameter's entries that are selected, ascending."""
    largest, last_number, last_place = cut
    values = param.detach().reshape(-1).abs().double()
    equals = (
        (last_place + 1 if number == last_number else 0) if number >= last_number else len(values)
    )
    chosen = values < largest
    chosen[:equals] |= values[:equals] == largest
    return chosen.nonzero()[:, 0]
