"""The claims on finetuning with their sources, and the comparisons that decide them."""

from __future__ import annotations

from dataclasses import dataclass

from nanocl.studies.claims import PAPER
from nanocl.studies.finetune.measures import DRIFT, NEW, OLD, RATE, TUNED, Measure


@dataclass(frozen=True)
class Wanted:
    """A comparison that a claim needs.

    Attributes:
        measure: The compared quantity.
        first, second: The two arms.
        direction: `lower`, `not higher`, `higher` or `not lower`, see `nanocl.studies.rules`.
    """

    measure: Measure
    first: str
    second: str
    direction: str = "higher"

    def __str__(self) -> str:
        return f"{self.words} {self.direction}"

    @property
    def words(self) -> str:
        """The comparison with the names of its arms."""
        return self.measure.words.format(self.first, self.second)


@dataclass(frozen=True)
class ClaimRow:
    """A claim before it is judged.

    Attributes:
        claim: One sentence.
        source: Who claims it, with the published numbers.
        wanted: The comparisons that it needs.
    """

    claim: str
    source: str
    wanted: tuple[Wanted, ...]


_FORGETTING = (
    f"{PAPER}, Table 4 (one seed): forgetting of NanoAdam 0.02 against 0.69 (ViT-L), 12.55 against "
    "68.14 (ResNet101), 28.36 against 68.05 points (ResNet18) of AdamW, at one learning rate each"
)
_NO_ARM = "ours: the paper has no such arm"
NANO_ADAMW = Wanted(OLD, "nanoadam", "adamw")
NANO_DENSE = Wanted(OLD, "nanoadam", "adamw-dense")

ROWS = (
    ClaimRow(
        "small beats random beats large: updating the smallest weights learns a new task best, "
        "the largest worst",
        f"{PAPER}, Fig. 4a and 8 (curves, one seed, one learning rate)",
        (Wanted(NEW, "nanoadam", "random"), Wanted(NEW, "random", "large")),
    ),
    ClaimRow(
        "small beats random beats large in retention: at equal new-task accuracy the smallest "
        "weights forget least",
        f"{PAPER}, sections 1 and 5",
        (Wanted(OLD, "nanoadam", "random"), Wanted(OLD, "random", "large")),
    ),
    ClaimRow(
        "NanoAdam forgets less than AdamW at equal new-task accuracy",
        _FORGETTING,
        (NANO_ADAMW,),
    ),
    ClaimRow(
        "NanoAdam forgets less than AdamW, each where it learns the new task best, as the paper "
        "compares",
        _FORGETTING,
        (Wanted(TUNED, "nanoadam", "adamw"),),
    ),
    ClaimRow(
        "NanoAdam learns the new task at least as well as AdamW",
        f"{PAPER}, Table 4: new-task accuracy 98.13 against 92.51 (ViT-L), 81.52 against 52.97 "
        "(ResNet101), 70.67 against 56.58 (ResNet18)",
        (Wanted(NEW, "nanoadam", "adamw", "not lower"),),
    ),
    ClaimRow(
        "NanoAdam moves the backbone less than AdamW",
        f"{PAPER}, Table 5: mean L2 distance per layer 0.68 against 0.83 (ViT-L, one seed)",
        (Wanted(DRIFT, "nanoadam", "adamw", "lower"),),
    ),
    ClaimRow(
        "NanoAdam tolerates larger learning rates than AdamW",
        f"{PAPER}, section 5 (ViT-L on CIFAR-10: NanoAdam is best at 1e-3, AdamW at 1e-4)",
        (Wanted(RATE, "nanoadam", "adamw"),),
    ),
    ClaimRow(
        "the smallest weights tolerate larger learning rates than those with the largest gradients",
        f"{PAPER}, section 5 (BERT-base on SST-2: 1e-3 against 3e-4)",
        (Wanted(RATE, "nanoadam", "gradient"),),
    ),
    ClaimRow(
        "the smallest weights generalise better than those with the largest gradients, and forget "
        "less",
        f"{PAPER}, Fig. 4b and 9",
        (Wanted(NEW, "nanoadam", "gradient"), Wanted(OLD, "nanoadam", "gradient")),
    ),
    ClaimRow(
        "a selection that is renewed during training learns better than one made once",
        f"{PAPER}, Table 2 (static mask: 83.54 against 85.65 on BERT-base)",
        (Wanted(NEW, "nanoadam", "static-small"),),
    ),
    ClaimRow(
        "the smallest weights do the learning, not the head and norms, which are trained densely",
        "ours: the paper trains head and norms densely at NanoAdam's learning rate and has no arm "
        "without the weights",
        (Wanted(NEW, "nanoadam", "head+norms"),),
    ),
    ClaimRow(
        "NanoAdam still forgets less than AdamW whose head and norms have a large learning rate "
        "too",
        "ours: the paper's AdamW trains its head at a learning rate 7 to 20 times smaller",
        (NANO_DENSE,),
    ),
    ClaimRow(
        "the same number of random weights also forgets less than AdamW at equal new-task accuracy",
        "ours: only an advantage over AdamW that random weights lack is due to small weights",
        (Wanted(OLD, "random", "adamw"),),
    ),
    ClaimRow(
        "the same number of random weights also tolerates larger learning rates than AdamW",
        "ours: the same for learning rates",
        (Wanted(RATE, "random", "adamw"),),
    ),
    ClaimRow(
        "NanoAdam forgets less than gradient descent at equal new-task accuracy",
        _NO_ARM,
        (Wanted(OLD, "nanoadam", "sgd"),),
    ),
    ClaimRow(
        "NanoAdam forgets less than MicroAdam at equal new-task accuracy",
        f"{PAPER}, Table 4: 0.02 against 0.76 (ViT-L), 12.55 against 82.98 (ResNet101), 28.36 "
        "against 67.76 (ResNet18)",
        (Wanted(OLD, "nanoadam", "microadam"),),
    ),
    ClaimRow(
        "NanoAdam forgets less than training head and norms alone, at equal new-task accuracy",
        "ours: frozen weights cannot forget",
        (Wanted(OLD, "nanoadam", "head+norms"),),
    ),
    ClaimRow(
        "NanoAdam forgets less than EWC on AdamW at equal new-task accuracy",
        _NO_ARM,
        (Wanted(OLD, "nanoadam", "ewc+adamw"),),
    ),
    ClaimRow(
        "NanoAdam forgets less than MoFO at equal new-task accuracy",
        _NO_ARM,
        (Wanted(OLD, "nanoadam", "mofo"),),
    ),
    ClaimRow(
        "NanoAdam forgets less than LIFT at equal new-task accuracy",
        _NO_ARM,
        (Wanted(OLD, "nanoadam", "lift"),),
    ),
    ClaimRow(
        "NanoAdam forgets less than LoRA at equal new-task accuracy",
        _NO_ARM,
        (Wanted(OLD, "nanoadam", "lora"),),
    ),
    ClaimRow(
        "EWC on NanoAdam forgets less than EWC on AdamW at equal new-task accuracy",
        "ours",
        (Wanted(OLD, "ewc+nanoadam", "ewc+adamw"),),
    ),
)
SWITCHED = (  # judged once more for each switch of the stream
    ClaimRow(
        "NanoAdam forgets less than AdamW at equal new-task accuracy",
        "ours: the paper does not say how running statistics were handled",
        (NANO_ADAMW,),
    ),
    ClaimRow(
        "NanoAdam still forgets less than AdamW whose head and norms have a large learning rate "
        "too",
        "ours",
        (NANO_DENSE,),
    ),
)
