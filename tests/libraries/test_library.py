"""Libraries of optimizers: options from signatures, refusals in one sentence, wipes, resumes and repeated passes."""

import dataclasses
import importlib
import sys
from collections import defaultdict
from itertools import pairwise

import pytest
import torch
from avalanche.models import IncrementalClassifier, MultiHeadClassifier, MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Naive
from torch import nn

from nanocl.libraries.hybrid import matrices_of
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import Part, UserError, hash_of
from nanocl.testing import small_stream
from nanocl.training import experiment
from nanocl.training.context import Context

LIBRARIES = {
    "torch": "torch",
    "pytorch-optimizer": "pytorch_optimizer",
    "torchao": "torchao",
    "bitsandbytes": "bitsandbytes",
}


def complete(name, **given) -> Part:
    if name.split(":")[0] != "torch":
        pytest.importorskip(LIBRARIES[name.split(":")[0]])
    return Catalogue().complete("strategies", name, given)


def make(name, **given):
    return Catalogue().make("strategies", complete(name, **given))


def network(*sizes: int, dtype=torch.float32) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes))).to(dtype)


def steps(optimizer, model, count, seed=0):
    """Steps along random gradients that depend on `seed` only."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=generator).to(p.dtype)
        optimizer.step()


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def equal(first, second):
    return all(map(torch.equal, first, second))


def test_the_options_are_those_of_the_signature_with_plain_types():
    options = complete("torch:Adam", lr="2e-3", beta2="0.99", fused="none").options
    assert options["optimizer"] == "Adam" and options["lr"] == 2e-3 and options["fused"] is None
    assert (options["beta1"], options["beta2"]) == (0.9, 0.99) and "betas" not in options
    assert isinstance(options["weight_decay"], float), "a default of 0 for a float is 0.0"
    assert complete("torch:Muon").options["ns_coefficient2"] == -4.775
    assert complete("torch:Adafactor").options["eps1"] is None
    assert complete("torch:Rprop").options["step_size2"] == 50.0
    assert make("torch:Adam", beta2=0.99).make_optimizer(network(2, 2)).defaults["betas"] == (
        0.9,
        0.99,
    )


def test_what_has_no_plain_type_is_left_at_its_default():
    assert "clip_lambda" not in complete("pytorch-optimizer:ADOPT").options, "a function"
    assert "momentum_dtype" not in complete("pytorch-optimizer:AdaFactor").options, "a data type"
    assert "growth_rate" not in complete("pytorch-optimizer:Prodigy").options, (
        "an infinity, which JSON has not"
    )
    assert "args" not in complete("bitsandbytes:AdamW").options, "any object"


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_optimizer_of_a_library_is_built_or_refused_in_one_sentence(library):
    part = complete(library)
    module = importlib.import_module(Catalogue().plugin("strategies", library).module)
    built = 0
    for name in module.LIBRARY.optimizers():
        given = (
            {"lr": 0.1, "momentum": 0.9}
            if library == "bitsandbytes" and name.startswith("SGD")
            else {}
        )
        try:
            part = complete(f"{library}:{name}", **given)
        except UserError as error:
            assert str(error).startswith(f"{library}:{name} ") and "\n" not in str(error)
            continue
        assert hash_of(dict(part.options)), "every option fits into JSON"
        model = network(5, 4, 4, 3)
        optimizer = Catalogue().make("strategies", part).make_optimizer(model)
        held = [p for group in optimizer.param_groups for p in group["params"]]
        assert {id(p) for p in held} == {id(p) for p in model.parameters()} and len(held) == 6
        built += 1
    assert (
        built >= {"torch": 14, "pytorch-optimizer": 100, "torchao": 6, "bitsandbytes": 20}[library]
    )


@pytest.mark.parametrize(
    ("name", "given", "message"),
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
            "needs base_optimizer, model, rho_scheduler, which no option can give",
        ),
        ("pytorch-optimizer:AdaHessian", {}, "differentiates the gradient again"),
        (
            "pytorch-optimizer:SAM:Muon",
            {},
            "can wrap an optimizer that its signature describes, got 'Muon'",
        ),
        ("pytorch-optimizer:SAM:Nothing", {}, "no optimizer 'Nothing'"),
        ("torchao:CPUOffloadOptimizer", {}, "use torch:AdamW"),
        ("bitsandbytes:LAMB8bit", {}, "only ever scales an update down"),
    ],
)
def test_what_cannot_run_is_said_in_one_sentence(name, given, message):
    with pytest.raises(UserError) as error:
        complete(name, **given)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("torch:Adam", {"lr": -1.0}, "Invalid learning rate: -1.0"),
        ("torch:Muon", {"weight_decay": -1.0}, "weight decay should be >= 0 but is: -1.0"),
        (
            "pytorch-optimizer:Lion",
            {"lr": -1.0},
            "learning rate must be positive",
        ),  # their own kind of exception
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
def test_bad_values_are_errors_in_the_words_of_the_library(name, given, message):
    with pytest.raises(ValueError, match=message):
        make(name, **given)


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(UserError, match=r"pip install 'nanocl\[pytorch-optimizer\]'"):
        Catalogue().complete("strategies", "pytorch-optimizer:Lion", {})


def test_an_instance_draws_no_random_number():
    before = torch.get_rng_state()
    make("torch:Muon")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "name",
    [
        "torch:Adam",
        "torch:Muon",
        "pytorch-optimizer:AdaBelief",
        "pytorch-optimizer:Muon",
        "pytorch-optimizer:GaLore",
        "pytorch-optimizer:Prodigy",
        "torchao:AdamW8bit",
        "bitsandbytes:AdamW8bit",
    ],
)
def test_an_optimizer_whose_state_was_wiped_starts_as_a_new_one(name):
    model = network(64, 64, 64, 4)
    strategy = make(name)
    optimizer = strategy.make_optimizer(model)
    optimizer.state = defaultdict(dict)  # what Avalanche's first call does
    steps(optimizer, model, 5)
    at = weights(model)
    optimizer.state = defaultdict(dict)  # what it does when an experience resets the optimizer
    steps(optimizer, model, 3, seed=1)
    wiped = weights(model)
    for p, value in zip(model.parameters(), at, strict=True):
        p.data.copy_(value)
    steps(strategy.make_optimizer(model), model, 3, seed=1)
    assert equal(wiped, weights(model)) and not equal(wiped, at)


def test_a_wipe_leaves_a_learning_rate_that_a_schedule_has_set():
    model = network(3, 3, 3)
    optimizer = make("pytorch-optimizer:AdaBelief").make_optimizer(model)
    optimizer.param_groups[0]["lr"] = 0.125
    optimizer.state = defaultdict(dict)
    steps(optimizer, model, 1)
    assert optimizer.param_groups[0]["lr"] == 0.125 and optimizer.param_groups[0]["step"] == 1


def test_a_loaded_state_is_no_wipe_even_where_it_is_empty():
    strategy = make("pytorch-optimizer:ASGD")  # keeps all it knows in the group
    plain, model = network(3, 3, 3), network(3, 3, 3)
    optimizer = sys.modules["pytorch_optimizer"].ASGD(plain.parameters())
    steps(optimizer, plain, 5)
    steps(optimizer, plain, 2, seed=1)
    optimizer, resumed = strategy.make_optimizer(model), strategy.make_optimizer(model)
    steps(optimizer, model, 5)
    resumed.load_state_dict(optimizer.state_dict())
    steps(resumed, model, 2, seed=1)
    assert not resumed.state and equal(weights(plain), weights(model))


def test_the_first_projection_of_a_language_model_is_a_hidden_matrix():
    """Its input layer is the embedding, wherever position embeddings stand."""
    model = nn.Sequential(
        nn.Embedding(10, 4),
        nn.Embedding(5, 4),
        nn.Linear(4, 4),
        nn.LayerNorm(4),
        nn.Linear(4, 4),
        nn.Linear(4, 10),
    )
    for input_layer in (False, True):
        assert matrices_of(model, input_layer=input_layer, convolutions=False) == {
            "2.weight",
            "4.weight",
        }
    plain = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    assert matrices_of(plain, input_layer=False, convolutions=False) == {"1.weight"}
    assert matrices_of(plain, input_layer=True, convolutions=False) == {"0.weight", "1.weight"}


def test_muon_leaves_all_but_hidden_matrices_to_adamw():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.Conv2d(4, 4, 3),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(4, 6),
        nn.Linear(6, 3),
    )

    def matrices(name, **given):
        groups = make(name, **given).make_optimizer(model).param_groups
        assert len(groups) == 2 and sum(len(group["params"]) for group in groups) == 10
        return [tuple(p.shape) for p in groups[0]["params"]]

    assert matrices("torch:Muon") == [(6, 4)]
    assert matrices("pytorch-optimizer:Muon") == [(4, 4, 3, 3), (6, 4)]
    assert matrices("pytorch-optimizer:Muon", input_layer=True) == [
        (4, 1, 3, 3),
        (4, 4, 3, 3),
        (6, 4),
    ]
    with pytest.raises(ValueError, match="between its first and its output layer"):
        make("torch:Muon").make_optimizer(network(4, 3))


class Growing(nn.Module):
    """A head that gets columns as classes come."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU()
        )
        self.classifier = IncrementalClassifier(12, masking=False)

    def forward(self, inputs):
        return self.classifier(self.features(inputs))


class Heads(MultiTaskModule):
    """A new head for each experience."""

    def __init__(self):
        super().__init__()
        self.features = Growing().features
        self.classifier = MultiHeadClassifier(12)

    def forward(self, inputs, task_labels):
        return self.classifier(self.features(inputs), task_labels)


@pytest.mark.parametrize("grown", [Growing, Heads])
@pytest.mark.parametrize(
    "name",
    [
        "torch:Muon",
        "pytorch-optimizer:Muon",
        "pytorch-optimizer:AdaBelief",
        "torchao:AdamW8bit",
        "bitsandbytes:AdamW8bit",
    ],
)
def test_a_model_that_grows_is_trained_in_avalanches_own_template(name, grown):
    model, stream, strategy = grown(), small_stream("task"), make(name)
    learner = Naive(
        model=model,
        optimizer=strategy.make_optimizer(model),
        train_mb_size=8,
        plugins=[strategy],
        evaluator=EvaluationPlugin(),
    )
    for experience in stream.train_stream:
        learner.train(experience, eval_streams=[])
    held = [id(p) for group in learner.optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in model.parameters()} <= set(held) and len(set(held)) == len(held)
    assert all(learner.optimizer.state[p] for p in model.features.parameters())
    assert all(torch.isfinite(p).all() for p in model.parameters())


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "name",
    [
        "torch:Muon",
        "torch:LBFGS",
        "pytorch-optimizer:SAM:AdamW",
        "pytorch-optimizer:LookSAM:SGD",
        "pytorch-optimizer:GaLore",
        "pytorch-optimizer:ScheduleFreeAdamW",
        "torchao:AdamW8bit",
        "bitsandbytes:AdamW8bit",
    ],
)
def test_a_run_with_any_of_them_goes_on_bit_for_bit_after_a_cut(tmp_path, monkeypatch, name):
    complete(name)
    settings = {name: {"lr": "0.1", "max_iter": "3"}} if name == "torch:LBFGS" else {}
    run = suite.specs(
        Request(tier="smoke", strategies=(f"ewc+{name}",), seeds=(0,), settings=settings),
        Catalogue(),
    )[0]
    run = dataclasses.replace(run, training=dataclasses.replace(run.training, iterations=4))
    whole, save = experiment.run_one(run, Context()), experiment.checkpoint.save

    def save_then_die(path, learner, meter, drift, outcome):
        save(path, learner, meter, drift, outcome)
        if len(outcome.evaluation) == 2:
            raise Killed

    monkeypatch.setattr(experiment.checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        experiment.run_one(run, Context(checkpoints=tmp_path))
    monkeypatch.setattr(experiment.checkpoint, "save", save)
    rest = experiment.run_one(run, Context(checkpoints=tmp_path))
    assert whole.status == "ok" and rest.evaluation == whole.evaluation
    assert [d.start for d in rest.drift] == [d.start for d in whole.drift], (
        "the weights, to the last bit"
    )
