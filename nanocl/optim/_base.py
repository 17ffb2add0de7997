"""The base class of the optimizers with compact state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, count
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch._compile import _disable_dynamo  # torch.compiler.disable imports Triton at once
from torch.optim import Optimizer

from nanocl.optim._backend import Repeated, repeated_step
from nanocl.optim._capture import is_capturing, uncapturable
from nanocl.optim._changes import Changes
from nanocl.optim._gradients import check_plain, check_sizes
from nanocl.optim._plain.rounding import stream_key
from nanocl.optim._shards import is_distributed, local, options_of_shard, shard_of
from nanocl.optim._states import check_entries, check_groups, loaded_state, saved_state
from nanocl.optim._threads import Work, run

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class CompactOptimizer(Optimizer):
    """Updates each parameter alone, checks the options of every group, loads state unchanged.

    A subclass defines `version`, `required_state`, `fixed_options`, `check_options`, `update` and
    `bytes_of`. It keeps everything about a parameter in its state and initialises it when it is
    empty, because a parameter may be added late, grow, or lose its state at any time.

    A parameter that is sharded over processes (DTensor, as with `fully_shard`) is updated shard by
    shard: each process selects, rounds and keeps state for its own entries. This equals training in
    one process where no chunk, block or bucket lies in two shards. Its state is saved by shard and
    can only be loaded by as many processes.
    """

    # raised when a mended formula changes numbers; it enters the digest of runs
    version: ClassVar[int]
    # entries that the state of a parameter has after its first step, and those that it may have
    required_state: ClassVar[frozenset[str]]
    optional_state: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.check_options(defaults)
        self.rounds = 0  # calls of `step` and `zero_grad`
        self._repeated: dict[int, Repeated] = {}  # by number of the group
        self._changes = Changes(defaults)
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.rounds = getattr(self, "rounds", 0)  # backward passes are counted in rounds
        self._repeated = {}
        self._changes = Changes(self.defaults)
        for group in self.param_groups:
            self._changes.remember(group)

    @staticmethod
    @abstractmethod
    def check_options(options: dict[str, Any]) -> None:
        """Raise ValueError if an option of a group is out of its range."""

    def fixed_options(self, group: dict[str, Any]) -> frozenset[str]:
        """Options that cannot change while a parameter of the group has a state.

        A change of any other option must act at the next step, or at the next selection.
        """
        return frozenset(("state_dtype", "seed"))

    @abstractmethod
    def update(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
        """Take one step of a parameter under `torch.no_grad`; its gradient stays unchanged.

        Args:
            param: A parameter of the group; of a sharded one, the shard of this process.
            state: Of the parameter; empty before its first step.

        Returns:
            Loops still to run; those of many parameters run together.
        """

    def work_on(self, param: Tensor, group: dict[str, Any]) -> list[Work]:
        """See `update`; checks sizes first, because a kernel would write out of bounds.

        Raises:
            RuntimeError: The gradient or the state has another size than the parameter.
        """
        state = self.state[param]
        if is_distributed(param):
            part = local(param)
            run(self._work_on(part, state, options_of_shard(param, group)))
            return []  # the loops have run: nothing else keeps the memory of `part`
        return self._work_on(param, state, group)

    def _work_on(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> list[Work]:
        check_sizes(param, state, type(self).__name__)
        work = self.update(param, state, group)
        if state:
            state["numel"] = param.numel()
        return work

    def is_due(self, step: int, group: dict[str, Any]) -> bool:
        """Whether a parameter with a selection needs a new one after this number of steps."""
        return False

    def ordinal(self, seed: int) -> int:
        """A number for a new parameter such that no other parameter has the same random bits.

        Usually the count of states. Where heads come and go, that number may be in use.
        """
        keys = {state.get("key") for state in self.state.values()}
        numbers = count(len(self.state))
        return next(number for number in numbers if stream_key(seed, number) not in keys)

    @staticmethod
    @abstractmethod
    def bytes_of(param: Tensor, group: Mapping[str, Any]) -> int:
        """Bytes of the state tensors of one parameter after its first step."""

    def state_bytes(self) -> int:
        """Bytes of all state tensors after a first step; parameters may be on the meta device.

        A frozen parameter gets no gradient, and so no state.
        """
        return sum(
            self.bytes_of(local(param), group)
            for group in self.param_groups
            for param in group["params"]
            if param.requires_grad
        )

    def compile_ahead(self) -> None:
        """Compile what the first steps need, so that timings exclude it; changes nothing else."""
        groups = []
        for group in self.param_groups:
            # one small parameter of each type and device stands for those of the group
            kinds = dict.fromkeys((param.dtype, param.device) for param in group["params"])
            spare = [torch.nn.Parameter(torch.zeros(8, 8, dtype=t, device=d)) for t, d in kinds]
            groups += [{**group, "params": spare}] if spare else []
        other = type(self).__new__(type(self))
        CompactOptimizer.__init__(other, groups, dict(self.defaults))
        for group in other.param_groups:
            for param in group["params"]:
                param.grad = torch.zeros_like(param)
        other.step()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; options that it lacks take the optimizer's defaults.

        Raises:
            ValueError: An option is out of its range, or a parameter is of another type than
                float16, bfloat16, float32 or float64.
        """
        self.check_options({**self.defaults, **param_group})
        super().add_param_group(param_group)
        for param in self.param_groups[-1]["params"]:
            if param.dtype not in DTYPES:
                self.param_groups.pop()
                raise ValueError(
                    f"{type(self).__name__} takes float16, bfloat16, float32 or float64 parameters,"
                    f" got {param.dtype}"
                )
        self._changes.remember(self.param_groups[-1])

    def settle(self, number: int) -> None:
        """Check the options of a group that changed since its last step.

        Raises:
            ValueError: One is out of its range, or the state of a parameter depends on it.
        """
        group = self.param_groups[number]
        if self._changes.happened(group):
            self._repeated.pop(number, None)
            self.check_options(group)
            if any(map(self.state.get, group["params"])):
                self._changes.refuse(group, self.fixed_options(group))
            self._changes.remember(group)

    @_disable_dynamo
    def zero_grad(self, set_to_none: bool = True) -> None:
        """See `torch.optim.Optimizer`."""
        self.rounds += 1
        super().zero_grad(set_to_none)

    @_disable_dynamo  # Dynamo cannot trace compiled loops
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: Evaluates the model again and returns the loss.

        Returns:
            The loss of the closure, or None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        ready = []
        for group in self.param_groups:
            ready.append([param for param in group["params"] if param.grad is not None])
        self.rounds += 1
        for group, params in zip(self.param_groups, ready, strict=True):
            self.check(params, group)
        due = [number for number, params in enumerate(ready) if params]
        for number in due:
            self.settle(number)  # of all groups first, so that an error leaves no half step
        run([work for number in due for work in self._update_all(number, ready[number])])
        return loss

    def check(self, params: list[Tensor], group: dict[str, Any]) -> None:
        """Refuse parameters of a group that have a gradient but cannot take a step.

        Raises:
            RuntimeError: One is not a plain tensor, or a graph is captured that cannot replay it.
        """
        for param in params:
            check_plain(local(param), type(self).__name__)
        if params and is_capturing(params[0]):
            self.check_capture(params, group)

    def check_capture(self, params: list[Tensor], group: dict[str, Any]) -> None:
        """Raise RuntimeError if a CUDA graph could not replay the step of these parameters."""
        raise uncapturable(type(self).__name__, group)

    def _update_all(self, number: int, params: list[Tensor]) -> list[Work]:
        """One step of the parameters of a group that have a gradient."""
        group = self.param_groups[number]
        repeated = self._repeated.pop(number, None)
        works = None
        if repeated is not None and not self._selects(repeated, group):
            works = repeated.again(params, self.state, group)
        if works is None:
            repeated = None  # frees its arrays before the update replaces them
            works = [work for param in params for work in self.work_on(param, group)]
            if not any(map(is_distributed, params)):
                repeated = repeated_step(params, self.state, group, works)
        if repeated is not None:
            self._repeated[number] = repeated
        return works

    def _selects(self, repeated: Repeated, group: dict[str, Any]) -> bool:
        """Whether the next step of some parameter begins with a new selection."""
        return repeated.selected and any(self.is_due(step, group) for step in repeated.steps)

    def state_dict(self) -> dict[str, Any]:
        """See `torch.optim.Optimizer`; the state of a shard is saved under its number."""
        saved = super().state_dict()
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        numbers = chain.from_iterable(group["params"] for group in saved["param_groups"])
        for param, number in zip(params, numbers, strict=True):
            if number in saved["state"] and is_distributed(param):
                saved["state"][number] = saved_state(saved["state"][number], shard_of(param))
        return saved

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state with every tensor in the dtype it was saved in.

        torch casts them to their parameter's dtype, which would turn indices into floats and
        bfloat16 moments into float32. So they are restored before any post hook runs.

        Raises:
            ValueError: The state is that of another optimizer, or of another number of processes.
        """
        saved: dict[str, Any] = {}
        hooks = (
            self.register_load_state_dict_pre_hook(lambda _, state: self._keep(state, saved)),
            self.register_load_state_dict_post_hook(lambda _: self._restore(saved), prepend=True),
        )
        try:
            super().load_state_dict(state_dict)
        finally:
            for hook in hooks:
                hook.remove()

    def _keep(self, saved: dict[str, Any], kept: dict[str, Any]) -> None:
        """Refuse a saved state before anything of this optimizer changes, or keep it."""
        kept.update(saved)
        name = type(self).__name__
        # torch adds the first one; the other is younger than the first saved states
        options = self.defaults.keys() - {"differentiable", "capturable"}
        check_groups(name, saved["param_groups"], options)
        for param, state in self._saved_states(saved):
            entries = loaded_state(state, shard_of(param), torch.device("meta"))
            check_entries(name, entries, self.required_state, self.optional_state)

    def _restore(self, saved: dict[str, Any]) -> None:
        for param, state in self._saved_states(saved):
            self.state[param] = loaded_state(state, shard_of(param), param.device)

    def _saved_states(self, saved: dict[str, Any]) -> Iterator[tuple[Tensor, dict[str, Any]]]:
        numbers = chain.from_iterable(group["params"] for group in saved["param_groups"])
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        for number, param in zip(numbers, params, strict=False):  # torch compares their lengths
            if number in saved["state"]:
                yield param, saved["state"][number]
