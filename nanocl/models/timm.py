"""The networks of timm (PyTorch Image Models)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar

from torch import Tensor, nn

from nanocl.models._collections import answers, check_name, features_of
from nanocl.models._weights import load_weights
from nanocl.records import UserError, extras


class Timm(nn.Module):
    """A network of timm without its output layer; timm adapts the first layer to the channels.

    Args:
        inputs: (channels, height, width).
        architecture: Its name in timm, as in `timm:vit_tiny_patch16_224`; the tag of its pretrained
            weights may follow after a dot.
        pretrained: Start from timm's weights, downloaded at first use.
        weights: File with a state dict to start from instead.

    Source: Wightman, 2019, PyTorch Image Models,
        https://github.com/huggingface/pytorch-image-models.
    """

    citation: ClassVar[str] = """@misc{rw2019timm,
  author = {Ross Wightman},
  title = {PyTorch Image Models},
  year = {2019},
  publisher = {GitHub},
  journal = {GitHub repository},
  doi = {10.5281/zenodo.4414861},
  howpublished = {https://github.com/huggingface/pytorch-image-models}
}"""
    version: ClassVar[int] = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        *,
        architecture: str = "resnet18",
        pretrained: bool = False,
        weights: str = "",
    ) -> None:
        super().__init__()
        if len(inputs) != 3:
            raise ValueError(f"inputs must be (channels, height, width), got {tuple(inputs)}")
        if pretrained and weights:
            raise ValueError(
                f"pretrained and weights exclude each other, got pretrained and weights {weights!r}"
            )
        if find_spec("timm") is None:
            raise UserError(
                f"timm: networks need the package timm; install it with: {extras.command('timm')}"
            )
        self.network = _build(architecture, inputs, pretrained)
        load_weights(self.network, weights)
        self.features = features_of(self, inputs, f"timm:{architecture}")

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs)


def _build(architecture: str, inputs: tuple[int, ...], pretrained: bool) -> nn.Module:
    import timm  # an optional extra

    check_name("timm", architecture.split(".")[0], timm.list_models())
    if pretrained:
        _go_offline_without_network()
    options: dict[str, Any] = {
        "pretrained": pretrained,
        "num_classes": 0,
        "in_chans": inputs[0],
    }
    try:
        try:
            return timm.create_model(architecture, **options, img_size=inputs[1:])
        except TypeError:  # only networks for a fixed image size have this option
            return timm.create_model(architecture, **options)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        doing = "get the pretrained weights of" if pretrained else "build"
        hint = "; give a state dict with model.weights=FILE instead" if pretrained else ""
        raise UserError(
            f"cannot {doing} timm:{architecture} for inputs of shape {tuple(inputs)}: {error}{hint}"
        ) from error


def _go_offline_without_network() -> None:
    """Restrict the hub's client to its cache if the hub does not answer.

    Otherwise the client would retry for most of a minute.
    """
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE and not answers(constants.ENDPOINT):
        constants.HF_HUB_OFFLINE = True
