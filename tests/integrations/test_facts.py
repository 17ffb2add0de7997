"""What a record says of model and optimizer."""

import numpy
import pytest
import torch
from training_cases import classified, plain_network, tiny_bert, tiny_llama, written

from nanocl.integrations import facts


def test_a_learning_rate_on_a_schedule_is_recorded_at_its_base():
    optimizer = torch.optim.AdamW(plain_network().parameters(), lr=torch.tensor(0.5))
    torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1)
    (group,) = facts.described(optimizer)["groups"]
    assert group["lr"] == 0.5 and group["betas"] == [0.9, 0.999] and group["entries"] == 58


def test_models_of_other_shapes_have_other_hashes():
    one, other = plain_network(), torch.nn.Linear(2, 2)
    assert facts.config_hash(one) == facts.config_hash(plain_network())
    assert facts.config_hash(one) != facts.config_hash(other)
    assert facts.model_name(other) == "Linear"


def digest(*samples):
    made = facts.Digest()
    made.add(list(samples))
    return str(made)


def test_the_fingerprint_of_samples_changes_with_any_value_and_with_their_order():
    one = {"ids": torch.arange(4), "label": 1}
    changed = [
        {"ids": torch.arange(4), "label": 2},
        {"ids": torch.arange(4).flip(0), "label": 1},
        {"ids": torch.arange(4).int(), "label": 1},
        {"ids": torch.arange(4).reshape(2, 2), "label": 1},
        {"idx": torch.arange(4), "label": 1},
        {"ids": torch.arange(4), "label": "1"},
        {"ids": torch.arange(4), "label": torch.tensor(1)},
        {"ids": torch.arange(4), "label": numpy.int64(2)},
    ]
    found = [digest(one), *map(digest, changed), digest(one, one), digest([one], one)]
    assert len({*found}) == len(found) and all(len(text) == 16 for text in found)
    again = {"label": 1, "ids": numpy.arange(4)}
    assert digest(one) == digest(again)
    assert digest(one, changed[0]) != digest(changed[0], one)


def test_the_borders_of_samples_count():
    assert digest({"ids": 1}, {"label": 1}) != digest({"ids": 1, "label": 1})


def test_arrays_and_numbers_of_numpy_are_known_by_their_values():
    flipped = numpy.arange(4)[::-1]  # torch takes no array with negative strides
    assert digest(flipped) == digest(flipped.copy()) == digest(torch.arange(4).flip(0)) != ""
    assert digest(numpy.arange(4, dtype=">i4")) == digest(numpy.arange(4, dtype="int32")) != ""
    assert digest(numpy.str_("text")) == digest("text")
    assert digest(numpy.float64(0.5)) == digest(torch.tensor(0.5, dtype=torch.float64)) != ""


@pytest.mark.parametrize(
    "image",
    [object(), numpy.array(["text"]), torch.eye(2).to_sparse()],
)
def test_samples_of_an_unknown_kind_and_none_have_no_fingerprint(image):
    assert digest({"image": image}) == "" == str(facts.Digest())


@pytest.mark.parametrize("tiny", [tiny_bert, tiny_llama])
def test_a_training_leaves_the_hash_of_the_config_as_it_was(tmp_path, tiny):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    model, data = tiny(transformers), classified() if tiny is tiny_bert else written()
    before, config = facts.config_hash(model), model.config.to_dict()
    arguments = transformers.TrainingArguments(
        str(tmp_path), max_steps=1, report_to="none", use_cpu=True, disable_tqdm=True
    )
    transformers.Trainer(model=model, args=arguments, train_dataset=data).train()
    model.config.pad_token_id = 3  # as the Trainer does with a tokenizer
    assert model.config.to_dict() != config and facts.config_hash(model) == before
    model.config.num_hidden_layers = 9
    assert facts.config_hash(model) != before
