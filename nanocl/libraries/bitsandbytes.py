"""The optimizers of bitsandbytes, with moments of 8 bits."""

from __future__ import annotations

from nanocl.libraries.library import Library, Way

# options that the library accepts and ignores
IGNORED = frozenset(
    {
        "amsgrad",
        "dampening",
        "nesterov",
        "optim_bits",
        "lr_decay",
        "initial_accumulator_value",
        "centered",
    }
)
BITS = ("", "8bit", "32bit")
ADAM = [f"{paged}Adam{bits}" for paged in ("", "Paged") for bits in BITS]
CLIPPED = (
    "only ever scales an update down, at 8 bits not even that, where {} scales every layer's to "
    "its weights' norm"
)
BROKEN = "cannot take a step in bitsandbytes 0.50; use bitsandbytes:AdEMAMix"

LIBRARY = Library(
    name="bitsandbytes",
    module="bitsandbytes.optim",
    package="bitsandbytes",
    usual=Way(without=IGNORED),
    ways={
        # its Adam decays weights as AdamW does
        **dict.fromkeys(ADAM, Way(without=IGNORED | {"weight_decay"})),
        **{f"RMSprop{bits}": Way(without=IGNORED | {"momentum"}) for bits in BITS},
    },
    refused={
        **{f"LAMB{bits}": CLIPPED.format("LAMB") for bits in BITS},
        **{f"LARS{bits}": CLIPPED.format("LARS") for bits in BITS},
        "PytorchLARS": CLIPPED.format("LARS"),
        "AdEMAMix32bit": BROKEN,
        "PagedAdEMAMix32bit": BROKEN,
    },
)
