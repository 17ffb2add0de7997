"""`--list` names everything that the command line takes."""

from nanocl.cli import listing
from nanocl.plugins.catalogue import INSTALLED


def test_the_list_names_everything():
    shown = listing.plugins(INSTALLED)
    for name in (
        "split-digits",
        "split-cifar",
        "permuted-mnist",
        "teacher-student",
        "nanoadam",
        "online-ewc",
        "joint",
        "mlp",
        "resnet32",
        "torchvision",
        "lr=",
        "pretrain=DATASET",
        "pretrain_epochs=10",
    ):
        assert name in shown
