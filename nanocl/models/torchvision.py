"""The classification networks of torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn
from torch.hub import get_dir
from torchvision import models

from nanocl.models._collections import answers, check_name, features_of
from nanocl.models._weights import load_weights
from nanocl.records import UserError


class Torchvision(nn.Module):
    """A classification network of torchvision without its last layer.

    Args:
        inputs: (channels, height, width), 1 or 3 channels; a single channel is repeated to three.
        architecture: Its name in torchvision, as in `torchvision:resnet18`.
        pretrained: Start from torchvision's default ImageNet weights, downloaded at first use.
        weights: File with a state dict to start from instead.

    Source: TorchVision maintainers and contributors, 2016, https://github.com/pytorch/vision.
    """

    citation: ClassVar[str] = """@misc{torchvision2016,
  title = {{TorchVision: PyTorch's Computer Vision library}},
  author = {{TorchVision maintainers and contributors}},
  year = {2016},
  howpublished = {https://github.com/pytorch/vision}
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
        if len(inputs) != 3 or inputs[0] not in (1, 3):
            raise ValueError(
                f"inputs must be (1 or 3 channels, height, width), got {tuple(inputs)}"
            )
        if pretrained and weights:
            raise ValueError(
                f"pretrained and weights exclude each other, got pretrained and weights {weights!r}"
            )
        check_name("torchvision", architecture, models.list_models(module=models))
        self.network = _build(architecture, inputs, pretrained)
        _cut(self.network)
        load_weights(self.network, weights)
        self.features = features_of(self, inputs, f"torchvision:{architecture}")

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs.expand(-1, 3, -1, -1))


def _build(architecture: str, inputs: tuple[int, ...], pretrained: bool) -> nn.Module:
    weights = models.get_model_weights(architecture).DEFAULT if pretrained else None
    if weights:
        file = Path(get_dir(), "checkpoints", weights.url.rsplit("/", 1)[1])
        if not file.exists() and not answers(weights.url):
            raise UserError(
                f"the pretrained weights of torchvision:{architecture} are not in {file} and "
                f"{weights.url} does not answer; copy them there, or give a state dict with "
                "model.weights=FILE"
            )
    # only vision transformers are built for a fixed image size
    size = {"image_size": inputs[1]} if architecture.startswith("vit_") else {}
    try:
        return models.get_model(architecture, weights=weights, **size)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        raise UserError(
            f"cannot build torchvision:{architecture} for inputs of shape {tuple(inputs)}: {error}"
        ) from error


def _cut(network: nn.Module) -> None:
    """Remove the last layer with parameters, and the auxiliary outputs of Inception networks."""
    for name in ("aux1", "aux2", "AuxLogits"):
        if getattr(network, name, None) is not None:
            setattr(network, name, None)
            # torch's stub allows tensors and modules only
            network.aux_logits = False  # type: ignore[assignment]
    layers = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    ]
    network.set_submodule(layers[-1], nn.Identity())
