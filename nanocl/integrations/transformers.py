"""`ForgettingCallback` for Hugging Face's Trainer."""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path
from typing import Any

import torch

from nanocl.integrations.loop import ForgettingMeter
from nanocl.records import extras, files

# not KERNELS: the model that is trained may have weights of 4 bits
with extras.quiet(extras.ENUMS):
    from transformers import TrainerCallback

STATE = "nanocl-forgetting.pt"  # in each checkpoint of the Trainer
CHECKSUM = "nanocl-forgetting.sha256"


class ForgettingCallback(ForgettingMeter, TrainerCallback):
    """Measures what a Trainer's model forgets; the arguments are those of `ForgettingMeter`.

        forgetting = ForgettingCallback(keep={"old task": old_test}, new=new_test, every=100)
        Trainer(..., callbacks=[forgetting]).train()

    Give the same callback to the Trainers of a sequence of finetunings. Samples are collated as for
    training. Its state lies in each checkpoint: a resumed training compares with the first start.
    After `load_best_model_at_end` the last point is that of the best model. A training that raised
    an error leaves a record with status `interrupted`.
    """

    loop = "transformers"

    def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Measure the start."""
        loader = parts.get("train_dataloader")
        if self.reader.collate is None and loader is not None:
            self.reader = self.reader._replace(collate=loader.collate_fn)
        if state.global_step:
            self._read(args, state.global_step)
        self.before(
            parts["model"],
            parts["optimizer"],
            seed=args.seed,
            precision="bf16" if args.bf16 else "fp16" if args.fp16 else "",
            resumed_at=state.global_step,
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Count a step of the optimizer, which takes several mini-batches in accumulation."""
        self.step(parts["model"], parts["optimizer"])

    def on_save(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Write the state of the measurement beside the Trainer's."""
        folder = _checkpoint(args, state.global_step)
        if state.is_world_process_zero and folder.is_dir():
            with files.replacing(folder / STATE) as temporary:
                torch.save(self.state_dict(), temporary)
                digest = _digest(temporary)
            files.write(folder / CHECKSUM, digest)

    def on_train_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Measure the end."""
        best = state.best_global_step if args.load_best_model_at_end else None
        is_earlier = best is not None and best != state.global_step
        self.after(parts["model"], parts["optimizer"], weights_of_step=best if is_earlier else None)

    def _read(self, args: Any, step: int) -> None:
        given = args.resume_from_checkpoint
        folders = [Path(given)] if isinstance(given, str) else []
        path = next(
            (
                folder / STATE
                for folder in (*folders, _checkpoint(args, step))
                if (folder / STATE).is_file()
            ),
            None,
        )
        try:
            if path is None:
                raise FileNotFoundError(f"no {STATE} in {_checkpoint(args, step)}")
            if files.read(path.with_name(CHECKSUM), 64).decode() != _digest(path):
                raise ValueError(f"{path} does not have its checksum")
            saved = torch.load(path, map_location="cpu", weights_only=True)
            if saved.get("steps") != step:
                raise ValueError(f"{path} is of step {saved.get('steps')}, not of {step}")
            self.load_state_dict(saved)
        except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0]
            print(
                f"nanocl: the start of this training is unknown ({reason}); forgetting, drift and "
                f"KL are measured from step {step} on",
                file=sys.stderr,
            )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checkpoint(args: Any, step: int) -> Path:
    return Path(args.output_dir) / f"checkpoint-{step}"
