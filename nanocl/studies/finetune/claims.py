"""What finetuning says about the claims: rows computed from the points of every protocol, without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nanocl.studies.claims import MARGIN, MARGIN_RATIO, Claim, across, joined
from nanocl.studies.finetune import matched
from nanocl.studies.finetune.points import SWITCHES, Comparison

PAPER = "Zhou et al., 2025, arXiv:2506.21374"
RULE = "{}, by the rule of the sweeps"
SWEEPS = (
    """\
**The rule of the sweeps.** Within a seed each arm gives one number from its whole sweep, so that learning rates are
never counted as repetitions. A protocol meets a claim if, for each comparison, one exact sign-flip test over the seeds
of all protocols has p < 0.05 (multiplied by 2^(protocols - 1) for the directions that it could have shown; 5 seeds of
one protocol alone cannot reach 0.05), and the protocol's own 95 % t interval lies on the claimed side. `not lower` and
`not higher` fail where the test speaks against them, are met where the interval stays within MARGIN points (a ratio:
within RATIO %) of no difference on the wrong side, and are open else. *At equal new-task accuracy* means: the mean over
LEVELS of the new-task accuracy that both arms reach in that seed, each arm read at the place of its sweep, lines
between neighbouring learning rates included, that keeps most of the old task there. The learning rate is chosen by the
test data, in every arm alike.

**What these verdicts do not cover.** The seeds draw test images, order of data and new heads; all start from the same
pretrained weights, so that an interval says nothing of other networks. Rows are not corrected for how many there are.
Rates lie a factor of about 3 apart: tolerance is known no better than that, even where all seeds agree. `undecided` is
no proof of equality: the interval says what is left open.
""".replace("LEVELS", ", ".join(f"{100 * level:g} %" for level in matched.LEVELS))
    .replace("MARGIN", f"{MARGIN:g}")
    .replace("RATIO", f"{100 * (MARGIN_RATIO - 1):.0f}")
)
# what is measured: (differences of a pair of arms, words, direction, whether a ratio, unit)
Measure = tuple[Callable[[matched.Seeds, matched.Seeds], tuple[float, ...]], str, bool, str]
OLD: Measure = (
    matched.old_difference,
    "old-task accuracy at equal new-task accuracy, {} - {}",
    False,
    "points",
)
TUNED: Measure = (
    matched.tuned_difference,
    "old-task accuracy where each learns the new task best, {} - {}",
    False,
    "points",
)
NEW: Measure = (matched.new_difference, "best new-task accuracy, {} - {}", False, "points")
DRIFT: Measure = (matched.drift_ratio, "L2 drift at equal new-task accuracy, {} / {}", True, "")
RATE: Measure = (
    matched.rate_ratio,
    f"largest learning rate, of those that both ran, within "
    f"{100 * matched.TOLERANCE:g} points of the arm's best, {{}} / {{}}",
    True,
    "",
)
Wanted = tuple[Measure, str, str, str]


def claims(comparisons: Sequence[Comparison]) -> list[Claim]:
    """A row for each claim on finetuning; `not measured` where no protocol has its arms."""
    plain = [found for found in comparisons if not found.switch]
    rows = [_claim(plain, *row) for row in ROWS]
    for switch, words in SWITCHES.items():
        switched = [found for found in comparisons if found.switch == switch]
        rows += [_claim(switched, f"{text}: {words}", *wanted) for text, *wanted in SWITCHED]
    return rows


def _claim(comparisons: Sequence[Comparison], text: str, source: str, *wanted: Wanted) -> Claim:
    arms = {arm for _, first, second, _ in wanted for arm in (first, second)}
    fitting = [found for found in comparisons if arms <= found.arms.keys()]
    columns = []
    for (measure, words, ratio, unit), first, second, direction in wanted:
        rows = {found.name: measure(found.arms[first], found.arms[second]) for found in fitting}
        columns.append(
            across(words.format(first, second), rows, direction, ratio=ratio, unit=unit)
            if rows
            else {}
        )
    named = "; ".join(
        f"{words.format(first, second)} {direction}"
        for (_, words, _, _), first, second, direction in wanted
    )
    return Claim(text, source, _ran(fitting, arms), RULE.format(named), joined(*columns))


def _ran(comparisons: Sequence[Comparison], arms: set[str]) -> str:
    points = [
        p for found in comparisons for arm in arms for row in found.arms[arm].values() for p in row
    ]
    if not points:
        return "nothing yet"
    names = ", ".join(
        f"{found.name} (seeds: {min(len(found.arms[arm]) for arm in arms)})"
        for found in comparisons
    )
    rates = [point.lr for point in points]
    return f"{names}; learning rates {min(rates):g} to {max(rates):g}, {len(points)} runs of {', '.join(sorted(arms))}"


_FINETUNE = (
    f"{PAPER}, Table 4 (one seed): forgetting of NanoAdam 0.02 against 0.69 (ViT-L), 12.55 against 68.14 "
    "(ResNet101), 28.36 against 68.05 points (ResNet18) of AdamW, at one learning rate each"
)
ROWS: tuple[tuple[str, str, str, *tuple[Wanted, ...]], ...] = (
    (
        "small beats random beats large: updating the smallest weights learns a new task best, the largest worst",
        f"{PAPER}, Fig. 4a and 8 (curves, one seed, one learning rate)",
        (NEW, "nanoadam", "random", "higher"),
        (NEW, "random", "large", "higher"),
    ),
    (
        "small beats random beats large in what is kept: at equal new-task accuracy the smallest weights forget least",
        f"{PAPER}, sections 1 and 5",
        (OLD, "nanoadam", "random", "higher"),
        (OLD, "random", "large", "higher"),
    ),
    (
        "NanoAdam forgets less than AdamW at equal new-task accuracy",
        _FINETUNE,
        (OLD, "nanoadam", "adamw", "higher"),
    ),
    (
        "NanoAdam forgets less than AdamW, each where it learns the new task best, as the paper compares",
        _FINETUNE,
        (TUNED, "nanoadam", "adamw", "higher"),
    ),
    (
        "NanoAdam learns the new task at least as well as AdamW",
        f"{PAPER}, Table 4: new-task accuracy 98.13 against 92.51 (ViT-L), 81.52 against 52.97 (ResNet101), 70.67 against "
        "56.58 (ResNet18)",
        (NEW, "nanoadam", "adamw", "not lower"),
    ),
    (
        "NanoAdam moves the backbone less than AdamW",
        f"{PAPER}, Table 5: mean L2 distance per layer 0.68 against 0.83 (ViT-L, one seed)",
        (DRIFT, "nanoadam", "adamw", "lower"),
    ),
    (
        "NanoAdam tolerates larger learning rates than AdamW",
        f"{PAPER}, section 5 (ViT-L on CIFAR-10: NanoAdam is best at 1e-3, AdamW at 1e-4)",
        (RATE, "nanoadam", "adamw", "higher"),
    ),
    (
        "the smallest weights tolerate larger learning rates than those with the largest gradients",
        f"{PAPER}, section 5 (BERT-base on SST-2: 1e-3 against 3e-4)",
        (RATE, "nanoadam", "gradient", "higher"),
    ),
    (
        "the smallest weights generalise better than those with the largest gradients, and forget less",
        f"{PAPER}, Fig. 4b and 9",
        (NEW, "nanoadam", "gradient", "higher"),
        (OLD, "nanoadam", "gradient", "higher"),
    ),
    (
        "a selection made anew now and then learns better than one made once",
        f"{PAPER}, Table 2 (static mask: 83.54 against 85.65 on BERT-base)",
        (NEW, "nanoadam", "static-small", "higher"),
    ),
    (
        "the smallest weights, and not the dense head and norms beside them, do the learning",
        "ours: the paper trains head and norms densely at NanoAdam's learning rate and has no arm without the weights",
        (NEW, "nanoadam", "head+norms", "higher"),
    ),
    (
        "NanoAdam still forgets less than AdamW whose head and norms have a large learning rate too",
        "ours: the paper's AdamW trains its head at a learning rate 7 to 20 times smaller",
        (OLD, "nanoadam", "adamw-dense", "higher"),
    ),
    (
        "as many random weights forget less than AdamW too, at equal new-task accuracy",
        "ours: what NanoAdam has over AdamW is due to small weights only as far as random ones do not have it",
        (OLD, "random", "adamw", "higher"),
    ),
    (
        "as many random weights tolerate larger learning rates than AdamW too",
        "ours: the same for learning rates",
        (RATE, "random", "adamw", "higher"),
    ),
    (
        "NanoAdam forgets less than gradient descent at equal new-task accuracy",
        "ours: the paper has no such arm",
        (OLD, "nanoadam", "sgd", "higher"),
    ),
    (
        "NanoAdam forgets less than MicroAdam at equal new-task accuracy",
        f"{PAPER}, Table 4: 0.02 against 0.76 (ViT-L), 12.55 against 82.98 (ResNet101), 28.36 against 67.76 (ResNet18)",
        (OLD, "nanoadam", "microadam", "higher"),
    ),
    (
        "NanoAdam forgets less than head and norms alone at equal new-task accuracy",
        "ours: what is frozen cannot be forgotten by it",
        (OLD, "nanoadam", "head+norms", "higher"),
    ),
    *(
        (
            f"NanoAdam forgets less than {title} at equal new-task accuracy",
            "ours: the paper has no such arm",
            (OLD, "nanoadam", arm, "higher"),
        )
        for title, arm in (
            ("EWC on AdamW", "ewc+adamw"),
            ("MoFO", "mofo"),
            ("LIFT", "lift"),
            ("LoRA", "lora"),
        )
    ),
    (
        "EWC on NanoAdam forgets less than EWC on AdamW at equal new-task accuracy",
        "ours",
        (OLD, "ewc+nanoadam", "ewc+adamw", "higher"),
    ),
)
SWITCHED: tuple[tuple[str, str, *tuple[Wanted, ...]], ...] = (
    (
        "NanoAdam forgets less than AdamW at equal new-task accuracy",
        "ours: the paper does not say what became of running statistics",
        (OLD, "nanoadam", "adamw", "higher"),
    ),
    (
        "NanoAdam still forgets less than AdamW whose head and norms have a large learning rate too",
        "ours",
        (OLD, "nanoadam", "adamw-dense", "higher"),
    ),
)
