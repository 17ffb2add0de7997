"""Runs on a GPU learn what they learn on a CPU, repeat exactly, and resume exactly."""

import pytest
import torch
from commands import command
from small_runs import numbers, spec

from nanocl.plugins.catalogue import INSTALLED
from nanocl.records import Notice
from nanocl.training import checkpoint, experiment
from nanocl.training.context import Context

CPU, GPU = Context(device="cpu"), Context(device="cuda")
LIBRARIES = {"bitsandbytes", "pytorch-optimizer", "torch", "torchao"}
STRATEGIES = [
    *sorted(set(INSTALLED.plugins("strategies")) - LIBRARIES),
    "torch:Muon",
    "pytorch-optimizer:Lion",
    "torchao:AdamW8bit",
    "ewc+nanoadam",
    "er+lwf+adamw",
    "derpp+lwf+microadam",
    "si+mofo",
    "a-gem+lift",
]


class Killed(Exception):
    pass


def cut_after(monkeypatch, experiences):
    """Let a run die after it has saved this number of experiences."""
    save = checkpoint.save

    def save_then_die(path, spec, learner, meter, drift, outcome):
        save(path, spec, learner, meter, drift, outcome)
        if len(outcome.evaluation) == experiences:
            raise Killed

    monkeypatch.setattr(checkpoint, "save", save_then_die)


@pytest.mark.gpu
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_on_a_gpu_learns_what_it_learns_on_a_cpu(strategy):
    run = spec(strategy)
    here, there = experiment.run_one(run, CPU), experiment.run_one(run, GPU)
    assert there.status == here.status == "ok"
    # sums round in another order, which training amplifies from step to step
    close = {"rtol": 0, "atol": 0.06}
    torch.testing.assert_close(there.initial, here.initial, rtol=0, atol=0.02)
    torch.testing.assert_close(there.evaluation[0], here.evaluation[0], **close)
    means = [sum(map(sum, result.evaluation)) / 25 for result in (there, here)]
    torch.testing.assert_close(*means, **close)
    moved = [result.drift[-1].start["all"]["relative"] for result in (there, here)]
    assert moved[0] == pytest.approx(moved[1], rel=0.1)
    assert there.cost.optimizer_state_bytes == here.cost.optimizer_state_bytes
    assert there.cost.strategy_state_bytes == here.cost.strategy_state_bytes


@pytest.mark.gpu
@pytest.mark.parametrize("strategy", ["nanoadam", "ewc+microadam", "er+adamw", "derpp+si+sgd"])
def test_a_run_on_a_gpu_repeats_and_resumes_bit_for_bit(tmp_path, monkeypatch, strategy):
    run = spec(strategy)
    whole = experiment.run_one(run, GPU)
    assert numbers(experiment.run_one(run, GPU)) == numbers(whole)
    context = Context(device="cuda", checkpoints=tmp_path)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        cut_after(patch, 3)
        experiment.run_one(run, context)
    told = []
    assert numbers(experiment.run_one(run, context, told.append)) == numbers(whole)
    assert not [told_ for told_ in told if isinstance(told_, Notice)]


@pytest.mark.gpu
def test_the_record_names_the_gpu_and_its_memory():
    result = experiment.run_one(spec(), GPU)
    assert result.environment.device == torch.cuda.get_device_name()
    assert result.cost.device_memory_bytes >= 4 * 4 * result.cost.parameters


@pytest.mark.gpu
@pytest.mark.parametrize(
    "model",
    ["small-cnn", "resnet32", "slim-resnet18", "torchvision:resnet18", "timm:resnet10t"],
)
def test_every_family_of_models_trains_on_a_gpu(model):
    settings = {"stream": {"image_size": "32"}} if ":" in model else {}
    run = spec("ewc+nanoadam", model=model, settings=settings)
    result = experiment.run_one(run, GPU)
    assert result.status == "ok" and result.environment.device != "cpu"


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_finetuning_from_weights_pretrained_on_a_gpu_works(precision, data_root):
    stream = {
        "datasets": "mnist[0-4],mnist[5-9]",
        "start": "1",
        "samples": "500",
        "test_samples": "200",
        "precision": precision,
        "norm_statistics": "restore",
    }
    model = {"pretrain": "mnist[0-4]", "pretrain_epochs": "1"}
    run = spec("nanoadam", stream="finetune-halves", settings={"stream": stream, "model": model})
    result = experiment.run_one(run, Context(device="cuda", data_root=data_root))
    assert result.status == "ok" and result.evaluation[0][0] > 0.8


@pytest.mark.gpu
def test_a_probe_sees_gradients_on_a_gpu(tmp_path):
    context = Context(device="cuda", probes=tmp_path)
    assert experiment.run_one(spec(), context).status == "ok"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.gpu
def test_two_workers_share_a_gpu(tmp_path):
    arguments = ("--stream", "split-digits", "--tier", "smoke", "--device", "cuda")
    ended = command(*arguments, "--workers", "2", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert command(*arguments, cwd=tmp_path).stdout.count(" 0 of them now")
