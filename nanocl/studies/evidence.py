"""What others measured on the same question, in their own units."""

from __future__ import annotations

from nanocl.reporting.formats import pipe_table

# PEFT's method comparison: method, accuracy on MetaMathQA, rise of cross-entropy on 100 web texts
PEFT = (
    ("Super-Tuning, largest weights", 0.3935, 0.0047),
    ("Super-Tuning, smallest weights", 0.3897, 0.0458),
    ("SHiRA, random mask", 0.5102, 0.0521),
    ("full finetuning", 0.4716, 0.0300),
    ("LoRA, rank 32", 0.4784, 0.0500),
    ("OSF", 0.4268, 0.0165),
)
_ABOVE = """\
## Evidence elsewhere

PEFT's method comparison (github.com/huggingface/peft, `method_comparison`): Llama-3.2-3B on
MetaMathQA, bf16, 5000 steps, one seed. Its forgetting is the rise of cross-entropy on 100 web
texts, which no number of ours can be compared with."""
_BELOW = """\
At nearly equal accuracy the *largest* weights forget a tenth of what the smallest do there: the
opposite of the claim. It is not NanoAdam: Super-Tuning (arXiv:2607.09287) has a static mask on the
query and value projections and AdamW at 1e-4, and the random mask reaches another accuracy. GaLLoP
(arXiv:2510.19778, large gradient and small weight) reports less forgetting than LoRA. We know of no
code of NanoAdam by its authors and of no other replication."""


def _table() -> str:
    header = ("method", "accuracy", "forgetting (rise of cross-entropy)")
    rows = [(method, f"{right:.4f}", f"{rise:.4f}") for method, right, rise in PEFT]
    return pipe_table(header, rows)


SECTION = "\n\n".join((_ABOVE, _table(), _BELOW))
