"""The claims on finetuning with their sources, and the comparison that decides each."""

from __future__ import annotations

from dataclasses import dataclass

from nanocl.studies.claims import PAPER
from nanocl.studies.finetune.grids import ALONE, FIXED, FREE, TIED
from nanocl.studies.finetune.measures import DRIFT, NEW, OLD, RATE, TUNED, Measure

HEADS = {TIED: (TIED, ALONE), FREE: (FREE, FIXED, ALONE)}  # FIXED: run, and no fair control


@dataclass(frozen=True)
class Role:
    """Arms that may stand on one side of a comparison.

    Attributes:
        learner: See `nanocl.studies.finetune.grids.Grid`.
        head: `tied` or `free`, or empty: either, as in the other arm.
    """

    learner: str
    head: str = ""

    def __str__(self) -> str:
        words = {TIED: " with one rate", FREE: " with a head rate of its own"}
        return self.learner + words.get(self.head, "")

    def fits(self, learner: str, head: str) -> bool:
        """Whether an arm with this learner and this treatment of the head's rate is one of them."""
        return learner == self.learner and head in HEADS.get(self.head, (head,))


@dataclass(frozen=True)
class ClaimRow:
    """A claim before it is judged.

    Attributes:
        claim: One sentence.
        source: Who claims it, with the published numbers.
        measure: The compared quantity.
        first, second: The two arms; the claim is about the first.
        same_head: Whether both must treat the head's rate alike.
    """

    claim: str
    source: str
    measure: Measure
    first: Role
    second: Role
    same_head: bool = True


_FORGETTING = (
    f"{PAPER}, Table 4 (one seed): forgetting of NanoAdam 0.02 against 0.69 (ViT-L), 12.55 against "
    "68.14 (ResNet101), 28.36 against 68.05 points (ResNet18) of AdamW, at one learning rate each"
)
_CURVES = f"{PAPER}, Fig. 4a and 8 (curves, one seed, one learning rate)"
_GRADIENTS = f"{PAPER}, Fig. 4b and 9"
_NO_ARM = "ours: the paper has no such arm"
_NANOADAM = Role("nanoadam")
_RANDOM = Role("random")
_ONE_RATE = Role("nanoadam", TIED), Role("adamw", TIED)
_OWN_RATE = Role("nanoadam"), Role("adamw", FREE)
PLAIN = "NanoAdam forgets less than AdamW at equal new-task accuracy, each with one learning rate"
CONTROLLED = (
    "NanoAdam forgets less than AdamW at equal new-task accuracy, each with a head rate of its own"
)
SMALLNESS = (
    "the smallest weights forget less than the same number of random ones at equal new-task "
    "accuracy"
)


def _less_forgetting(name: str, learner: str, source: str = _NO_ARM) -> ClaimRow:
    """NanoAdam forgets less than another learner."""
    text = f"NanoAdam forgets less than {name} at equal new-task accuracy"
    return ClaimRow(text, source, OLD, _NANOADAM, Role(learner))


def _helps(name: str, learner: str) -> ClaimRow:
    """A rival of sparse optimizers forgets less than AdamW alone."""
    text = (
        f"{name} forgets less than AdamW at equal new-task accuracy, each with a head rate of its "
        "own"
    )
    source = "ours: what sparse optimizers compete with"
    return ClaimRow(text, source, OLD, Role(learner, FREE), Role("adamw", FREE))


ROWS = (
    ClaimRow(
        "updating the smallest weights learns a new task better than random ones",
        _CURVES,
        NEW,
        _NANOADAM,
        _RANDOM,
    ),
    ClaimRow(
        "updating random weights learns a new task better than the largest ones",
        _CURVES,
        NEW,
        _RANDOM,
        Role("large"),
    ),
    ClaimRow(SMALLNESS, f"{PAPER}, sections 1 and 5", OLD, _NANOADAM, _RANDOM),
    ClaimRow(
        "random weights forget less than the largest ones at equal new-task accuracy",
        f"{PAPER}, sections 1 and 5",
        OLD,
        _RANDOM,
        Role("large"),
    ),
    ClaimRow(PLAIN, _FORGETTING, OLD, *_ONE_RATE),
    ClaimRow(
        "NanoAdam forgets less than AdamW, each where it learns the new task best, as the paper "
        "compares",
        _FORGETTING,
        TUNED,
        *_ONE_RATE,
    ),
    ClaimRow(
        CONTROLLED,
        "ours: the paper's AdamW trains its head at a learning rate 7 to 20 times smaller",
        OLD,
        *_OWN_RATE,
    ),
    ClaimRow(
        "NanoAdam learns the new task better than AdamW",
        f"{PAPER}, Table 4: new-task accuracy 98.13 against 92.51 (ViT-L), 81.52 against 52.97 "
        "(ResNet101), 70.67 against 56.58 (ResNet18)",
        NEW,
        *_ONE_RATE,
    ),
    ClaimRow(
        "NanoAdam moves the backbone less than AdamW at equal new-task accuracy",
        f"{PAPER}, Table 5: mean L2 distance per layer 0.68 against 0.83 (ViT-L, one seed)",
        DRIFT,
        *_ONE_RATE,
    ),
    ClaimRow(
        "NanoAdam tolerates larger learning rates than AdamW",
        f"{PAPER}, section 5 (ViT-L on CIFAR-10: NanoAdam is best at 1e-3, AdamW at 1e-4)",
        RATE,
        *_ONE_RATE,
    ),
    ClaimRow(
        "the smallest weights tolerate larger learning rates than those with the largest gradients",
        f"{PAPER}, section 5 (BERT-base on SST-2: 1e-3 against 3e-4)",
        RATE,
        _NANOADAM,
        Role("gradient"),
    ),
    ClaimRow(
        "the smallest weights learn better than those with the largest gradients",
        _GRADIENTS,
        NEW,
        _NANOADAM,
        Role("gradient"),
    ),
    ClaimRow(
        "the smallest weights forget less than those with the largest gradients",
        _GRADIENTS,
        OLD,
        _NANOADAM,
        Role("gradient"),
    ),
    ClaimRow(
        "a selection that is renewed during training learns better than one made once",
        f"{PAPER}, Table 2 (static mask: 83.54 against 85.65 on BERT-base)",
        NEW,
        _NANOADAM,
        Role("static-small"),
    ),
    ClaimRow(
        "the smallest weights do the learning, not the head and norms, which are trained densely",
        "ours: the paper trains head and norms densely at NanoAdam's learning rate and has no arm "
        "without the weights",
        NEW,
        _NANOADAM,
        Role("head+norms"),
    ),
    ClaimRow(
        "the same number of random weights also forgets less than AdamW at equal new-task accuracy",
        "ours: only an advantage over AdamW that random weights lack is due to small weights",
        OLD,
        Role("random", TIED),
        Role("adamw", TIED),
    ),
    ClaimRow(
        "the same number of random weights also tolerates larger learning rates than AdamW",
        "ours: the same for learning rates",
        RATE,
        Role("random", TIED),
        Role("adamw", TIED),
    ),
    _less_forgetting("gradient descent", "sgd"),
    _less_forgetting(
        "MicroAdam",
        "microadam",
        f"{PAPER}, Table 4: 0.02 against 0.76 (ViT-L), 12.55 against 82.98 (ResNet101), 28.36 "
        "against 67.76 (ResNet18)",
    ),
    _less_forgetting(
        "training head and norms alone", "head+norms", "ours: frozen weights keep all"
    ),
    _less_forgetting("EWC on AdamW", "ewc+adamw"),
    _less_forgetting("MoFO", "mofo"),
    _less_forgetting("LIFT", "lift"),
    _less_forgetting("LoRA", "lora"),
    _less_forgetting("an L2 anchor to the start (L2-SP) on AdamW", "l2-sp+adamw"),
    _less_forgetting(
        "AdamW whose weights are averaged with the start afterwards (WiSE-FT)", "wise-ft+adamw"
    ),
    _helps("EWC on AdamW", "ewc+adamw"),
    _helps("LoRA", "lora"),
    _helps("AdamW with an L2 anchor to the start (L2-SP)", "l2-sp+adamw"),
    _helps("AdamW whose weights are averaged with the start afterwards (WiSE-FT)", "wise-ft+adamw"),
    ClaimRow(
        "weights chosen by gradient over magnitude (GaLLoP) forget less than the smallest ones",
        "Choudhary et al., 2025, arXiv:2510.19778: less forgetting than LoRA, without this arm",
        OLD,
        Role("gallop"),
        _NANOADAM,
    ),
    ClaimRow(
        "the largest weights, selected once, forget less than the smallest, selected once",
        "Super-Tuning, arXiv:2607.09287, has both, on query and value projections alone; here on "
        "the whole backbone",
        OLD,
        Role("static-large"),
        Role("static-small"),
    ),
    ClaimRow(
        "EWC on NanoAdam forgets less than EWC on AdamW at equal new-task accuracy",
        "ours",
        OLD,
        Role("ewc+nanoadam"),
        Role("ewc+adamw"),
    ),
)
SWITCHED = (  # judged once more for each switch of the stream
    ClaimRow(
        PLAIN, "ours: the paper does not say how running statistics were handled", OLD, *_ONE_RATE
    ),
    ClaimRow(CONTROLLED, "ours", OLD, *_OWN_RATE),
)
