"""The callback in Lightning's Trainer gives the record of the same loop by hand."""

import pytest
import torch
from torch.nn import functional
from training_cases import plain_network, vectors

from nanocl.integrations.loop import ForgettingMeter
from nanocl.records import trainings

lightning = pytest.importorskip("lightning.pytorch")

from nanocl.integrations.lightning import ForgettingCallback  # noqa: E402

OLD, NEW = vectors(seed=1), vectors(seed=2)


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = plain_network()
        self.network[2].p = 0.0

    def forward(self, inputs):
        return self.network(inputs)

    def training_step(self, batch, number):
        return functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.05)


def fit(folder, callback, steps=4, checkpoint=None, **options):
    module = Module()
    trainer = lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
        default_root_dir=folder,
        **options,
    )
    # one optimizer step an epoch: Lightning does not resume within a DataLoader
    size = len(NEW) // options.get("accumulate_grad_batches", 1)
    trainer.fit(module, torch.utils.data.DataLoader(NEW, size), ckpt_path=checkpoint)
    return trainer, trainings.load(callback.path)


def test_the_record_is_that_of_a_loop_by_hand_also_with_accumulation_and_when_resumed(tmp_path):
    def callback(name):
        return ForgettingCallback({"old": OLD}, new=NEW, every=2, results=tmp_path / name)

    module = Module()
    optimizer = module.configure_optimizers()
    meter = ForgettingMeter({"old": OLD}, new=NEW, every=2, results=tmp_path / "hand")
    meter.before(module, optimizer)
    for inputs, targets in [*torch.utils.data.DataLoader(NEW, len(NEW))] * 4:
        optimizer.zero_grad()
        module.training_step((inputs, targets), 0).backward()
        optimizer.step()
        meter.step(module, optimizer)
    by_hand = trainings.load(meter.after(module, optimizer))["trainings"][0]
    _, whole = fit(tmp_path, callback("whole"))
    _, accumulated = fit(tmp_path, callback("accumulated"), accumulate_grad_batches=2)
    half, _ = fit(tmp_path, callback("half"), steps=2)
    half.save_checkpoint(tmp_path / "half.ckpt")
    _, resumed = fit(tmp_path, callback("resumed"), checkpoint=tmp_path / "half.ckpt")
    assert whole["trainings"][0]["points"] == by_hand["points"]
    assert whole["trainings"][0]["drift"] == by_hand["drift"]
    for record in (accumulated, resumed):
        last, right = record["trainings"][0]["points"][-1], by_hand["points"][-1]
        assert last["step"] == 4 and last["keep"]["old"] == pytest.approx(right["keep"]["old"])
        assert last["kl"] == pytest.approx(right["kl"], rel=1e-3)
    assert whole["spec"]["loop"] == "lightning"
