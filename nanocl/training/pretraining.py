"""Backbones pretrained here: trained once on a base data set, then read as any file of weights."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import nn
from torch.nn import functional

from nanocl.data.batches import MiniBatches, TensorDataset, tensor_parts
from nanocl.data.resident import Resident
from nanocl.records import Option, Part, UserError, hash_of, tensors
from nanocl.records.roots import DataRoot, places_of, user_folder
from nanocl.streams.finetune import Finetune
from nanocl.training import randomness, verified
from nanocl.training.heads import Network

SCHEMA = "nanocl-pretraining/1"
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
SEED = 0
# options of a stream that decide how it reads its data
READING = ("image_size", "normalise", "tokenizer", "max_length", "bucket")
THREADS = 1
VERSION = 1  # rises when the training below changes; files of older versions are then not used


def weights_of(
    model: Part,
    stream: Mapping[str, Option],
    make_backbone: Callable[[tuple[int, ...]], nn.Module],
    data_root: DataRoot,
    device: str = "cpu",
    *,
    minutes: float = 0.0,
) -> Path:
    """The file of weights of a pretrained model; it is trained now if there is no intact file yet.

    Training is SGD with Nesterov momentum 0.9, weight decay 5e-4, one cycle of the learning rate
    (Smith and Topin, 2019, arXiv:1708.07120), random crops and flips, seed 0. A backbone whose
    class says `pretraining = "adamw"` trains with AdamW instead, weight decay 0.01, on texts as
    they are. Data are prepared as the stream prepares them. Processes that need the same file
    wait for the first of them.

    Args:
        model: A part with the options `pretrain`, `pretrain_epochs`, `pretrain_lr` and
            `pretrain_batch_size`.
        stream: Options of the stream that the model will be trained on.
        make_backbone: Input shape to a backbone with fresh weights.
        data_root: The data roots; the file is kept in the folder `.nanocl` of the first, else in
            the user's cache.
        device: Where to train.
        minutes: From one checkpoint to the next while it trains; 0 writes none.

    Raises:
        UserError: The file cannot be written.
    """
    reading = {name: stream[name] for name in READING if name in stream}
    key = hash_of([VERSION, model.identity(), reading], 16)
    elsewhere = user_folder() / "pretrained" / f"{key}.safetensors"
    places = places_of(f"pretrained-{key}.safetensors", data_root, elsewhere)
    place = _intact(places)
    if place:
        return place
    with _alone(places) as writable:
        place = _intact(places)  # another process may have written it meanwhile
        if place:
            return place
        identity = {"schema": SCHEMA, "key": key, **verified.versions(device)}
        progress = Progress(writable.with_suffix(".part.pt"), identity, minutes)
        network = _pretrained(model, reading, make_backbone, data_root, device, progress)
        written = _write(network, places)
        progress.path.unlink(missing_ok=True)
    return written


@dataclass
class Progress:
    """Saves training from time to time, so that an interruption loses no more than that.

    Attributes:
        path: The file.
        identity: What it belongs to.
        minutes: From one file to the next; 0 writes none.
    """

    path: Path
    identity: Mapping[str, str]
    minutes: float

    def __post_init__(self) -> None:
        self._written = time.monotonic()

    def save_if_due(self, parts: Mapping[str, Any], step: int) -> None:
        """Write the states of `parts` after a number of steps, if it is time.

        A file that cannot be written is left out: training goes on.
        """
        if not self.minutes or time.monotonic() - self._written < 60 * self.minutes:
            return
        state = {name: part.state_dict() for name, part in parts.items()}
        with suppress(OSError):
            verified.write(
                self.path,
                self.identity,
                {**state, "step": step, "random": randomness.state()},
            )
        self._written = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The saved states; None without an intact file."""
        try:
            return verified.read(self.path, self.identity)
        except FileNotFoundError:
            return None
        except (OSError, verified.Unusable) as error:
            warnings.warn(f"pretraining again, {self.path} is not usable: {error}", stacklevel=1)
            return None


def train(
    network: Network,
    parts: list[tuple[TensorDataset, torch.Tensor]],
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    device: str = "cpu",
    progress: Progress | None = None,
) -> None:
    """Train a network on all classes at once, as described in `weights_of`."""
    parts = Resident(device).parts(parts)
    batches = MiniBatches(parts, batch_size, generator=torch.Generator().manual_seed(SEED))
    optimizer = _optimizer(network, lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * len(batches))
    states = {"network": network, "optimizer": optimizer, "schedule": schedule}
    saved = progress.load() if progress else None
    done = saved["step"] if saved else 0
    if saved:
        for name, part in states.items():
            part.load_state_dict(saved[name])  # type: ignore[attr-defined]
    network.train()
    every = chain.from_iterable(repeat(batches, epochs))
    # mini-batches that were trained before an interruption are drawn only: order and crops follow
    for _ in islice(every, done):
        pass
    if saved:
        randomness.restore(saved["random"])
    for step, (inputs, targets, _) in enumerate(every, done + 1):
        optimizer.zero_grad()
        functional.cross_entropy(network(inputs.to(device)), targets.to(device)).backward()
        optimizer.step()
        schedule.step()
        if progress:
            progress.save_if_due(states, step)


def _optimizer(network: Network, lr: float) -> torch.optim.Optimizer:
    if getattr(network.backbone, "pretraining", "") == "adamw":
        return torch.optim.AdamW(network.parameters(), lr, fused=True)
    return torch.optim.SGD(
        network.parameters(),
        lr=lr,
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=WEIGHT_DECAY,
    )


def _intact(places: Iterable[Path]) -> Path | None:
    """The first file that is there and has its checksums."""
    for place in places:
        try:
            tensors.verify(place)
        except FileNotFoundError:
            continue
        except (OSError, tensors.Damaged) as error:
            warnings.warn(f"pretraining again, {place} is not usable: {error}", stacklevel=1)
        else:
            return place
    return None


@contextmanager
def _alone(places: Iterable[Path]) -> Iterator[Path]:
    """The first place that can be written, kept from other processes within the block."""
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(place.with_suffix(".lock"))
            lock.acquire()
        except OSError as error:
            reason = error
            continue
        try:
            yield place
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()
        return
    raise _unwritable(place, reason)


def _pretrained(
    model: Part,
    reading: Mapping[str, Any],
    make_backbone: Callable[[tuple[int, ...]], nn.Module],
    data_root: DataRoot,
    device: str,
    progress: Progress,
) -> Network:
    options: Mapping[str, Any] = model.options
    augment = "none" if reading.get("tokenizer") else "crop-flip"
    stream = Finetune(datasets=str(options["pretrain"]), augment=augment, **reading)
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
                progress=progress,
            )
    finally:
        torch.set_num_threads(threads)
    return network


def _write(network: Network, places: Iterable[Path]) -> Path:
    """Write to the first place that takes the file."""
    from safetensors.torch import save

    state = {
        re.sub("^head\\.", "head.0.", name): value.cpu().contiguous()
        for name, value in network.state_dict().items()
        if name.startswith(("backbone.", "head."))
    }
    content = save(state)
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            return tensors.write(place, content)
        except OSError as error:
            reason = error
    raise _unwritable(place, reason)


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot write the pretrained weights {path}: {error.strerror or error}")
