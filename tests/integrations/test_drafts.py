"""A record before its first measurement has what the schema asks for, and says what is known."""

from training_cases import plain_network

from nanocl.integrations import drafts

SPEC = {"name": "mine", "loop": "loop", "keep": ["a"], "tasks": [], "every": 0, "samples": 64}


def test_a_record_begins_interrupted_with_its_model_and_without_trainings():
    record = drafts.sequence(plain_network(), {**SPEC, "seed": 1, "precision": "float32"})
    assert (record["status"], record["start"], record["trainings"]) == ("interrupted", "known", [])
    assert record["spec"]["model"] == "Sequential" and record["spec"]["name"] == "mine"
    assert record["environment"]["device"] == "cpu"


def test_a_training_that_resumes_says_at_which_step():
    for step, resumed in ((0, []), (5, [5])):
        draft = drafts.training(plain_network(), "a", step=step, kl_samples=2)
        assert draft["resumed_at"] == resumed and draft["status"] == "interrupted"
        assert not draft["adapters"] and draft["kl_samples"] == 2
