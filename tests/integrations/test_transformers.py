"""The callback in Hugging Face's Trainer, with a tiny BERT and a tiny Llama."""

import copy

import pytest
import torch
from training_cases import classified, copied, plain_kl, plain_l2, tiny_bert, tiny_llama, written

from nanocl.optim import NanoAdam, dense_groups
from nanocl.records import trainings

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from nanocl.integrations.transformers import STATE, ForgettingCallback  # noqa: E402

OLD, NEW = classified(seed=1), classified(seed=2)


def trainer_of(model, folder, callback, data=NEW, **options):
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        **{
            "per_device_train_batch_size": 4,
            "max_steps": 4,
            "learning_rate": 0.01,
            "report_to": "none",
            "save_strategy": "no",
            "use_cpu": True,
            "disable_tqdm": True,
            "logging_strategy": "no",
            "dataloader_pin_memory": False,
            "seed": 3,
            **options,
        },
    )
    return transformers.Trainer(
        model=model, args=arguments, train_dataset=data, eval_dataset=data, callbacks=[callback]
    )


def logits(model, data):
    model.eval()
    with torch.no_grad():
        return torch.cat(
            [
                model(
                    input_ids=x["input_ids"][None], attention_mask=x["attention_mask"][None]
                ).logits
                for x in data
            ]
        )


def measured(folder, model, data=NEW, keep=None, **options):
    """The record of one training of a model."""
    keep = {"old": OLD} if keep is None else keep
    callback = ForgettingCallback(keep, new=data, every=2, results=folder / "results")
    trainer_of(model, folder, callback, data, **options).train()
    return trainings.load(callback.path)


def numbers(record):
    """What two records of equal trainings have in common."""
    (training,) = record["trainings"]
    return [point["keep"] for point in training["points"]], training["drift"]


def assert_close(left, right):
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        left, right = [*left.values()], [*right.values()]
    if isinstance(left, list | tuple):
        for one, other in zip(left, right, strict=True):
            assert_close(one, other)
    elif left is None or right is None:
        assert left is right
    else:
        assert left == pytest.approx(right, rel=2e-3, abs=1e-6)


def test_bert_is_measured_before_during_and_after_as_plain_formulas_do(tmp_path):
    model = tiny_bert(transformers)
    start, first = copied(model), logits(model, NEW)
    record = measured(tmp_path, model)
    (training,) = record["trainings"]
    assert [point["step"] for point in training["points"]] == [0, 2, 4]
    last, answers = training["points"][-1], logits(model, OLD)
    labels = torch.tensor([row["labels"] for row in OLD])
    loss = torch.nn.functional.cross_entropy(answers, labels).item()
    assert last["keep"]["old"]["loss"] == pytest.approx(loss, rel=1e-5)
    assert last["keep"]["old"]["accuracy"] == (answers.argmax(1) == labels).float().mean().item()
    assert last["kl"] == pytest.approx(plain_kl(first, logits(model, NEW)), rel=1e-4)
    moved = training["drift"]["start"]["all"]["l2"]
    assert moved == pytest.approx(plain_l2(start, copied(model)), rel=1e-4)
    assert record["spec"]["optimizer"]["groups"][0]["lr"] == 0.01 and record["spec"]["seed"] == 3
    assert training["cost"]["steps"] == 4 and training["status"] == "ok"


def test_llama_is_measured_over_the_tokens_that_have_labels(tmp_path):
    data, model = written(), tiny_llama(transformers)
    before = [logits(model, [row])[0] for row in data]
    record = measured(tmp_path, model, data, {"text": data})
    rows, losses = [], []
    for row, old in zip(data, before, strict=True):
        now = logits(model, [row])[0]
        for place, label in enumerate(row["labels"][1:].tolist()):
            if label != -100:
                rows.append((old[place], now[place]))
                losses.append(-now[place].log_softmax(0)[label].item())
    last = record["trainings"][0]["points"][-1]
    kl = plain_kl(*map(torch.stack, zip(*rows, strict=True)))
    assert last["kl"] == pytest.approx(kl, rel=1e-4)
    assert last["keep"]["text"]["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)


@pytest.mark.slow
def test_accumulated_gradients_give_the_record_of_whole_batches(tmp_path):
    records = []
    for size, accumulated in ((4, 1), (2, 2)):
        model, data = tiny_llama(transformers), written()
        options = {
            "per_device_train_batch_size": size,
            "gradient_accumulation_steps": accumulated,
        }
        folder = tmp_path / str(size)
        records.append(measured(folder, model, data, {"text": data}, optim="sgd", **options))
    assert_close(numbers(records[0]), numbers(records[1]))
    assert records[0]["trainings"][0]["points"][-1]["step"] == 4


def resumed(folder, model, spoil):
    callback = ForgettingCallback({"old": OLD}, new=NEW, every=2, results=folder / "results")
    trainer_of(model, folder, callback, save_strategy="steps", save_steps=2).train()
    whole = trainings.load(callback.path)
    spoil(folder / "checkpoint-2" / STATE)
    callback = ForgettingCallback({"old": OLD}, new=NEW, every=2, results=folder / "again")
    again = trainer_of(tiny_bert(transformers), folder, callback)
    again.train(resume_from_checkpoint=str(folder / "checkpoint-2"))
    return whole, trainings.load(callback.path)


@pytest.mark.slow
def test_a_resumed_training_has_the_record_of_a_whole_one(tmp_path):
    whole, record = resumed(tmp_path, tiny_bert(transformers), lambda path: None)
    assert record["trainings"][0]["resumed_at"] == [2] and record["start"] == "known"
    assert_close(numbers(whole), numbers(record))
    assert whole["trainings"][0]["points"][1] == record["trainings"][0]["points"][1]


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), damage], ids=["gone", "damaged"])
def test_without_its_state_a_resumed_training_says_that_its_start_is_unknown(
    tmp_path, capsys, spoil
):
    _, record = resumed(tmp_path, tiny_bert(transformers), spoil)
    assert record["start"] == "unknown"
    assert [point["step"] for point in record["trainings"][0]["points"]] == [2, 4]
    assert "the start of this training is unknown" in capsys.readouterr().err


@pytest.mark.slow
def test_the_best_model_is_measured_at_the_end_and_an_error_leaves_an_interrupted_record(tmp_path):
    model = tiny_bert(transformers)
    options = {"save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2}
    record = measured(tmp_path, model, load_best_model_at_end=True, learning_rate=3.0, **options)
    (training,) = record["trainings"]
    if training["weights_of_step"] is not None:
        assert training["points"][-1]["keep"] == training["points"][1]["keep"]
    assert training["weights_of_step"] == 2  # at this learning rate the loss rises

    class Broken(list):
        def __getitem__(self, number):
            raise OSError("disk")

    callback = ForgettingCallback({"old": OLD}, results=tmp_path / "broken")
    with pytest.raises(OSError, match="disk"):
        trainer_of(tiny_bert(transformers), tmp_path, callback, Broken(NEW)).train()
    assert trainings.load(callback.path)["status"] == "interrupted"


@pytest.mark.slow
def test_bf16_is_measured_in_the_precision_of_training(tmp_path):
    record = measured(tmp_path, tiny_bert(transformers), bf16=True)
    assert record["spec"]["precision"] == "bf16"
    (training,) = record["trainings"]
    assert training["drift"]["start"]["all"]["l2"] > 0 and training["points"][-1]["kl"] > 0


@pytest.mark.slow
def test_a_sequence_has_one_record_with_the_state_of_nanoadam(tmp_path):
    keep = {"a": OLD, "b": NEW}
    callback = ForgettingCallback(keep, tasks=["a", "b"], results=tmp_path, name="sequence")
    model = tiny_bert(transformers)
    for data in keep.values():
        optimizer = NanoAdam(dense_groups(model, quiet=True), lr=0.01, density=0.1)
        trainer = trainer_of(model, tmp_path, callback, data)
        trainer.optimizer = optimizer
        trainer.train()
    record = trainings.load(callback.path)
    assert [one["task"] for one in record["trainings"]] == ["a", "b"]
    held = sum(
        tensor.numel() * tensor.element_size()
        for state in optimizer.state.values()
        for tensor in state.values()
        if isinstance(tensor, torch.Tensor)
    )
    assert record["trainings"][1]["cost"]["optimizer_state_bytes"] == held > 0
    assert record["trainings"][1]["optimizer"]["name"] == "NanoAdam"


def test_lora_drifts_by_its_merged_weights_and_starts_without_adapters(tmp_path):
    peft = pytest.importorskip("peft")
    plain = tiny_bert(transformers)
    start, first = copied(plain), logits(plain, NEW)
    config = peft.LoraConfig(
        r=2, target_modules=["query", "value"], task_type="SEQ_CLS", lora_dropout=0.0
    )
    model = peft.get_peft_model(copy.deepcopy(plain), config)
    record = measured(tmp_path, model, learning_rate=0.3)
    after_answers = logits(model, NEW)
    merged = model.merge_and_unload()
    after = copied(merged)
    (training,) = record["trainings"]
    changed = {name for name in after if not torch.equal(after[name], start[name])}
    assert {name for name in changed if "classifier" not in name} == {
        f"bert.encoder.layer.0.attention.self.{name}.weight" for name in ("query", "value")
    }
    assert set(training["drift"]["layers"]) == changed and training["adapters"]
    moved = plain_l2({name: start[name] for name in changed}, after)
    assert training["drift"]["start"]["all"]["l2"] == pytest.approx(moved, rel=1e-4)
    assert set(training["drift"]["start"]) == {"backbone", "head", "all"}
    assert training["points"][-1]["kl"] == pytest.approx(plain_kl(first, after_answers), rel=1e-3)
    assert record["spec"]["model"] == "BertForSequenceClassification"
