"""Options are read from an optimizer's signature, and arguments made from options."""

import pytest
import torch
from library_runs import complete

from nanocl.libraries.signature import arguments_of, required, signature_options


class Plain(torch.optim.SGD):
    """A signature without types, with a required argument and values of no plain type."""

    def __init__(self, params, lr, model, betas=(0.9, 0.99), decay=0, cap=float("inf"), key=abs):
        super().__init__(params, lr)


def test_every_argument_of_plain_type_is_an_option():
    assert signature_options(Plain) == {
        "lr": (("None", "float"), None),
        "beta1": (("float",), 0.9),
        "beta2": (("float",), 0.99),
        "decay": (("int", "float"), 0),
    }


def test_arguments_are_the_inverse_of_options():
    options = {"lr": 0.1, "beta1": 0.5, "beta2": 0.6, "decay": 0.01}
    assert arguments_of(Plain, options) == {"lr": 0.1, "betas": (0.5, 0.6), "decay": 0.01}


def test_a_missing_learning_rate_is_an_error():
    with pytest.raises(ValueError, match="lr must be given, Plain has no default, got None"):
        arguments_of(Plain, {"lr": None})


def test_arguments_without_default_are_required_except_parameters_and_learning_rate():
    assert required(Plain) == {"model"} and required(torch.optim.Adam) == set()


def test_the_types_of_torchs_own_signatures_are_read():
    assert isinstance(complete("torch:Adam").options["weight_decay"], float), "0 stands for 0.0"
    assert complete("torch:Muon").options["ns_coefficient2"] == -4.775
    assert complete("torch:Adafactor").options["eps1"] is None
    assert complete("torch:Rprop").options["step_size2"] == 50.0


def test_an_argument_of_no_plain_type_is_no_option():
    assert "clip_lambda" not in complete("pytorch-optimizer:ADOPT").options, "a function"
    assert "momentum_dtype" not in complete("pytorch-optimizer:AdaFactor").options, "a dtype"
    assert "growth_rate" not in complete("pytorch-optimizer:Prodigy").options, "infinity"
    assert "args" not in complete("bitsandbytes:AdamW").options, "any object"
