"""PaFi: Adam on the smallest weights of the whole model, chosen once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate, chain
from typing import Any, ClassVar

import torch
from torch import Tensor

from nanocl.optim._backend import function_for
from nanocl.optim._base import CompactOptimizer
from nanocl.optim._masked_adamw import (
    SELECTION,
    advance,
    masked_bytes,
    start_dense,
    start_selection,
)
from nanocl.optim._options import check_masked
from nanocl.optim._plain.selection import from_flat_index, quota
from nanocl.optim._plain.selector import select
from nanocl.optim._shards import local
from nanocl.optim._threads import Work


class PaFi(CompactOptimizer):
    """Adam on the smallest entries of all parameters together, selected before the first step.

    All other entries keep every bit. How many entries a parameter contributes follows from its
    scale. Unlike with `NanoAdam(select="static-small")`, which takes the same share of each
    parameter, a layer of small weights may be trained completely and one of large weights not at
    all. The largest selected magnitude is stored and also applies to parameters that have their
    first gradient in a later step. A group with density 1 is dense AdamW. Of parameters sharded
    over processes, each process selects among its own entries.

    Args:
        params: Parameters, named parameters or groups; every option may differ by group. Groups of
            equal density share one selection.
        density: Share of all entries that is selected, in [0, 1].
        chunk_size: Entries of a chunk, in which the state counts positions; None is the whole
            parameter. Up to 32768, the position of an entry takes 2 bytes, otherwise 4.
        decay_scope: Which entries the decoupled weight decay shrinks: `selected` or `all`.
        state_dtype, seed, weight_rounding, fused: See `NanoAdam`.

    Raises:
        ValueError: An option is out of its range.

    Source: Liao, Meng and Monz, "Parameter-Efficient Fine-Tuning without Introducing New Latency",
        ACL 2023, arXiv:2305.16742: the task-agnostic mask by magnitude. The authors' code is not
        public; selecting from vectors as from matrices is our choice.
    """

    version: ClassVar[int] = 1
    required_state: ClassVar[frozenset[str]] = frozenset(("step", "key", "mean", "square"))
    optional_state: ClassVar[frozenset[str]] = SELECTION
    selects_from_all: ClassVar[bool] = True  # the state of a parameter depends on the others

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
        defaults = {
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
            "moment_policy": "reset",  # selected once, so all entries have the parameter's age
            "cut": None,
        }
        super().__init__(params, defaults)

    @staticmethod
    def check_options(options: dict[str, Any]) -> None:
        check_masked(options)

    @staticmethod
    def bytes_of(param: Tensor, group: Mapping[str, Any]) -> int:
        """See `CompactOptimizer`; an estimate that gives every parameter the share of all."""
        selected = quota(param.numel(), group["density"])
        return masked_bytes(param, group, selected, dense=group["density"] == 1)

    def state_bytes(self) -> int:
        """See `CompactOptimizer`.

        Raises:
            ValueError: Parameters of one density store their entries in different sizes, so that
                the bytes depend on which of them are selected.
        """
        total = 0
        for density in dict.fromkeys(group["density"] for group in self.param_groups):
            pairs = [
                (local(param), group)
                for group in self.param_groups
                for param in group["params"]
                if group["density"] == density and param.requires_grad
            ]
            if density == 1:
                total += sum(self.bytes_of(param, group) for param, group in pairs)
            else:
                total += _selected_bytes(pairs, density)
        return total

    def fixed_options(self, group: dict[str, Any]) -> frozenset[str]:
        return super().fixed_options(group) | {"chunk_size", "density", "moment_policy"}

    def update(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
        if not state and group["density"] == 1:
            start_dense(param, state, group, self.ordinal(group["seed"]))
        elif not state:
            self._start(param, state, group)
        return advance(param, state, group)

    def _start(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Fill the empty state of a parameter with its part of the selection."""
        groups = [other for other in self.param_groups if other["density"] == group["density"]]
        peers = [other for peer in groups for other in peer["params"]]
        if not any(self.state.get(other) for other in peers):
            # no state yet, or all of it was emptied: a new selection from all
            for peer in groups:
                peer["cut"] = None
        params = chain.from_iterable(other["params"] for other in self.param_groups)
        numbers = {id(other): number for number, other in enumerate(params)}
        # `param` may be a shard, and `group` a copy with another seed
        whole = next(other for other in peers if self.state.get(other) is state)
        owners = {id(other): peer for peer in groups for other in peer["params"]}
        own = owners[id(whole)]
        if own["cut"] is None:
            _set_cut([peer for peer in groups if peer["cut"] is None], numbers)
        start_selection(param, state, group, self.ordinal(group["seed"]))
        index = _below(param, own["cut"], numbers[id(whole)])
        start, offset = from_flat_index(index, param.numel(), state["chunk"])
        reselect = function_for(param, group["fused"], "selector", "reselect")
        reselect(state, start, offset, group["moment_policy"])


def _selected_bytes(pairs: list[tuple[Tensor, dict[str, Any]]], density: float) -> int:
    """Bytes of a selection from all these parameters, each with its group."""
    empty = [masked_bytes(param, group, 0) for param, group in pairs]
    single = [masked_bytes(param, group, 1) for param, group in pairs]
    sizes = {one - none for one, none in zip(single, empty, strict=True)}
    if len(sizes) > 1:
        raise ValueError(
            "the state of pafi depends on the weights if a selected entry takes "
            f"{' or '.join(map(str, sorted(sizes)))} bytes; use chunk_size=32768 and one dtype"
        )
    # the share of all entries together, not the sum of rounded shares
    selected = quota(sum(param.numel() for param, _ in pairs), density)
    return sum(empty) + selected * sum(sizes)


def _set_cut(groups: list[dict[str, Any]], numbers: dict[int, int]) -> None:
    """Store in the groups which entries of their trainable parameters are selected.

    The option `cut` has the largest selected magnitude, and the parameter's number and the position
    of the last selected entry of that magnitude: of equal magnitudes, the first are selected.
    """
    params = [param for group in groups for param in group["params"] if param.requires_grad]
    params.sort(key=lambda param: numbers[id(param)])
    parts = [local(param).detach().reshape(-1) for param in params]
    device = params[0].device
    magnitudes = [part.abs().to(device, torch.float64) for part in parts]
    # the paper's mask: the smallest weights of the whole model
    values = torch.cat(magnitudes)
    chosen = select(values, groups[0]["density"], max(1, len(values))).to(torch.int64)
    cut = (-1.0, 0, 0)
    if len(chosen):
        largest = values[chosen].max()
        last = int(chosen[values[chosen] == largest][-1])
        ends = list(accumulate(map(len, parts)))
        which = bisect_right(ends, last)
        position = last - ends[which] + len(parts[which])
        cut = (largest.item(), numbers[id(params[which])], position)
    for group in groups:
        group["cut"] = cut


def _below(param: Tensor, cut: tuple[float, int, int], number: int) -> Tensor:
    """Positions of a parameter's selected entries, ascending."""
    largest, last_number, last_position = cut
    values = param.detach().reshape(-1).abs().double()
    # entries of exactly the largest magnitude are selected up to the last one
    equals = len(values) if number < last_number else 0
    if number == last_number:
        equals = last_position + 1
    chosen = values < largest
    chosen[:equals] |= values[:equals] == largest
    return chosen.nonzero()[:, 0]
