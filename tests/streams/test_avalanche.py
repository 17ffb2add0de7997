"""Avalanche loads without its loggers' packages, and its loggers and metrics still work."""

import subprocess
import sys

import pytest

ROOMS = ("nanocl.streams", "nanocl.strategies", "nanocl.training.experiment", "nanocl.testing")


def shown_by(code):
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("room", ROOMS)
def test_avalanche_is_loaded_without_its_loggers_packages(room):
    heavy = "{'torchmetrics', 'wandb', 'tensorboard', 'torch.utils.tensorboard', 'torch._dynamo'}"
    assert shown_by(
        f"import sys, {room}\nprint(sorted({heavy} & set(sys.modules)), 'avalanche' in sys.modules)"
    ) == ["[]", "True"]


def test_loggers_and_metrics_of_avalanche_work_after_the_light_import(tmp_path):
    code = f"""
import nanocl.streams, torch, torchvision
from avalanche.evaluation.metrics import TopkAccuracy
from avalanche.logging import TensorboardLogger, WandBLogger
logger = TensorboardLogger({str(tmp_path)!r})
logger.log_single_metric('loss', 0.5, 1)
logger.writer.flush()
metric = TopkAccuracy(2)
metric.update(torch.eye(4), torch.arange(4), task_labels=0)
boxes = torch.tensor([[0., 0., 0., 3., 3.]])
print(metric.result()[0], torchvision.ops.roi_align(torch.ones(1, 1, 4, 4), boxes, 2).sum())
import torchmetrics, torch._dynamo.utils, torch.utils.tensorboard
import wandb
print(torchmetrics.__file__.endswith('.py'), wandb.__file__.endswith('.py'))
"""
    assert shown_by(code) == ["1.0", "tensor(4.)", "True", "True"]
    assert list(tmp_path.glob("events.out.tfevents.*"))
