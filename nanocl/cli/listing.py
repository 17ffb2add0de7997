"""Everything that can be named on the command line, for `--list`."""

from __future__ import annotations

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import protocol
from nanocl.protocols.backbones import PRETRAINING

HEADINGS = {
    "streams": "stream families (options: --set stream.x=…)",
    "strategies": "strategies (--strategy)",
    "models": "models (--model; --set model.x=…)",
}


def plugins(catalogue: Catalogue) -> str:
    """Protocols, stream families, strategies and models with their options."""
    lines = ["streams (--stream)"]
    for name, tables in protocol.protocols().items():
        names = ", ".join([name, *tables.get("aliases", ())])
        title = tables.get("title", "")
        tiers = ", ".join(tables["tier"])
        lines.append(f"  {names:<28} {title}; tiers: {tiers}")
    for kind, heading in HEADINGS.items():
        lines += ["", heading]
        for plugin in catalogue.plugins(kind).values():
            lines.append(f"  {plugin.name:<28} {plugin.summary}")
            options = [f"{name}={default}" for name, (_, default) in plugin.options.items()]
            if options:
                lines.append(" " * 31 + ", ".join(options))
    schedule = ", ".join(f"{name}={value}" for name, value in PRETRAINING.items())
    lines.append(
        f"  {'any without weights=':<28} pretrain=DATASET pretrains the backbone here: {schedule}"
    )
    return "\n".join(lines)
