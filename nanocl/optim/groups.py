"""Parameter groups: the normalisation and output layers that sparse optimizers train densely.

A normalisation layer is a module that owns parameters and

- is of one of torch's types (`NORMS`) or of a class derived from one, or
- has `norm` in the name of its class, such as transformers' LlamaRMSNorm and timm's RmsNorm, or a
  name in its model such as `norm1`, `input_layernorm`, `ln_1` or `bn2`, if no module inside of it
  has parameters, and each of its own has at most one dimension longer than 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from torch import nn

from nanocl.optim._options import check_choice

DENSE = ("norms+head", "norms", "head", "none")
NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)
NORM_NAME = re.compile(r"norm|(^|_)(ln|bn|rms)\d*(_|$)", re.IGNORECASE)


def dense_groups(
    model: nn.Module,
    *,
    layers: str = "norms+head",
    lr: float | None = None,
    quiet: bool = False,
) -> list[dict[str, Any]]:
    """Two parameter groups for a sparse optimizer: sparse layers, and dense ones of density 1.

    It prints one line that names the dense parameters. Frozen parameters are in no group.

    Args:
        model: The model, with adapters of PEFT or without.
        layers: `norms+head`, `norms`, `head` or `none`; see `norm_layers` and `head_parameters`.
        lr: Learning rate of the dense group; None for that of the optimizer.
        quiet: Print nothing.
    """
    check_choice("layers", layers, DENSE)
    options = {"density": 1.0} if lr is None else {"density": 1.0, "lr": lr}
    groups = []
    for group in layer_groups(model, layers, options):
        trained = [param for param in group["params"] if param.requires_grad]
        if trained:
            groups.append({**group, "params": trained})
    if not quiet:
        print(f"nanocl: {_described(model, groups)}", file=sys.stderr)
    return groups


def _described(model: nn.Module, groups: list[dict[str, Any]]) -> str:
    """What is dense: layers by name, and the share of the trained entries."""
    chosen = {id(param) for group in groups if "density" in group for param in group["params"]}
    trained = {param: name for name, param in model.named_parameters() if param.requires_grad}
    entries = sum(param.numel() for param in trained)
    dense = sum(param.numel() for param in trained if id(param) in chosen)
    if not dense:
        return f"no dense parameters among {entries}"
    norms = norm_parameters(model)
    names = [name for param, name in trained.items() if id(param) in chosen]
    head = [name for name in names if name not in norms]
    parts = [f"{len(names) - len(head)} tensors of normalisation layers"] * (len(head) < len(names))
    parts += head
    share = f"{dense} of {entries} entries, {dense / entries:.2%}"
    note = "; the output matrix is the embedding and stays sparse" if _is_tied(model) else ""
    return f"dense: {', '.join(parts)} ({share}{note})"


def _is_tied(model: Any) -> bool:
    """Whether the output matrix is that of the embedding."""
    if not hasattr(model, "get_output_embeddings"):
        return False
    output, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    return output is not None and output.weight is embedding.weight


def layer_groups(model: nn.Module, layers: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Two parameter groups: the layers named by `layers` with these options, and all others.

    Args:
        model: The model.
        layers: One of `DENSE`.
        options: Options of the group of the named layers.

    Returns:
        The group of the other layers, then that of the named layers; empty groups are left out.
    """
    chosen = norm_parameters(model) if "norms" in layers else set()
    if "head" in layers:
        chosen |= head_parameters(model)
    named = list(model.named_parameters())
    groups = [
        {"params": [p for name, p in named if name not in chosen]},
        {"params": [p for name, p in named if name in chosen], **options},
    ]
    return [group for group in groups if group["params"]]


def norm_parameters(model: nn.Module) -> set[str]:
    """Names of the parameters of normalisation layers."""
    return {
        f"{path}.{name}" if path else name
        for path in norm_layers(model)
        for name, _ in model.get_submodule(path).named_parameters(recurse=False)
    }


def norm_layers(model: nn.Module) -> dict[str, str]:
    """Path of each normalisation layer to what shows that it is one: `type`, `class` or `name`."""
    signs = {path: _sign_of_norm(path, module) for path, module in model.named_modules()}
    return {path: sign for path, sign in signs.items() if sign}


def _sign_of_norm(path: str, module: nn.Module) -> str:
    """`type`, `class` or `name`; empty for a module that is no normalisation layer."""
    own = [parameter for _, parameter in module.named_parameters(recurse=False)]
    if not own:
        return ""
    if isinstance(module, NORMS):
        return "type"
    # not a block with a norm inside, a projection `norm_proj` or a linear layer `NormedLinear`
    longest = max(parameter.squeeze().ndim for parameter in own)
    if longest > 1 or len([*module.parameters()]) > len(own):
        return ""
    if "norm" in type(module).__name__.lower():
        return "class"
    return "name" if NORM_NAME.search(path.rpartition(".")[2]) else ""


def head_parameters(model: nn.Module) -> set[str]:
    """Names of the output layer's parameters, as `named_parameters` has them.

    - The model may name them in a method `head_parameters`.
    - Of a model of transformers it is what lies outside of the base model, such as `classifier`,
      `score`, `lm_head`, `cls` or `qa_outputs`. An output matrix that is tied to the embedding is
      no head: the embedding is a part of the base, and most of a small model.
    - Else it is the last linear layer.
    """
    names: Callable[[], set[str]] | None = getattr(model, "head_parameters", None)
    if names is not None:
        return set(names())
    of_adapters: Callable[[], nn.Module] | None = getattr(model, "get_base_model", None)
    if of_adapters is not None and hasattr(model, "peft_config"):
        return _of_inner(model, of_adapters())
    if isinstance(getattr(model, "base_model_prefix", None), str):
        return _outside_of_base(model)
    return _last_linear(model)


def _outside_of_base(model: Any) -> set[str]:
    """Parameters of a model of transformers that are not of its base model alone."""
    base = getattr(model, model.base_model_prefix, None)
    if not isinstance(base, nn.Module):
        output = model.get_output_embeddings()  # an encoder and decoder, such as T5, has no base
        if output is None:
            return _last_linear(model)
        return _names_of(model, output) - _names_of(model, model.get_input_embeddings())
    inside = {id(module) for module in base.modules()}
    outside = [module for module in model.modules() if id(module) not in inside]
    chosen: set[str] = set()
    for module in outside:
        chosen |= _names_of(model, module, recurse=False)
    return chosen - _names_of(model, base)


def _names_of(model: nn.Module, part: nn.Module, *, recurse: bool = True) -> set[str]:
    """Names in the model of the parameters of a part; a tied one has the name it has first."""
    ids = {id(parameter) for parameter in part.parameters(recurse)}
    return {name for name, parameter in model.named_parameters() if id(parameter) in ids}


def _of_inner(model: nn.Module, inner: nn.Module) -> set[str]:
    """The output layer of a model inside of another, by its names in the other."""
    named = dict(inner.named_parameters())
    ids = {id(named[name]) for name in head_parameters(inner) if name in named}
    return {name for name, parameter in model.named_parameters() if id(parameter) in ids}


def _last_linear(model: nn.Module) -> set[str]:
    linear = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        return set()
    last = linear[-1]
    parameters = model.get_submodule(last).named_parameters()
    return {f"{last}.{name}" if last else name for name, _ in parameters}
