"""A learner's mini-batches: on its device, in its order."""

import torch

from nanocl.data.resident import Resident
from nanocl.strategies import Strategy
from nanocl.strategies.er import ER
from nanocl.testing import run, small_learner, small_stream


class Look(Strategy):
    """Notes where the mini-batches are."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def before_training_iteration(self, strategy, **kwargs):
        values = (strategy.mb_x, strategy.mb_y, strategy.mb_task_id, strategy.host_labels)
        self.seen.add(tuple(value.device.type for value in values))
        assert strategy.host_labels.tolist() == [strategy.experience.task_label] * len(values[0])


class Replace(Strategy):
    """Replaces the task labels of each mini-batch, as some plugins do."""

    def before_training_iteration(self, strategy, **kwargs):
        strategy.mbatch[-1] = torch.zeros_like(strategy.mb_task_id)
        assert strategy.host_labels is strategy.mb_task_id


def test_a_mini_batch_is_on_the_cpu_for_a_cpu():
    look, stream = Look(), small_stream("task", experiences=2)
    run(small_learner(stream, [look]), stream)
    assert look.seen == {("cpu",) * 4}


def test_task_labels_that_a_plugin_replaces_are_those_of_the_plugin():
    stream = small_stream("task", experiences=2)
    learner = small_learner(stream, [Replace()])
    run(learner, stream)
    before = small_learner(stream).model.head
    # all samples count as those of the first task: the head of the second does not move
    assert torch.equal(learner.model.head[1].weight, before[1].weight)
    assert not torch.equal(learner.model.head[0].weight, before[0].weight)


def test_training_on_copies_of_the_data_gives_the_same_weights():
    stream = small_stream()
    learners = [small_learner(stream, [ER(memory_size=9)]) for _ in range(2)]
    learners[1].resident = Resident("cpu", copies=True)
    outcomes = [run(learner, stream) for learner in learners]
    assert outcomes[0] == outcomes[1]


def test_a_mini_batch_keeps_its_task_labels_on_the_host_while_another_is_read():
    learner = small_learner(small_stream(), device="meta")
    learner.mbatch = [torch.zeros(2, 3), torch.zeros(2), torch.tensor([1, 2])]
    learner._unpack_minibatch()
    kept = learner.mbatch
    learner.mbatch = [torch.zeros(2, 3), torch.zeros(2), torch.tensor([5, 5])]
    learner._unpack_minibatch()
    learner.mbatch = kept  # as after a test within an experience
    assert learner.mb_task_id.is_meta and learner.host_labels.tolist() == [1, 2]
