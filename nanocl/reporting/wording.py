"""Each metric in words, for the caption of a paper, and whether higher or lower is better.

A metric without an entry is described by its formula and has no better side.
"""

from __future__ import annotations

from typing import NamedTuple

from nanocl.reporting.columns import Column


class Wording(NamedTuple):
    """A definition in words; `{measure}` stands for accuracy or loss.

    `better` is `higher` or `lower`, for accuracies; empty where neither is better.
    """

    words: str
    better: str = ""


WORDINGS = {
    "average_accuracy": Wording("mean {measure} on all experiences after the last one", "higher"),
    "learning_accuracy": Wording(
        "mean {measure} on each experience just after training on it", "higher"
    ),
    "forgetting": Wording(
        "mean drop from the best earlier result on an experience to the last", "lower"
    ),
    "average_incremental_accuracy": Wording(
        "mean {measure} on the experiences so far, averaged over the stream", "higher"
    ),
    "first_minus_last": Wording(
        "mean drop from just after training on an experience to the end", "lower"
    ),
    "backward_transfer": Wording(
        "mean gain on each experience from just after training on it to the end", "higher"
    ),
    "forward_transfer": Wording(
        "mean gain on an experience before training on it over the untrained model", "higher"
    ),
    "minimum_accuracy": Wording(
        "mean over experiences of the worst {measure} after later ones", "higher"
    ),
    "intransigence": Wording("mean lag behind joint training just after each experience", "lower"),
    "gap_to_joint": Wording("final lag behind joint training", "lower"),
    "masked_accuracy": Wording(
        "final mean {measure} of the same run with predictions limited to the task's classes",
        "higher",
    ),
    "online_accuracy": Wording("mean {measure} on each mini-batch before its step", "higher"),
    "lowest_accuracy": Wording(
        "mean over experiences of the lowest {measure} within later ones", "higher"
    ),
    "worst_case_accuracy": Wording(
        "{measure} on the last experience, averaged with the lowest on each earlier one", "higher"
    ),
    "stability_gap": Wording(
        "mean distance of the lowest result within an experience from that at its end", "lower"
    ),
    "retention": Wording("{measure} on the first experience after the second", "higher"),
    "final_retention": Wording("{measure} on the first experience at the end", "higher"),
    "representation_drift": Wording("change of the features of earlier test samples (0 to 1)"),
    "new_task_divergence": Wording(
        "change of the outputs on the test samples of a new experience by training on it, in nats"
    ),
    "l2": Wording("Euclidean distance of the weights from the start"),
    "relative": Wording("distance of the weights from the start, divided by their norm there"),
    "touched": Wording("percent of the weights that changed"),
    "path_ratio": Wording("length of the path of the weights over their distance from the start"),
    "cpu_seconds": Wording("CPU seconds of training", "lower"),
    "train_seconds": Wording("wall-clock seconds of training", "lower"),
    "peak_memory_bytes": Wording("highest memory of the process in MiB", "lower"),
    "optimizer_state_bytes": Wording("optimizer state in MiB", "lower"),
    "state_bytes_per_parameter": Wording("bytes of optimizer state for each weight", "lower"),
    "strategy_state_bytes": Wording("memory, anchors and importances in MiB", "lower"),
}


def in_words(column: Column, measure: str) -> str:
    """The definition of a metric in words, or its formula."""
    wording = WORDINGS.get(column.name)
    return wording.words.format(measure=measure) if wording else column.definition


def better(column: Column, measure: str) -> str:
    """`higher` or `lower`, whichever is better for an `accuracy` or a `loss`; or empty.

    Differences change their sign for losses, so their direction stays.
    """
    side = WORDINGS.get(column.name, Wording("")).better
    if measure == "loss" and column.unit == "score" and not column.signed:
        return {"higher": "lower", "lower": "higher"}.get(side, "")
    return side
