"""Libraries of optimizers: options, refusals in one sentence, and errors of the library."""

import sys

import pytest
import torch
from library_runs import complete, make, network

from nanocl.libraries.packages import LIBRARIES
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError, hash_of


def test_the_options_are_those_of_the_signature_with_plain_types():
    options = complete("torch:Adam", lr="2e-3", beta2="0.99", fused="none").options
    assert options["optimizer"] == "Adam" and options["lr"] == 2e-3 and options["fused"] is None
    assert (options["beta1"], options["beta2"]) == (0.9, 0.99) and "betas" not in options
    optimizer = make("torch:Adam", beta2=0.99).make_optimizer(network(2, 2))
    assert optimizer.defaults["betas"] == (0.9, 0.99)


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_optimizer_of_a_library_is_built_or_refused_in_one_sentence(library):
    complete(library)  # skips the test if the library is missing
    built = 0
    for name in LIBRARIES[library].optimizers():
        is_sgd = library == "bitsandbytes" and name.startswith("SGD")
        values = {"lr": 0.1, "momentum": 0.9} if is_sgd else {}
        try:
            part = complete(f"{library}:{name}", **values)
        except UserError as error:
            assert str(error).startswith(f"{library}:{name} ") and "\n" not in str(error)
            continue
        assert hash_of(dict(part.options)), "every option fits into JSON"
        model = network(5, 4, 4, 3)
        optimizer = Catalogue().make("strategies", part).make_optimizer(model)
        params = [p for group in optimizer.param_groups for p in group["params"]]
        assert sorted(map(id, params)) == sorted(map(id, model.parameters()))
        built += 1
    at_least = {"torch": 14, "pytorch-optimizer": 100, "torchao": 6, "bitsandbytes": 20}
    assert built >= at_least[library]


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("torch:Adm", {}, "torch has no optimizer 'Adm'; did you mean 'Adam'?"),
        ("torch:sgd", {}, "did you mean 'SGD'?"),
        ("torch:SparseAdam", {}, "sparse gradients"),
        (
            "torch:Adam",
            {"wieght_decay": "0"},
            "no option 'wieght_decay'; did you mean 'weight_decay'?",
        ),
        ("torch:Adam", {"lr": "fast"}, "must be of type float"),
        ("torch:Adam:SGD", {}, "takes no other optimizer"),
        (
            "pytorch-optimizer:GSAM",
            {},
            "needs base_optimizer, model, rho_scheduler, which options cannot provide",
        ),
        ("pytorch-optimizer:AdaHessian", {}, "differentiates the gradient again"),
        (
            "pytorch-optimizer:SAM:Muon",
            {},
            "can only wrap an optimizer that can be made from its signature alone, got 'Muon'",
        ),
        ("pytorch-optimizer:SAM:Nothing", {}, "no optimizer 'Nothing'"),
        ("torchao:CPUOffloadOptimizer", {}, "use torch:AdamW"),
        ("bitsandbytes:LAMB8bit", {}, "only ever scales an update down"),
    ],
)
def test_a_name_or_option_that_cannot_run_is_refused_in_one_sentence(name, values, message):
    with pytest.raises(UserError) as error:
        complete(name, **values)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("torch:Adam", {"lr": -1.0}, "Invalid learning rate: -1.0"),
        ("torch:Muon", {"weight_decay": -1.0}, "weight decay should be >= 0 but is: -1.0"),
        # an exception of the library's own
        ("pytorch-optimizer:Lion", {"lr": -1.0}, "learning rate must be positive"),
        ("pytorch-optimizer:Lion", {"beta1": 1.5}, "beta1 must be in the range"),
        ("pytorch-optimizer:GaLore", {"rank": 0}, "rank must be in"),
        ("pytorch-optimizer:AdaFactor", {"lr": 0.1}, "lr must be none with relative_step=true"),
        (
            "pytorch-optimizer:AdaFactor",
            {"cautious": True},
            "beta1 must be a number with cautious=true",
        ),
        ("torchao:AdamW8bit", {"eps": -1.0}, "Invalid epsilon value: -1.0"),
        ("bitsandbytes:SGD", {"momentum": 0.9}, "lr must be given"),
    ],
)
def test_bad_values_are_errors_in_the_words_of_the_library(name, values, message):
    with pytest.raises(ValueError, match=message):
        make(name, **values)


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(UserError, match=r"pip install .*\[pytorch-optimizer\]"):
        Catalogue().complete("strategies", "pytorch-optimizer:Lion", {})


def test_checking_options_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    make("torch:Muon")
    assert torch.equal(before, torch.get_rng_state())
