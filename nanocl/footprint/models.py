"""The parameters of a model by name: bundled transformers, config files and model plugins."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nanocl.footprint import architectures
from nanocl.footprint.architectures import BUNDLED, Weight
from nanocl.models._collections import with_features
from nanocl.optim.groups import norm_parameters
from nanocl.plugins.catalogue import INSTALLED, Catalogue, UnknownPlugin
from nanocl.plugins.values import UnknownOption
from nanocl.records import UserError
from nanocl.records.ranges import did_you_mean


def weights_of(
    model: str,
    *,
    inputs: tuple[int, ...] = (),
    outputs: int = 0,
    options: Mapping[str, Any] | None = None,
    catalogue: Catalogue = INSTALLED,
) -> tuple[Weight, ...]:
    """The parameters of a model by its name, each in its own shape.

    Args:
        model: A name of `BUNDLED` such as `llama-2-7b`; `transformers:CONFIG.json`; or a model of
            `nanocl.run` such as `torchvision:resnet18` or `mlp`, which has one linear output layer,
            as in a run.
        inputs: Shape of an input of a model plugin; by default a colour image of 224 x 224 pixels
            for a collection such as torchvision, of 32 x 32 for others.
        outputs: Classes; 0 is 1000 for a collection and 10 for other plugins; see
            `architectures.from_config` for transformers.
        options: Options of a model plugin.
        catalogue: All plugins.

    Raises:
        UserError: An unknown name or option, with the nearest one, or a model that cannot be built.
    """
    is_file = model.startswith("transformers:")
    if (model in BUNDLED or is_file) and (options or inputs):
        raise UserError(
            f"{model} takes neither --set model.OPTION nor --inputs: its config decides"
        )
    if is_file:
        return architectures.from_file(model.partition(":")[2], outputs)
    if model in BUNDLED:
        return architectures.from_config(BUNDLED[model], outputs)
    names = {*catalogue.plugins("models"), *BUNDLED, "transformers"}
    if model.split(":")[0] not in names:
        raise UnknownPlugin(f"unknown model {model!r}{did_you_mean(model, sorted(names))}")
    side, classes = (224, 1000) if ":" in model else (32, 10)
    shape = inputs or (3, side, side)
    return of_modules(**on_meta(model, shape, outputs or classes, options or {}, catalogue))


def of_modules(backbone: nn.Module, head: nn.Module) -> tuple[Weight, ...]:
    """The parameters of a backbone and its output layer, with roles by the types of the layers."""
    roles = _roles(backbone)
    named = [
        (f"backbone.{name}", p, roles.get(p, "body")) for name, p in backbone.named_parameters()
    ]
    named += [(f"head.{name}", p, "head") for name, p in head.named_parameters()]
    return tuple(
        Weight(name, tuple(p.shape), role if p.requires_grad else "frozen")
        for name, p, role in named
    )


def _roles(backbone: nn.Module) -> dict[nn.Parameter, str]:
    owned = [
        (module, name, p)
        for module in backbone.modules()
        for name, p in module.named_parameters(recurse=False)
    ]
    first = [p for _, name, p in owned if "weight" in name and p.ndim > 1][:1]
    roles = dict.fromkeys(first, "input")
    roles |= {backbone.get_parameter(name): "norm" for name in norm_parameters(backbone)}
    return roles | {p: "embedding" for module, _, p in owned if isinstance(module, nn.Embedding)}


def build(
    model: str,
    inputs: tuple[int, ...],
    outputs: int,
    options: Mapping[str, Any],
    catalogue: Catalogue = INSTALLED,
) -> dict[str, nn.Module]:
    """`backbone` and `head` of a model plugin with random weights.

    Raises:
        UserError: An unknown name or option, or inputs of a shape that the backbone cannot take.
    """
    # weights from a file change no size and might need a download
    files = ("pretrained", "weights")
    sizes = {name: value for name, value in options.items() if name not in files}
    part = catalogue.complete("models", model, sizes)
    try:
        backbone = with_features(catalogue.make("models", part, inputs), inputs, part.name)
    except UserError:
        raise
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"cannot build {model}: {error}; set the shape of its inputs with --inputs"
        ) from error
    make = getattr(backbone, "make_head", None)
    features: Any = backbone.features
    head = make(outputs) if make else nn.Linear(features, outputs)
    return {"backbone": backbone, "head": head}


def on_meta(*call: Any) -> dict[str, nn.Module]:
    """As `build`, without memory for the weights where the model allows it."""
    with warnings.catch_warnings():
        # torchvision warns about initial values, which do not matter here
        warnings.simplefilter("ignore")
        try:
            with torch.device("meta"):
                return build(*call)
        except UnknownOption:
            raise
        except UserError:  # RegNets read numbers back from tensors, which meta tensors do not have
            return build(*call)
