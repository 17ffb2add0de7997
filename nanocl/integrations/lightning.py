"""`ForgettingCallback` for Lightning's Trainer."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from nanocl.integrations.loop import ForgettingMeter


class ForgettingCallback(ForgettingMeter, Callback):
    """Measures what a Lightning module forgets; the arguments are those of `ForgettingMeter`.

        forgetting = ForgettingCallback(keep={"old task": old_test}, new=new_test, every=100)
        Trainer(..., callbacks=[forgetting]).fit(module, loader)

    The module's `forward` takes inputs and returns logits. Give the same callback to the Trainers
    of a sequence of finetunings. Lightning's checkpoints contain its state. Of several optimizers
    the first one is measured.
    """

    loop = "lightning"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the start."""
        precision = str(trainer.precision)
        self.before(
            pl_module,
            trainer.optimizers[0],
            precision="" if precision.startswith("32") else precision,
            resumed_at=trainer.global_step,
        )

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Count a step of the optimizer, which takes several mini-batches in accumulation."""
        if trainer.global_step > self.steps:
            self.step(pl_module, trainer.optimizers[0])

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the end; after an error it is not called and the record is `interrupted`."""
        self.after(pl_module, trainer.optimizers[0])
