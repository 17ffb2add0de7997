"""Two arms are compared only if what suits one was sought for the other."""

import pytest
from made_sweeps import MASK, RATES, a_grid

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import suite
from nanocl.protocols.request import Request
from nanocl.records import Part
from nanocl.studies.finetune.grids import ALONE, FIXED, FREE, TIED, grid, unlike

NANO = a_grid("nanoadam", **MASK)
FREE_NANO = a_grid("nanoadam", **{**MASK, "dense_lr": (1e-3, 1e-2)})
ADAMW = a_grid("adamw", lr=RATES)
TIED_HEAD = {"lr": RATES, "dense_lr": (None,)}


def arm(name, protocol="finetune-halves"):
    """The grid of an arm in a protocol of ours."""
    specs = suite.specs(Request(stream=protocol, strategies=(name,)), Catalogue())
    return grid([spec.strategy for spec in specs])


def test_an_arm_is_its_learner_and_how_the_rate_of_its_head_is_chosen():
    assert (arm("adamw").learner, arm("adamw").head) == ("adamw", TIED)
    assert (arm("nanoadam-random").learner, arm("nanoadam-random").head) == ("random", TIED)
    assert arm("nanoadam-dense-only").head == ALONE
    largest = ("nanoadam-large-free", "nanoadam-static-large-free")
    assert [arm(name).learner for name in largest] == ["large", "static-large"]
    text = arm("adamw-dense", "finetune-text")
    assert (text.learner, text.head) == ("adamw", FREE) and len(text.values("lr")) > 2
    assert arm("ewc+adamw-dense", "finetune-text").learner == "ewc+adamw"


@pytest.mark.parametrize(
    ("control", "reason"),
    [
        (a_grid("adamw", lr=RATES, dense_lr=(1e-2,)), "the control's rate of the dense parameters"),
        (a_grid("ewc+adamw", lr=RATES, strength=(1e3,)), "strength of the penalty was not swept"),
        (a_grid("lora", **TIED_HEAD, rank=(8,), alpha=(16.0,)), "tied to that of its adapters"),
        (a_grid("peft", **TIED_HEAD, r=(8,), lora_alpha=(16.0,)), "tied to that of its adapters"),
        (a_grid("microadam", lr=RATES, density=(0.01,)), "trains 10 % of the entries, microadam 1"),
        (a_grid("microadam", lr=RATES, density=(0.1,)), "none in microadam"),
        (a_grid("adamw", lr=RATES, dense_lr=(1e-3, 1e-2)), "swept in adamw and tied to lr in nano"),
    ],
)
def test_a_control_that_was_not_tuned_is_no_control(control, reason):
    assert reason in unlike(NANO, control)
    assert unlike(control, NANO)


def test_alike_arms_are_compared():
    assert a_grid("adamw-dense", lr=RATES, dense_lr=(1e-2,)).head == FIXED
    for first, second in (
        (NANO, ADAMW),
        (NANO, a_grid("microadam", **MASK)),
        (NANO, a_grid("lift", **MASK, rank=(0.03,))),  # the rank of an approximation, no adapters
        (NANO, a_grid("ewc+adamw", lr=RATES, strength=(1.0, 10.0))),
        (NANO, a_grid("head+norms", **{**MASK, "density": (0.0,)})),
        (FREE_NANO, a_grid("adamw-dense", lr=RATES, dense_lr=(1e-3, 1e-2))),
        (FREE_NANO, a_grid("lora", lr=RATES, dense_lr=(1e-3, 1e-2), rank=(8,), alpha=(16.0,))),
    ):
        assert unlike(first, second) == unlike(second, first) == ""


def test_where_the_heads_rate_is_what_is_compared_it_may_differ():
    free = a_grid("adamw", lr=RATES, dense_lr=(1e-3, 1e-2))
    assert unlike(free, ADAMW) and not unlike(free, ADAMW, same_head=False)
    fixed = a_grid("adamw", lr=RATES, dense_lr=(1e-2,))
    assert "was not swept" in unlike(fixed, ADAMW, same_head=False)


def test_options_that_vary_in_any_part_are_in_the_grid():
    runs = [
        [Part("ewc", {"strength": s}), Part("adamw", {"lr": lr})] for s in (1, 2) for lr in RATES
    ]
    made = grid(runs)
    assert made.learner == "ewc+adamw" and made.options == {
        (0, "strength"): (1, 2),
        (1, "lr"): RATES,
    }
