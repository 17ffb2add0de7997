"""Backbones pretrained here: trained once on a base data set, then read as any file of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from nanocl import data
from nanocl.data import cache
from nanocl.data.batches import MiniBatches, TensorDataset, tensor_parts
from nanocl.records import Option, Part, files, hash_of
from nanocl.streams.finetune import Finetune
from nanocl.training.heads import Network

MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
SEED = 0
THREADS = 1
VERSION = 1  # rises when the training below changes; files of older versions are then not used


def weights_of(
    model: Part,
    stream: Mapping[str, Option],
    make_backbone: Callable[[tuple[int, ...]], nn.Module],
    data_root: Path | None,
    device: str = "cpu",
) -> Path:
    """The file of weights of a pretrained model; it is trained now if there is no file yet.

    Training is SGD with Nesterov momentum 0.9, weight decay 5e-4, one cycle of the learning rate
    (Smith and Topin, 2019, arXiv:1708.07120), random crops and flips, seed 0. Images are prepared
    as the stream prepares them.

    Args:
        model: A part with the options `pretrain`, `pretrain_epochs`, `pretrain_lr` and
            `pretrain_batch_size`.
        stream: Options of the stream that the model will be trained on.
        make_backbone: Input shape to a backbone with fresh weights.
        data_root: The data root; the file is kept in its folder `.nanocl`, else in the user's
            cache.
        device: Where to train.
    """
    images = {name: stream[name] for name in ("image_size", "normalise") if name in stream}
    key = hash_of([VERSION, model.identity(), images], 16)
    folder = data.default_root() if data_root is None else Path(data_root).expanduser()
    places = (
        folder / ".nanocl" / f"pretrained-{key}.safetensors",
        cache.user_folder() / "pretrained" / f"{key}.safetensors",
    )
    for place in places:
        if place.is_file():
            return place
    network = _pretrained(model, images, make_backbone, folder, device)
    return _write(network, places)


def train(
    network: Network,
    parts: list[tuple[TensorDataset, torch.Tensor]],
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    device: str = "cpu",
) -> None:
    """Train a network on all classes at once, as described in `weights_of`."""
    batches = MiniBatches(parts, batch_size, generator=torch.Generator().manual_seed(SEED))
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=lr,
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=WEIGHT_DECAY,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * len(batches))
    network.train()
    for _ in range(epochs):
        for inputs, targets, _ in batches:
            optimizer.zero_grad()
            functional.cross_entropy(network(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()
            schedule.step()


def _pretrained(
    model: Part,
    images: Mapping[str, Any],
    make_backbone: Callable[[tuple[int, ...]], nn.Module],
    data_root: Path,
    device: str,
) -> Network:
    options: Mapping[str, Any] = model.options
    stream = Finetune(datasets=str(options["pretrain"]), augment="crop-flip", **images)
    scenario = stream.build(scenario="task", seed=SEED, data_root=data_root)
    parts = tensor_parts(scenario.train_stream[0].dataset)
    assert parts is not None
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            network = Network(make_backbone(scenario.inputs), outputs=scenario.outputs).to(device)
            train(
                network,
                parts,
                epochs=options["pretrain_epochs"],
                lr=options["pretrain_lr"],
                batch_size=options["pretrain_batch_size"],
                device=device,
            )
    finally:
        torch.set_num_threads(threads)
    return network


def _write(network: Network, places: tuple[Path, ...]) -> Path:
    """Write to the first place that can be written."""
    from safetensors.torch import save

    state = {
        name.replace("head.", "head.0."): value.cpu().contiguous()
        for name, value in network.state_dict().items()
        if name.startswith(("backbone.", "head."))
    }
    reason = OSError("no place to write to")
    for path in places:
        try:
            return files.write(path, save(state))
        except OSError as error:
            reason = error
    raise reason
