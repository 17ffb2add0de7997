"""The memory of optimizers on one model as tables and CSV, exact and in the paper's accounting."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nanocl.footprint import Footprint, footprint, optimizers, paper
from nanocl.footprint.architectures import Weight
from nanocl.footprint.paper import Account
from nanocl.plugins.catalogue import Catalogue
from nanocl.reporting import inert
from nanocl.reporting.formats import Table

# options whose defaults decide the size of the state
SHOWN = (
    "density",
    "final_density",
    "dense",
    "moment_policy",
    "chunk_size",
    "state_dtype",
    "window",
    "quant_block",
    "block_size",
    "momentum",
)
CSV_HEADER = (
    "model",
    "parameters",
    "dtype",
    "accounting",
    "optimizer",
    "options",
    "weights_bytes",
    "gradients_bytes",
    "state_bytes",
    "total_bytes",
)


@dataclass(frozen=True)
class Requirement:
    """The memory that one optimizer needs.

    Attributes:
        name: Its name on the command line.
        options: The options that were set.
        defaults: The other options that decide the size of its state.
        needs: Bytes of weights, gradients and state.
    """

    name: str
    options: str
    defaults: str
    needs: Footprint


def requirements(
    weights: Sequence[Weight],
    names: Sequence[str],
    settings: Mapping[str, Mapping[str, Sequence[str]]],
    dtype: str,
    catalogue: Catalogue,
) -> list[Requirement]:
    """The requirement of each optimizer with each combination of its settings.

    Args:
        weights: The parameters of the model.
        names: Names of optimizers, see `optimizers.resolve`.
        settings: Optimizer to option to values.
        dtype: Name of the dtype of weights and gradients.
        catalogue: All plugins.
    """
    return [
        _requirement(weights, name, options, getattr(torch, dtype), catalogue)
        for name in names
        for options in _combinations(settings.get(name, {}))
    ]


def exact_table(
    model: str,
    weights: Sequence[Weight],
    needed: Sequence[Requirement],
    dtype: str,
) -> Table:
    """The bytes of each optimizer as its own implementation stores them."""
    unit, scale = _unit(max(one.needs.total for one in needed))
    sizes = (f"{part} {unit}" for part in ("weights", "gradients", "state", "total"))
    defaults = dict.fromkeys(f"{one.name}: {one.defaults}" for one in needed if one.defaults)
    return Table(
        title="Memory of training",
        above=(_description(model, weights, dtype),),
        header=("optimizer", "options", *sizes, "state B/p", "total B/p"),
        rows=tuple(_cells(one, scale) for one in needed),
        below=(
            *defaults,
            f"{unit} = {scale} bytes, B/p = bytes a parameter; the state is exact, as the "
            "optimizer stores it. Activations, buffers and temporary memory are not included.",
        ),
        names=2,
        label="memory",
    )


def paper_table(weights: Sequence[Weight]) -> Table:
    """The same architecture in the paper's accounting, and with the settings of its runs."""
    accounts = paper.accounts(weights)
    unit, scale = _unit(max(account.bytes for account in accounts))
    rows = tuple(
        (
            account.optimizer,
            account.formula,
            f"{account.bytes / scale:.4g}",
            account.run_formula,
            f"{account.run_bytes / scale:.4g}",
        )
        for account in accounts
    )
    return Table(
        title="Optimizer state in the accounting of arXiv:2506.21374",
        above=(f"S = {paper.every(weights):,}, D = {paper.dense(weights):,}",),
        header=("optimizer", "formula", unit, "as run", f"as run {unit}"),
        rows=rows,
        below=(
            "S: all parameters; D: those of output layer and norms; k: density; moments take 2 "
            "bytes.",
            "The paper counts k = 1 % in every layer. As run: k = 10 % (GLUE, where it falls to "
            "4 %, and Llama), output layer and norms dense, error buckets of 64. Its vision runs "
            "use 1 % (ResNets) and 0.1 % (ViT-L).",
        ),
        names=1,
        label="memory-paper",
    )


def as_csv(
    model: str,
    needed: Sequence[Requirement],
    accounts: Sequence[Account],
    dtype: str,
) -> str:
    """Bytes, one optimizer a line; `accounting` is `exact`, `paper` or `paper as run`."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(CSV_HEADER)
    entries = needed[0].needs.parameters
    model = inert.comma_separated(model)
    for one in needed:
        needs = one.needs
        sizes = (needs.weights, needs.gradients, needs.state, needs.total)
        names = map(inert.comma_separated, (one.name, one.options))
        out.writerow((model, entries, dtype, "exact", *names, *sizes))
    for a in accounts:
        counted = round(a.bytes)
        run = round(a.run_bytes)
        out.writerow((model, entries, "", "paper", a.optimizer, a.formula, "", "", counted, ""))
        out.writerow(
            (model, entries, "", "paper as run", a.optimizer, a.run_formula, "", "", run, "")
        )
    return text.getvalue()


def _combinations(settings: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """One value for each option, in every combination."""
    for values in itertools.product(*settings.values()):
        yield dict(zip(settings, values, strict=True))


def _requirement(
    weights: Sequence[Weight],
    name: str,
    options: Mapping[str, str],
    dtype: torch.dtype,
    catalogue: Catalogue,
) -> Requirement:
    state_bytes, complete = optimizers.resolve(name, options, dtype, catalogue)
    needs = footprint(weights, state_bytes, dtype)
    # a rank decides the size of the state, except beside a density, which decides it then
    shown = SHOWN if "density" in complete else (*SHOWN, "rank")
    defaults = {
        option: value
        for option, value in complete.items()
        if option in shown and option not in options and value is not None
    }
    return Requirement(name, _spelled(options), _spelled(defaults), needs)


def _cells(one: Requirement, scale: int) -> tuple[str, ...]:
    needs = one.needs
    sizes = (needs.weights, needs.gradients, needs.state, needs.total)
    each = (needs.state / needs.parameters, needs.total / needs.parameters)
    scaled = (f"{size / scale:.4g}" for size in sizes)
    return (one.name, one.options, *scaled, *(f"{size:.4g}" for size in each))


def _description(model: str, weights: Sequence[Weight], dtype: str) -> str:
    entries = sum(weight.numel for weight in weights)
    norms = sum(weight.numel for weight in weights if weight.role == "norm")
    outputs = sum(weight.numel for weight in weights if weight.role == "head")
    head = f"output layer {outputs:,}" if outputs else "no output layer of its own"
    return (
        f"{model}: {entries:,} parameters (norms {norms:,}, {head}); "
        f"weights and gradients in {dtype}"
    )


def _unit(size: float) -> tuple[str, int]:
    if size >= 2**30 / 10:
        return "GiB", 2**30
    return "MiB", 2**20


def _spelled(options: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in options.items())
