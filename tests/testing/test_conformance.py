"""Every plugin in the catalogue keeps its contract."""

import pytest
import torch
from encoders import write_encoder

from nanocl import optim
from nanocl.plugins import catalogue
from nanocl.plugins.catalogue import Catalogue
from nanocl.testing import check_model, check_optimizer, check_strategy, check_stream

STREAMS = {
    "two-digits": {"data": "digits"},
    "split": {"data": "digits", "samples": 200, "test_samples": 100},
    "permuted": {"data": "digits", "experiences": 3, "samples": 200, "test_samples": 100},
    "finetune": {"datasets": "digits[0-4],digits[5-9]", "image_size": 0, "samples": 200},
    "rotated": {"data": "digits", "experiences": 3, "samples": 200, "test_samples": 100},
}
GIVEN = ("tensors",)  # streams of data from Python: tests/streams/test_tensors.py
TEXTS = ("transformers",)  # models that take token numbers
MODELS = {"student": (20,), "mlp": (1, 28, 28)}
OPTIONS = {"slim-resnet18": {"width": 4}}
OPTIMIZERS = [
    (optim.NanoAdam, {}),
    (optim.NanoAdam, {"density": 0.3, "mask_interval": 2, "moment_policy": "reset"}),
    (optim.NanoAdam, {"density": 1.0}),
    (optim.NanoAdam, {"state_dtype": "bfloat16", "select": "random"}),
    (optim.MicroAdam, {}),
    (optim.MicroAdam, {"density": 0.2, "window": 3}),
    (optim.MoFO, {}),
    (optim.MoFO, {"density": 0.3, "chunk_size": 20, "state_dtype": "bfloat16"}),
    (optim.LIFT, {}),
    (optim.LIFT, {"density": 0.3, "rank": 2, "mask_interval": 2, "moment_policy": "carry"}),
    (optim.LowRankAdamW, {}),
    (optim.LowRankAdamW, {"rank": 1, "alpha": 1.0}),
    (optim.CautiousAdamW, {}),
    (optim.CautiousAdamW, {"weight_decay": 0.5, "state_dtype": "bfloat16"}),
    (optim.CLASSP, {}),
    (optim.CLASSP, {"threshold": 1e-4, "power": 2.0, "state_dtype": "bfloat16"}),
    (optim.PaFi, {}),
    (optim.PaFi, {"density": 0.5, "chunk_size": None, "state_dtype": "bfloat16"}),
    (torch.optim.SGD, {"momentum": 0.9}),
    (torch.optim.AdamW, {}),
    (torch.optim.Adagrad, {}),
]


# the plugins of whole libraries are checked in tests/libraries
@pytest.mark.parametrize(
    "name", [name for name, p in Catalogue().plugins("strategies").items() if not p.is_library]
)
def test_a_strategy_keeps_the_contract(name):
    if name == "peft":
        pytest.importorskip("peft.tuners.lora.torchao")  # which warns when torchao is loaded
    check_strategy(catalogue.load(Catalogue().plugin("strategies", name)), regression=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("er", {"selection": "reservoir", "memory_size": 7, "balance": "experience"}),
        ("er", {"per_class": True, "memory_size": 2, "replay_batch_size": 3}),
        ("joint", {"when": "end"}),
        ("ewc", {"fisher": "sampled", "samples": 10}),
        ("ewc", {"fisher": "batched"}),
        ("nanoadam", {"density": 0.3, "mask_interval": 2, "select": "random"}),
    ],
)
def test_a_strategy_keeps_the_contract_with_other_options(name, options):
    check_strategy(catalogue.load(Catalogue().plugin("strategies", name)), options)


@pytest.mark.parametrize(
    "name", [name for name in Catalogue().plugins("streams") if name not in GIVEN]
)
def test_a_stream_keeps_the_contract(name):
    check_stream(catalogue.load(Catalogue().plugin("streams", name)), STREAMS.get(name))


@pytest.mark.parametrize(
    "name", [name for name in Catalogue().plugins("models") if name not in TEXTS]
)
def test_a_model_keeps_the_contract(name):
    check_model(
        catalogue.load(Catalogue().plugin("models", name)),
        OPTIONS.get(name),
        inputs=MODELS.get(name, (3, 32, 32)),
    )


def test_an_encoder_of_texts_keeps_the_contract(tmp_path):
    pytest.importorskip("transformers")
    tokens = torch.randint(12, (6, 9), generator=torch.Generator().manual_seed(0))
    tokens[0, 5:] = -1  # a shorter text
    check_model(
        catalogue.load(Catalogue().plugin("models", "transformers")),
        {"architecture": str(write_encoder(tmp_path)), "dropout": 0.0},
        inputs=(9,),
        samples=tokens,
    )


@pytest.mark.parametrize(
    ("cls", "options"), OPTIMIZERS, ids=lambda value: getattr(value, "__name__", "")
)
def test_an_optimizer_keeps_the_contract(cls, options):
    check_optimizer(cls, options)


PLUGINS = [
    (kind, name)
    for kind in ("strategies", "streams", "models")
    for name in Catalogue().plugins(kind)
]


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_a_class_has_the_version_that_the_catalogue_declares(kind, name):
    """The catalogue adds the version of a strategy's optimizer, from 1 for both."""
    plugin = Catalogue().plugin(kind, name)
    cls = catalogue.load(plugin)
    optimizer = getattr(cls, "optimizer_class", None)
    assert plugin.version == cls.version + getattr(optimizer, "version", 1) - 1


def test_full_selection_takes_the_steps_of_adamw():
    check_optimizer(optim.NanoAdam, {"density": 1.0, "weight_decay": 0.0}, reference=dense_adamw)


def dense_adamw(params, *, density, **options):
    return torch.optim.AdamW(params, **options)
