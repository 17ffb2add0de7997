"""The classification networks of torchvision."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.hub import download_url_to_file, get_dir
from torchvision import models

from nanocl.models._collections import answers, check_name, features_of
from nanocl.models._weights import load_weights, read_state
from nanocl.records import UserError

# networks of which torchvision's weights were trained with these options
OF_WEIGHTS = {"transform_input": True, "aux_logits": True, "init_weights": False}
# norm.1 of a dense layer is norm1 today
DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
INCEPTIONS = ("googlenet", "inception_v3")


class Torchvision(nn.Module):
    """A classification network of torchvision without its last layer.

    Args:
        inputs: (channels, height, width), 1 or 3 channels; a single channel is repeated to three.
        architecture: Its name in torchvision, as in `torchvision:resnet18`.
        pretrained: Start from torchvision's default ImageNet weights, downloaded at first use. The
            file must have the hash in its name, and is read without unpickling.
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


def published_hash(architecture: str) -> str:
    """The beginning of the SHA-256 of torchvision's default weights, as their file's name has it.

    Raises:
        UserError: No such network, or its file has no hash.
    """
    check_name("torchvision", architecture, models.list_models(module=models))
    url = models.get_model_weights(architecture).DEFAULT.url
    found = re.search(r"-([0-9a-f]{8,})\.pth$", url)
    if not url.startswith("https://") or not found:
        raise UserError(
            f"torchvision:{architecture} has no pretrained weights with a known hash; give a state "
            "dict with model.weights=FILE"
        )
    return found.group(1)


def _build(architecture: str, inputs: tuple[int, ...], pretrained: bool) -> nn.Module:
    options: dict[str, Any] = {}
    if architecture.startswith("vit_"):  # only these are built for a fixed image size
        options["image_size"] = inputs[1]
    if pretrained and architecture in INCEPTIONS:
        options |= OF_WEIGHTS
    try:
        network = models.get_model(architecture, weights=None, **options)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        raise UserError(
            f"cannot build torchvision:{architecture} for inputs of shape {tuple(inputs)}: {error}"
        ) from error
    if pretrained:
        file = _file_of(architecture)
        _load(network, read_state(str(file)), file)
    return network


def _load(network: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    """Copy published weights into a whole network.

    Files are older than the names in some networks: DenseNet's are renamed here as torchvision does
    it, those of vision transformers by their own hooks while they load.

    Raises:
        UserError: The file does not fit.
    """
    renamed = {DENSENET.sub(r"\1\2", name): value for name, value in state.items()}
    try:
        unfit = network.load_state_dict(renamed, strict=False)
    except RuntimeError as error:
        raise UserError(
            f"weights {file} do not fit: {str(error).splitlines()[-1].strip()}"
        ) from error
    counters = "num_batches_tracked"  # files from before PyTorch 0.4.1 lack them
    missing = [name for name in unfit.missing_keys if not name.endswith(counters)]
    if missing or unfit.unexpected_keys:
        lacks, has = ", ".join(missing[:3]) or "nothing", ", ".join(unfit.unexpected_keys[:3])
        raise UserError(f"weights {file} do not fit: the file lacks {lacks}; it has {has or 'all'}")


def _file_of(architecture: str) -> Path:
    """torchvision's file of weights, downloaded if it is missing; its hash is checked always."""
    expected = published_hash(architecture)
    url = models.get_model_weights(architecture).DEFAULT.url
    file = Path(get_dir(), "checkpoints", url.rsplit("/", 1)[1])
    is_new = not file.exists()
    if is_new:
        _download(architecture, url, file)
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if not found.startswith(expected):
        if is_new:
            file.unlink()
        raise UserError(
            f"the pretrained weights {file} are damaged or not torchvision's: their SHA-256 must "
            f"begin with {expected}, got {found[:12]}; delete the file, or read it with "
            "model.weights=FILE"
        )
    return file


def _download(architecture: str, url: str, file: Path) -> None:
    reason = f"{url} does not answer"
    if answers(url):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            download_url_to_file(url, str(file), progress=False)
            return
        except OSError as error:
            reason = f"{url} cannot be downloaded: {error}"
    raise UserError(
        f"the pretrained weights of torchvision:{architecture} are not in {file} and {reason}; "
        "copy them there, or give a state dict with model.weights=FILE"
    )


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
