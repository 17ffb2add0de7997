"""Small fine-tuning runs: their specs, and files of weights to start from."""

from pathlib import Path

import torch

from nanocl.models.small_cnn import SmallCNN
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.pinning import pin
from nanocl.protocols.request import Request
from nanocl.records import RunSpec


def spec(
    data_root: Path,
    strategy: str = "adamw",
    *,
    datasets: str = "first,second",
    model: dict | None = None,
    training: dict | None = None,
    **stream: object,
) -> RunSpec:
    """The spec of a run on the image folders of the fixture `pictures_root`."""
    options = {option: str(value) for option, value in stream.items()}
    settings = {
        "stream": {"datasets": datasets, "image_size": "8", **options},
        "training": {"batch_size": "8", **(training or {})},
        "model": {"width": "4", **(model or {})},
    }
    request = Request(
        stream="finetune", strategies=(strategy,), seeds=(0,), model="small-cnn", settings=settings
    )
    return pin(suite.specs(request, Catalogue()), data_root)[0]


def weights(
    folder: Path, file: str = "first.pt", *, classes: int = 3, norm: str = "batch"
) -> dict[str, str]:
    """Write weights with an output layer, as in other people's checkpoints; the model's options."""
    torch.manual_seed(5)
    backbone, head = SmallCNN((3, 8, 8), width=4, norm=norm), torch.nn.Linear(8, classes)
    for name, value in backbone.state_dict().items():
        if name.endswith("running_var"):  # as if it had been trained
            value.mul_(0.5)
    state = {f"module.{name}": value for name, value in backbone.state_dict().items()}
    state |= {f"module.linear.{name}": value for name, value in head.state_dict().items()}
    torch.save({"state_dict": state}, folder / file)
    return {"weights": file, "norm": norm}
