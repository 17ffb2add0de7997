"""Avalanche loads without its loggers' packages, and its loggers and metrics still work."""

import subprocess
import sys

ROOMS = ("nanocl.streams", "nanocl.strategies", "nanocl.training.experiment", "nanocl.testing")
HEAVY = ("torchmetrics", "wandb", "tensorboard", "torch.utils.tensorboard", "torch._dynamo")
# each room is imported as the first of nanocl; torch is loaded once for all of them
EACH_FIRST = """
import importlib, sys
rooms, heavy = sys.argv[1].split(), sys.argv[2].split()
for room in rooms:
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("nanocl", "avalanche"):
            del sys.modules[name]
    importlib.import_module(room)
    print(room, "avalanche" in sys.modules, *(name for name in heavy if name in sys.modules))
"""


def shown_by(code, *arguments):
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_avalanche_is_loaded_without_its_loggers_packages():
    shown = shown_by(EACH_FIRST, " ".join(ROOMS), " ".join(HEAVY))
    assert shown.splitlines() == [f"{room} True" for room in ROOMS]


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
    assert shown_by(code).split() == ["1.0", "tensor(4.)", "True", "True"]
    assert list(tmp_path.glob("events.out.tfevents.*"))
