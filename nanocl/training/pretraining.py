"""Backbones pretrained here: trained once on a base set by a recorded recipe, then read as any file of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from nanocl import data
from nanocl.data import cache
from nanocl.data.batches import MiniBatches, TensorDataset, tensor_parts
from nanocl.records import Option, Part, files, hash_of
from nanocl.streams.finetune import Finetune
from nanocl.training.heads import Network

MOMENTUM, WEIGHT_DECAY, SEED, THREADS = 0.9, 5e-4, 0, 1
RECIPE = (
    1  # another number where the recipe below changes: files of the old one are then left alone
)


def weights_of(
    model: Part,
    stream: Mapping[str, Option],
    make_backbone: Callable[[tuple[int, ...]], nn.Module],
    root: Path | None,
    device: str = "cpu",
) -> Path:
    """The file of weights of `model` pretrained as its options say, trained now if it is not there yet.

    The recipe is SGD with Nesterov momentum 0.9, weight decay 5e-4, one cycle of the learning rate
    (Smith and Topin, 2019, arXiv:1708.07120), random crops and flips, seed 0. Images are prepared
    as the stream prepares them.

    Args:
        model: A part with the options `pretrain`, `pretrain_epochs`, `pretrain_lr` and
            `pretrain_batch_size`.
        stream: Options of the stream that the model will meet.
        make_backbone: Input shape to a backbone with fresh weights.
        root: The data root; the file is kept in its folder `.nanocl`, else in the user's cache.
        device: Where to train.
    """
    images = {name: stream[name] for name in ("image_size", "normalise") if name in stream}
    key = hash_of([RECIPE, model.name, dict(model.options), model.source, images], 16)
    root = data.default_root() if root is None else Path(root).expanduser()
    places = (
        root / ".nanocl" / f"pretrained-{key}.safetensors",
        cache.user_folder() / "pretrained" / f"{key}.safetensors",
    )
    found = next((place for place in places if place.is_file()), None)
    if found:
        return found
    scenario = Finetune(
        datasets=str(model.options["pretrain"]), augment="crop-flip", **images
    ).build(scenario="task", seed=SEED, data_root=root)
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            network = Network(make_backbone(scenario.inputs), outputs=scenario.outputs).to(device)
            train(
                network,
                tensor_parts(scenario.train_stream[0].dataset),
                epochs=int(model.options["pretrain_epochs"]),
                lr=float(model.options["pretrain_lr"]),
                batch_size=int(model.options["pretrain_batch_size"]),
                device=device,
            )
    finally:
        torch.set_num_threads(threads)
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
    """Train a network on all classes at once, by the recipe of `weights_of`."""
    batches = MiniBatches(parts, batch_size, generator=torch.Generator().manual_seed(SEED))
    optimizer = torch.optim.SGD(
        network.parameters(), lr=lr, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * len(batches))
    network.train()
    for _ in range(epochs):
        for inputs, targets, _ in batches:
            optimizer.zero_grad()
            functional.cross_entropy(network(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()
            schedule.step()


def _write(network: Network, places: tuple[Path, ...]) -> Path:
    from safetensors.torch import save

    state = {
        name.replace("head.", "head.0."): value.cpu().contiguous()
        for name, value in network.state_dict().items()
        if name.startswith(("backbone.", "head."))
    }
    error: OSError | None = None
    for path in places:
        try:
            return files.write(path, save(state))  # two processes may have trained the same
        except OSError as failure:
            error = failure
    raise error
