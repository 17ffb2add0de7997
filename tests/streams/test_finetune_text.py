"""Fine-tuning on texts: heads, shapes, and runs that are equal however they are executed."""

import dataclasses
import itertools

import pytest
import torch
from encoders import write_encoder, write_texts
from pictures import pictures, write_folder
from small_runs import numbers

from nanocl import data
from nanocl.models._encoders import hash_of_encoder
from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.pinning import pin
from nanocl.protocols.request import Request
from nanocl.records import UserError
from nanocl.training.context import Context
from nanocl.training.experiment import run_one

pytest.importorskip("transformers")
FIRST, SECOND = (0, 1, 2), (3, 4)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    write_encoder(folder / "bert")
    write_texts(folder / "first", FIRST, train=24, test=10)
    write_texts(folder / "second", SECOND, train=20, test=8)
    write_folder(folder / "insects", pictures())
    return folder


def spec(root, strategy="adamw", *, model="transformers:bert", training=None, **stream):
    """The spec of a run on first, second, first again."""
    options = {"datasets": "first,second,first", "max_length": "7", **stream}
    settings = {
        "stream": {option: str(value) for option, value in options.items()},
        "training": {"batch_size": "8", **(training or {})},
        **({strategy: {"lr": "0.01"}} if strategy == "adamw" else {}),
    }
    request = Request(
        stream="finetune", strategies=(strategy,), seeds=(0,), model=model, settings=settings
    )
    return pin(suite.specs(request, Catalogue()), root)[0]


def run(root, *args, **options):
    context = Context(data_root=root)
    return run_one(spec(root, *args, **options), context)


def scenario_of(made, root):
    stream = Catalogue().make("streams", made.stream)
    return stream.build(scenario="task", seed=0, data_root=root)


def test_a_repeated_text_data_set_reuses_its_head_and_all_texts_have_one_length(root):
    scenario = scenario_of(spec(root), root)
    labels = [experience.task_label for experience in scenario.train_stream]
    assert labels == [0, 1, 0] and scenario.heads == ((0, 1, 2), (3, 4))
    assert (scenario.inputs, scenario.outputs) == ((7,), 5)
    for experience in (*scenario.train_stream, *scenario.test_stream):
        tokens, _, _ = experience.dataset[0]
        assert tokens.shape == (7,) and tokens.dtype == torch.int32


def test_the_spec_names_tokenizer_weights_and_the_tokens_that_are_read(root):
    made = spec(root)
    assert made.stream.options["tokenizer"] == "bert" == made.model.options["architecture"]
    assert made.model.weights == hash_of_encoder(root / "bert")
    tokenizer = data.Tokenizer(root / "bert", 7)
    prints = [data.fingerprint(name, root, tokenizer=tokenizer) for name in ("first", "second")]
    assert made.data == "+".join(prints)
    by_path = spec(root, model=f"transformers:{root / 'bert'}")
    assert by_path.digest == made.digest and by_path.model.name == "transformers:bert"


def test_runs_learn_both_data_sets_and_keep_the_hash_of_the_weights(root):
    result = run(root, training={"epochs": "8"})
    assert result.status == "ok" and result.spec.model.weights
    assert min(result.evaluation[1][:2]) > 0.8 > max(result.initial)
    assert [facts["name"] for facts in result.data] == ["first", "second"]


def test_buckets_change_the_order_of_training_and_no_test(root):
    """The tests before training read the same texts by length and in the order of the file."""
    results = [run(root, "sgd", bucket=flag, training={"epochs": "2"}) for flag in (True, False)]
    assert results[0].initial == results[1].initial
    assert results[0].evaluation != results[1].evaluation or results[0].drift != results[1].drift


@pytest.mark.parametrize(
    "strategy", ["nanoadam", "er", "derpp", "joint", "lora", "ewc+adamw", "lwf", "microadam", "si"]
)
def test_strategies_of_all_kinds_train_texts(root, strategy):
    result = run(root, strategy)
    assert result.status == "ok"
    assert result.drift[-1].start["backbone"]["l2"] > 0


def test_a_run_has_the_same_numbers_again(root):
    made = spec(root, "nanoadam")
    first, again = (run_one(made, Context(data_root=root)) for _ in range(2))
    assert numbers(first) == numbers(again)


def test_an_interrupted_run_resumes_bit_for_bit(root, tmp_path, monkeypatch):
    from nanocl.training import loop

    made = spec(root, "nanoadam", training={"epochs": "2"})
    whole = numbers(run_one(made, Context(data_root=root)))
    steps = itertools.count()
    original = loop.Learner.optimizer_step

    def stopped(learner):
        if next(steps) == 21:  # in the second epoch of the second experience
            raise KeyboardInterrupt
        original(learner)

    context = Context(data_root=root, checkpoints=tmp_path, checkpoint_minutes=1e-9)
    with monkeypatch.context() as patched:
        patched.setattr(loop.Learner, "optimizer_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_one(made, context)
    assert any(tmp_path.iterdir())
    resumed = itertools.count()

    def counted(learner):
        next(resumed)
        original(learner)

    monkeypatch.setattr(loop.Learner, "optimizer_step", counted)
    assert numbers(run_one(made, context)) == whole
    assert next(resumed) < 30 < next(steps) + next(resumed)


def test_pretraining_on_texts_gives_a_start_whose_head_is_used(root):
    settings = {
        "stream": {"datasets": "first,second", "start": "1"},
        "training": {"batch_size": "8"},
        "model": {"pretrain": "first", "pretrain_epochs": "8", "pretrain_lr": "0.01"},
    }
    request = Request(
        stream="finetune",
        strategies=("adamw",),
        seeds=(0,),
        model="transformers:bert",
        settings=settings,
    )
    made = pin(suite.specs(request, Catalogue()), root)[0]
    assert made.model.weights and made.model.pretrained_on
    result = run_one(made, Context(data_root=root))
    assert result.initial[0] > 0.8 and result.evaluation[0] == result.initial
    assert result.weights not in ("", made.model.weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "small-cnn"}, "first is text, which needs a stream and a model for texts"),
        ({"datasets": "insects"}, r"encoders take texts, got inputs of shape \(3, 32, 32\)"),
        ({"datasets": "first,insects"}, "must be all images or all texts"),
        ({"augment": "crop-flip"}, "stream.pad and stream.augment are for images"),
        ({"tokenizer": "other"}, "stream.tokenizer must be that of the model, bert, got other"),
        ({"max_length": "1"}, "max_length must be from 3 to 131072, got 1"),
    ],
)
def test_what_does_not_fit_texts_is_refused_in_one_line(root, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        run(root, **options)
    assert "\n" not in str(caught.value)


def test_an_encoder_that_changes_during_the_call_is_refused(root, tmp_path):
    made = spec(root)
    stale = dataclasses.replace(made.model, weights="0" * 12)
    with pytest.raises(UserError, match="changed during the call"):
        run_one(dataclasses.replace(made, model=stale), Context(data_root=root))
