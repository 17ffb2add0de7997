"""The command line becomes plain values, or one sentence that says what is wrong."""

from pathlib import Path

import pytest

from nanocl.cli.commandline import Call, call
from nanocl.cli.machines import Machines
from nanocl.protocols.request import Request
from nanocl.records import UserError
from nanocl.records.roots import Folders


def test_no_argument_asks_for_the_default_protocol():
    assert call([]) == Call(Request())


def test_every_argument_reaches_its_field():
    words = "--stream split-mnist --strategy ewc+adam,sgd --seeds 2 --scenario task --tier smoke"
    words += " --model mlp --set ewc.strength=3 --set ewc.kind=exact --set model.width=8"
    words += " --data-root d --results r --workers 3 --device cpu --plugin p.py --dry-run --force"
    settings = {"ewc": {"strength": "3", "kind": "exact"}, "model": {"width": "8"}}
    request = Request("split-mnist", ("ewc+adam", "sgd"), (0, 1), "task", "smoke", "mlp", settings)
    assert call(words.split()) == Call(
        request,
        plugin_files=(Path("p.py"),),
        data_root=Path("d"),
        results_root=Path("r"),
        machines=Machines(workers=3),
        device="cpu",
        dry_run=True,
        force=True,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "lr=0.1"], r"--set takes PART.OPTION=VALUE.*got 'lr=0.1'"),
        (["--set", "sgd.lr"], "--set takes PART.OPTION=VALUE"),
        (["--strategy", " , "], "--strategy takes names separated by commas"),
        (["--workers", "-1"], "--workers must be at least 1.*got -1"),
    ],
)
def test_a_malformed_value_is_refused_with_the_right_form(words, message):
    with pytest.raises(UserError, match=message):
        call(words)


def test_short_forms_and_named_classes_are_what_their_long_forms_are():
    short = call(["--strategy", "a/lion.py:Lion+ewc", "--lr", "0.1", "--epochs", "3"])
    assert short.request.strategies == ("lion:Lion+ewc",)
    assert short.plugin_files == (Path("a/lion.py:Lion"),)
    assert short.request.lr == "0.1" and short.request.settings == {"training": {"epochs": "3"}}
    parts = ["lion.py:Lion.lr=1", "lion:Lion.beta1=0.5", "torch.optim:SGD.momentum=0.9"]
    given = call([word for part in parts for word in ("--set", part)])
    assert given.request.settings == {
        "lion:Lion": {"lr": "1", "beta1": "0.5"},
        "torch.optim:SGD": {"momentum": "0.9"},
    }


def test_a_model_may_be_a_function_or_class_of_a_file():
    asked = call(["--model", "nets/my_models.py:make_net", "--set", "model.width=3"])
    assert asked.request.model == "my-models:make_net"
    assert asked.plugin_files == (Path("nets/my_models.py:make_net"),)
    assert call(["--model", "my_net.py"]).request.model == "my-net"
    for name in ("torchvision:resnet18", "resnet18", "mlp", ""):
        asked = call(["--model", name])
        assert (asked.request.model, asked.plugin_files) == (name, ())


def test_data_roots_are_kept_in_order():
    assert call([]).data_root is None and call(["--data-root", "a"]).data_root == Path("a")
    both = call(["--data-root", "b", "--data-root", "a"])
    assert both.data_root == Folders((Path("b"), Path("a")))


def test_a_device_is_checked_before_anything_is_read():
    assert call(["--device", "cuda:1"]).device == "cuda:1"
    with pytest.raises(UserError, match="--device takes auto, cpu, cuda or a GPU such as cuda:1"):
        call(["--device", "tpu"])


def test_a_stream_may_be_a_file():
    asked = call(["--stream", "own/my_blobs.py"])
    assert (asked.request.stream, asked.plugin_files) == ("my-blobs", (Path("own/my_blobs.py"),))
    for name in ("split-digits", "protocols/own.toml"):
        asked = call(["--stream", name])
        assert (asked.request.stream, asked.plugin_files) == (name, ())
