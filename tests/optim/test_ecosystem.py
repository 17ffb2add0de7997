"""The optimizers with schedulers, a gradient scaler, Hugging Face's Trainer and Lightning."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from nanocl.optim import MicroAdam, NanoAdam

KINDS = {
    "nanoadam": lambda params, lr=0.01: NanoAdam(
        params, lr=lr, density=0.3, mask_interval=3, chunk_size=64
    ),
    "nanoadam-bf16": lambda params, lr=0.01: NanoAdam(
        params,
        lr=lr,
        density=0.3,
        mask_interval=3,
        state_dtype="bfloat16",
        weight_rounding="stochastic",
    ),
    "microadam": lambda params, lr=0.01: MicroAdam(
        params, lr=lr, density=0.1, window=3, block_size=64
    ),
}


@pytest.fixture(params=KINDS)
def make(request):
    """Makes one of the optimizers with options for tiny parameters."""
    return KINDS[request.param]


def make_network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2))


def examples(count=64):
    inputs = torch.randn(count, 8, generator=torch.Generator().manual_seed(1))
    return inputs, (inputs[:, 0] * inputs[:, 1] > 0).long()


def backward(network, scale=lambda loss: loss):
    inputs, targets = examples()
    loss = nn.functional.cross_entropy(network(inputs), targets)
    scale(loss).backward()
    return loss


def assert_same_weights(left, right):
    for name, value in left.state_dict().items():
        assert torch.equal(value, right.state_dict()[name]), name


SCHEDULERS = {
    "one-cycle": lambda optimizer: lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=12),
    "cosine": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=12),
    "plateau": lambda optimizer: lr_scheduler.ReduceLROnPlateau(
        optimizer, patience=0, threshold=10.0
    ),
}


@pytest.mark.parametrize("schedule", SCHEDULERS)
def test_a_scheduler_does_what_setting_its_numbers_by_hand_does(make, schedule):
    scheduled, by_hand = make_network(), make_network()
    optimizers = make(scheduled.parameters()), make(by_hand.parameters())
    scheduler, used = SCHEDULERS[schedule](optimizers[0]), []
    for _ in range(12):
        used.append({name: optimizers[0].param_groups[0][name] for name in ("lr", "betas")})
        optimizers[1].param_groups[0].update(used[-1])
        for network, optimizer in zip((scheduled, by_hand), optimizers, strict=True):
            optimizer.zero_grad()
            loss = backward(network)
            optimizer.step()
        scheduler.step(*([loss.item()] if schedule == "plateau" else []))
    assert len({numbers["lr"] for numbers in used}) > 2
    assert (
        len({numbers["betas"] for numbers in used}) > 2 or schedule != "one-cycle"
    )  # it moves beta1, too
    assert_same_weights(scheduled, by_hand)


def test_a_step_that_the_gradient_scaler_skips_leaves_no_trace(make):
    scaled, plain = make_network(), make_network()
    optimizers = make(scaled.parameters()), make(plain.parameters())
    scaler = torch.amp.GradScaler(
        "cpu", init_scale=4.0, growth_interval=1000
    )  # scaling by powers of 2 is exact
    for step in range(10):
        optimizers[0].zero_grad()
        backward(scaled, scaler.scale)
        before = copy.deepcopy(optimizers[0].state_dict()["state"])
        if step in (0, 3, 4):
            next(scaled.parameters()).grad[0, 0] = math.inf
        else:
            optimizers[1].zero_grad()
            backward(plain)
            optimizers[1].step()
        scaler.step(optimizers[0])
        scaler.update()
        if step in (0, 3, 4):
            assert_same_state(optimizers[0].state_dict()["state"], before)
        assert_same_weights(scaled, plain)
    assert scaler.get_scale() == 4.0 / 2**3


def assert_same_state(left, right):
    assert left.keys() == right.keys()
    for number, values in left.items():
        for name, value in values.items():
            other = right[number][name]
            assert torch.equal(value, other) if torch.is_tensor(value) else value == other


def test_gradients_accumulated_over_several_passes_make_one_step(make):
    once, often = make_network(), make_network()
    optimizers = make(once.parameters()), make(often.parameters())
    for _ in range(5):
        for network, optimizer, passes in zip((once, often), optimizers, (1, 4), strict=True):
            optimizer.zero_grad(set_to_none=False)
            for _ in range(passes):
                backward(
                    network, lambda loss, passes=passes: loss / passes
                )  # quarters are exact, and so is their sum
            optimizer.step()
    assert_same_weights(once, often)


@pytest.mark.gpu
def test_a_step_refuses_to_be_captured_in_a_graph(make):
    param = nn.Parameter(torch.ones(1000, device="cuda"))
    param.grad = torch.ones_like(param)
    optimizer = make([param])
    optimizer.step()
    with pytest.raises(RuntimeError, match="graph"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        optimizer.step()


def hugging_face(make, folder, resume=None):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=8,
        hidden_dropout_prob=0.1,
        num_labels=2,
    )
    transformers.set_seed(0)
    model = transformers.BertForSequenceClassification(config)
    tokens = torch.randint(20, (48, 6), generator=torch.Generator().manual_seed(2))
    rows = [{"input_ids": row, "labels": int(row[0] < 10)} for row in tokens]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=20,
        save_steps=8,
        per_device_train_batch_size=16,
        logging_steps=1,
        seed=0,
        max_grad_norm=1.0,
        lr_scheduler_type="cosine",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        log_level="error",
    )
    optimizer = make(model.parameters(), lr=0.02)
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)
    trainer = transformers.Trainer(
        model=model, args=arguments, train_dataset=rows, optimizers=(optimizer, schedule)
    )
    trainer.train(resume_from_checkpoint=resume)
    return model, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_hugging_faces_trainer_trains_and_resumes_bit_for_bit(make, tmp_path):
    model, losses = hugging_face(make, tmp_path / "whole")
    resumed, _ = hugging_face(make, tmp_path / "rest", str(tmp_path / "whole" / "checkpoint-8"))
    assert len(losses) == 20 and sum(losses[-5:]) < 0.95 * sum(losses[:5])
    assert_same_weights(model, resumed)


def lightning_module(make):
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):  # type: ignore[name-defined]
        def __init__(self):
            super().__init__()
            self.network, self.losses = make_network(), []

        def training_step(self, batch, _):
            loss = nn.functional.cross_entropy(self.network(batch[0]), batch[1])
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self):
            optimizer = make(self.parameters(), lr=0.02)
            return [optimizer], [lr_scheduler.StepLR(optimizer, 2, gamma=0.9)]

    return lightning, Module()


def fit_with_lightning(make, epochs, folder, resume=None):
    lightning, module = lightning_module(make)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*examples()), batch_size=16)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(module, loader, ckpt_path=resume)
    trainer.save_checkpoint(folder / f"{epochs}.ckpt")
    return module


def test_lightning_trains_and_resumes_bit_for_bit(make, tmp_path):
    whole = fit_with_lightning(make, 8, tmp_path)
    fit_with_lightning(make, 3, tmp_path)
    resumed = fit_with_lightning(make, 8, tmp_path, str(tmp_path / "3.ckpt"))
    assert sum(whole.losses[-4:]) < 0.95 * sum(whole.losses[:4])
    assert_same_weights(whole, resumed)
