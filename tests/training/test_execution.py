"""Passes in bfloat16 and compiled passes learn what plain ones learn, for every strategy."""

import copy
from functools import partial

import pytest
import torch
from small_runs import numbers, spec
from torch import nn

from nanocl.plugins.catalogue import INSTALLED
from nanocl.records import RunResult, Training, UserError
from nanocl.testing import run, small_learner, small_stream
from nanocl.training import checkpoint, entry, execution, experiment
from nanocl.training.context import Context

COMPOSITIONS = ["er+adamw", "derpp+adamw", "a-gem+adamw", "lwf+adamw", "ewc+nanoadam"]
SHORT = ["derpp+adamw", pytest.param("er+ewc+nanoadam", marks=pytest.mark.slow)]


def trained(strategy="adamw", scenario="", **training) -> RunResult:
    settings = {"training": {"iterations": "40", **training}}
    return experiment.run_one(spec(strategy, scenario=scenario, settings=settings), Context())


def mean(result):
    return sum(map(sum, result.evaluation)) / len(result.evaluation) ** 2


@pytest.fixture
def graphs(monkeypatch):
    """Dynamo's graphs, without a compiler behind them, which would take a minute."""
    made = []
    backend = torch._dynamo.lookup_backend("aot_eager")

    def compile_graph(graph, inputs):
        made.append(graph)
        return backend(graph, inputs)

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=compile_graph))
    yield made
    torch.compiler.reset()


class Types(nn.Sequential):
    """A backbone that notes the type of what it computes."""

    features = 12

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(16, 12), nn.ReLU())
        self.seen = []

    def forward(self, inputs):
        features = super().forward(inputs)
        self.seen.append(features.dtype)
        return features


@pytest.mark.parametrize(("option", "value"), [("precision", "bf16"), ("compile", "true")])
def test_the_option_is_recorded_and_another_run(option, value):
    plain, other = spec(), spec(settings={"training": {option: value}})
    assert plain.digest != other.digest and plain.protocol_hash != other.protocol_hash
    assert option in other.training.identity() and option not in plain.training.identity()
    again = spec(settings={"training": {option: str(getattr(plain.training, option)).lower()}})
    assert again.digest == plain.digest


def test_a_wrong_precision_is_refused_with_what_is_right():
    with pytest.raises(UserError, match=r"precision must be one of fp32, tf32, bf16.*'bf15'"):
        spec(settings={"training": {"precision": "bf15"}})


@pytest.mark.parametrize("strategy", SHORT)
def test_passes_in_bfloat16_learn_what_passes_in_float32_learn(strategy):
    plain, half = trained(strategy), trained(strategy, precision="bf16")
    assert half.spec.training.precision == "bf16"
    assert half.evaluation != plain.evaluation
    assert mean(half) == pytest.approx(mean(plain), abs=0.03)


@pytest.mark.parametrize("scenario", ["class", "task"])
@pytest.mark.parametrize("strategy", ["er", "derpp", "a-gem", "lwf", "ewc"])
def test_every_pass_of_training_and_test_is_in_bfloat16_and_weights_are_not(strategy, scenario):
    stream = small_stream(scenario, experiences=2)
    part = INSTALLED.complete("strategies", strategy, {})
    backbone = Types()
    made = small_learner(stream, [INSTALLED.make("strategies", part)], backbone=backbone)
    execution.prepare(made.model, Training(precision="bf16"))
    run(made, stream)
    # the Fisher of ewc is estimated in float32
    expected = {torch.bfloat16, torch.float32} if strategy == "ewc" else {torch.bfloat16}
    assert set(backbone.seen) == expected
    assert made.model(torch.rand(3, 1, 4, 4), 0).dtype == torch.float32
    assert {p.dtype for p in made.model.parameters()} == {torch.float32}
    moments = [value for state in made.optimizer.state.values() for value in state.values()]
    assert {value.dtype for value in moments} == {torch.float32}


def test_bfloat16_passes_on_bfloat16_weights_are_refused(data_root):
    stream = {"datasets": "digits", "precision": "bf16"}
    one = spec(stream="finetune", settings={"stream": stream, "training": {"precision": "bf16"}})
    with pytest.raises(UserError, match=r"float32 weights, got stream\.precision=bf16"):
        entry.check([one], Context(), print)


@pytest.mark.parametrize(
    ("strategy", "scenario"),
    [
        ("derpp", "class"),
        ("lwf", "task"),
        ("ewc", "task"),
        *(pytest.param(name, "task", marks=pytest.mark.slow) for name in ("er", "derpp", "a-gem")),
        *(pytest.param(name, "class", marks=pytest.mark.slow) for name in ("er", "a-gem", "lwf")),
    ],
)
def test_compiled_passes_learn_what_plain_passes_learn(strategy, scenario, graphs):
    def learnt(*, compiled):
        stream = small_stream(scenario, experiences=2)
        part = INSTALLED.complete("strategies", strategy, {})
        made = small_learner(stream, [INSTALLED.make("strategies", part)], epochs=1)
        execution.prepare(made.model, Training(compile=compiled))
        return run(made, stream).drift[-1].start["all"]["l2"]

    assert learnt(compiled=True) == pytest.approx(learnt(compiled=False), rel=1e-4)
    # at most two models (that of training and an earlier copy), each in training and in tests; not
    # one for each size of mini-batch
    assert 0 < len(graphs) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["adamw", "lwf+nanoadam"])
def test_passes_of_inductor_learn_what_plain_passes_learn(strategy):
    plain, compiled = trained(strategy), trained(strategy, compile="true")
    assert mean(compiled) == pytest.approx(mean(plain), abs=0.03)


def test_a_copy_of_a_compiled_network_computes_with_its_own_weights(graphs):
    stream = small_stream()
    network = small_learner(stream).model
    names = list(network.state_dict())
    network.compiled = execution.compiled_pass()
    inputs = torch.rand(5, 1, 4, 4)
    copied = copy.deepcopy(network.eval())
    before = network(inputs)
    with torch.no_grad():
        copied.backbone[1].weight.zero_()
    assert list(network.state_dict()) == names
    assert torch.equal(network(inputs), before) and not torch.equal(copied(inputs), before)
    assert graphs


class Killed(Exception):
    pass


@pytest.mark.parametrize("option", [{"compile": "true"}, {"precision": "bf16"}])
def test_such_a_run_resumes_bit_for_bit(tmp_path, monkeypatch, option, graphs):
    whole = trained("er+nanoadam", **option)
    save = checkpoint.save

    def save_then_die(path, spec, learner, meter, drift, outcome):
        save(path, spec, learner, meter, drift, outcome)
        if len(outcome.evaluation) == 2:
            raise Killed

    context = Context(checkpoints=tmp_path)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint, "save", save_then_die)
        experiment.run_one(whole.spec, context)
    assert numbers(experiment.run_one(whole.spec, context)) == numbers(whole)
    assert bool(graphs) == ("compile" in option)


def test_compilation_without_a_compiler_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"compile=true needs a C\+\+ compiler"):
        entry.check([spec(settings={"training": {"compile": "true"}})], Context(), print)


def test_a_gpu_without_bfloat16_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "an old GPU")
    with pytest.raises(UserError, match="an old GPU has no bfloat16; use fp32"):
        execution.check(Training(precision="bf16"), "cuda")


def test_a_run_lets_a_gpu_round_convolutions_and_products_only_on_request():
    execution.use_precision(Training(precision="tf32"))
    assert torch.backends.cudnn.allow_tf32 and torch.backends.cuda.matmul.allow_tf32
    trained(iterations="1")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_tf32_on_a_cpu_is_refused():
    with pytest.raises(UserError, match="tf32 is for a GPU; use fp32"):
        execution.check(Training(precision="tf32"), "cpu")


@pytest.mark.gpu
def test_a_convolution_on_a_gpu_in_fp32_is_that_of_the_cpu():
    execution.use_precision(Training())
    layer = nn.Conv2d(16, 32, 3)
    inputs = torch.randn(8, 16, 14, 14, generator=torch.Generator().manual_seed(0))
    on_gpu = copy.deepcopy(layer).cuda()(inputs.cuda()).cpu()
    torch.testing.assert_close(on_gpu, layer(inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("option", [{"precision": "bf16"}, {"compile": "true"}])
@pytest.mark.parametrize("strategy", COMPOSITIONS)
def test_a_gpu_learns_with_the_option_what_it_learns_without(strategy, option):
    one = spec(strategy, settings={"training": {"iterations": "40", **option}})
    result = experiment.run_one(one, Context(device="cuda"))
    assert mean(result) == pytest.approx(mean(trained(strategy)), abs=0.03)
