"""Door 4, `python -m nanocl.memory`: bytes of weights, gradients and optimizer state of real architectures."""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanocl import __version__
from nanocl.plugins.catalogue import INSTALLED, Catalogue
from nanocl.records import UserError
from nanocl.records.ranges import did_you_mean
from nanocl.reporting import formats
from nanocl.reporting.formats import Table

if TYPE_CHECKING:
    from nanocl.footprint import Footprint
    from nanocl.footprint.architectures import Weight
    from nanocl.footprint.paper import Account

EPILOG = """\
models:
  vit-l-16, bert-base, bert-large, opt-1.3b, llama-2-7b, llama-3.2-3b     bundled, no download
  torchvision:NAME, timm:NAME, mlp, resnet32, ...                         whatever python -m nanocl.run takes
  transformers:CONFIG.json                                                bert, opt, llama and mistral; needs no package

optimizers:
  sgd, sgd-momentum, adam, adamw, adagrad, adamw8bit, microadam, nanoadam, ...
  torch:NAME, pytorch-optimizer:NAME, torchao:NAME, bitsandbytes:NAME     any optimizer of these packages

examples:
  python -m nanocl.memory --model llama-2-7b --dtype bfloat16
  python -m nanocl.memory --model bert-base --outputs 2 --optimizer adamw,nanoadam --set nanoadam.density=0.01,0.1
  python -m nanocl.memory --model torchvision:resnet18 --set nanoadam.state_dtype=bfloat16 --format latex
  python -m nanocl.memory --model slim-resnet18 --inputs 3x32x32 --outputs 100 --optimizer torch:RMSprop,sgd-momentum

exit codes: 0 done, 2 a mistake in the call
"""
DTYPES = ("float32", "bfloat16", "float16", "float64")
SHOWN = (
    "density",
    "final_density",
    "dense",
    "moment_policy",
    "chunk_size",
    "state_dtype",
    "window",
    "quant_block",
    "block_size",
    "momentum",
)


@dataclass(frozen=True)
class Row:
    """One optimizer with the options given, those of its defaults that decide its state, and what it needs."""

    name: str
    options: str
    defaults: str
    needs: Footprint


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        self.exit(2, f"nanocl: {message}; see python -m nanocl.memory --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Count and print; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        print(_report(arguments), end="")
        return 0
    except UserError as error:
        print(f"nanocl: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = _Parser(
        "python -m nanocl.memory",
        description="Bytes that training needs for weights, gradients and optimizer "
        "state, counted without allocating them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--model", default="llama-2-7b", metavar="NAME", help="default: llama-2-7b")
    p.add_argument(
        "--optimizer",
        default="adamw,adamw8bit,microadam,nanoadam",
        metavar="A,B,C",
        help="default: adamw,adamw8bit,microadam,nanoadam",
    )
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PART.OPTION=VALUE",
        dest="settings",
        help="an option of an optimizer or of the model; several values, A,B,C, make a row each",
    )
    p.add_argument(
        "--dtype",
        default="float32",
        choices=DTYPES,
        help="of weights and gradients; default: float32",
    )
    p.add_argument(
        "--inputs",
        default="",
        metavar="CxHxW",
        help="shape of an input, for models that depend on it",
    )
    p.add_argument(
        "--outputs", type=int, default=0, metavar="N", help="classes of the output layer"
    )
    p.add_argument("--format", default="text", choices=("text", "markdown", "csv", "latex"))
    p.add_argument(
        "--plugin",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a file with a model or strategy of yours; may be repeated",
    )
    p.add_argument("--version", action="version", version=f"nanocl {__version__}")
    return p


def shape(text: str) -> tuple[int, ...]:
    """`3x32x32` or `3,32,32` as sizes; nothing is ().

    Raises:
        UserError: Anything else.
    """
    sizes = text.replace("x", ",").split(",") if text else []
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise UserError(f"--inputs takes sizes above 0 such as 3x32x32, got {text!r}")
    return tuple(map(int, sizes))


def settings(texts: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Part to option to the values given, from `PART.OPTION=A,B,C`.

    Raises:
        UserError: A text of another form.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        part, dot, option = target.rpartition(".")
        if not (equals and dot and part and option):
            raise UserError(
                f"--set takes PART.OPTION=VALUE, such as nanoadam.density=0.1, got {text!r}"
            )
        values = (
            [value] if "(" in value else value.split(",")
        )  # one tuple, such as betas, is one value
        found.setdefault(part.strip(), {})[option.strip()] = [value.strip() for value in values]
    return found


def rows(
    weights: Sequence[Weight],
    names: Sequence[str],
    given: Mapping[str, Mapping[str, Sequence[str]]],
    dtype: str,
    catalogue: Catalogue = INSTALLED,
) -> list[Row]:
    """A row for each optimizer and each combination of the values given for its options."""
    import torch  # here, so that --help stays quick

    from nanocl.footprint import footprint, optimizers

    found = []
    for name in names:
        options = given.get(name, {})
        for values in itertools.product(*options.values()):
            chosen = dict(zip(options, values, strict=True))
            state_bytes, complete = optimizers.resolve(
                name, chosen, getattr(torch, dtype), catalogue
            )
            needs = footprint(weights, state_bytes, getattr(torch, dtype))
            shown = (
                SHOWN if name == "lift" else (*SHOWN, "rank")
            )  # LIFT's decides what is selected, not how much
            decided = {
                option: value
                for option, value in complete.items()
                if option in shown and option not in chosen and value is not None
            }
            found.append(Row(name, _spelled(chosen), _spelled(decided), needs))
    return found


def exact_table(model: str, weights: Sequence[Weight], found: Sequence[Row], dtype: str) -> Table:
    """What each optimizer needs, as its own implementation stores it."""
    unit, scale = _unit(max(row.needs.total for row in found))
    cells = tuple(
        (
            row.name,
            row.options,
            *(
                f"{size / scale:.4g}"
                for size in (
                    row.needs.weights,
                    row.needs.gradients,
                    row.needs.state,
                    row.needs.total,
                )
            ),
            *(f"{size / row.needs.parameters:.4g}" for size in (row.needs.state, row.needs.total)),
        )
        for row in found
    )
    defaults = dict.fromkeys(f"{row.name}: {row.defaults}" for row in found if row.defaults)
    below = (
        *defaults,
        f"{unit} = {scale} bytes, B/p = bytes a parameter; the state is exact, as the optimizer stores "
        "it. Activations, buffers and temporary memory come on top.",
    )
    header = (
        "optimizer",
        "options",
        *(f"{name} {unit}" for name in ("weights", "gradients", "state", "total")),
        "state B/p",
        "total B/p",
    )
    return Table(
        "Memory of training",
        (_described(model, weights, dtype),),
        header,
        cells,
        below,
        2,
        "memory",
    )


def paper_table(weights: Sequence[Weight]) -> Table:
    """The paper's accounting of the same architecture, and what its own settings need."""
    from nanocl.footprint import paper

    found = paper.accounts(weights)
    sizes = f"S = {paper.every(weights):,}, D = {paper.dense(weights):,}"
    unit, scale = _unit(int(max(account.bytes for account in found)))
    cells = tuple(
        (
            a.optimizer,
            a.formula,
            f"{a.bytes / scale:.4g}",
            a.run_formula,
            f"{a.run_bytes / scale:.4g}",
        )
        for a in found
    )
    below = (
        "S: all parameters; D: those of output layer and norms; k: density; moments take 2 bytes.",
        "The paper counts k = 1 % in every layer. As run: k = 10 % (GLUE, where it falls to 4 %, and Llama), "
        "output layer and norms dense, error buckets of 64. Its vision runs use 1 % (ResNets) and 0.1 % (ViT-L).",
    )
    header = ("optimizer", "formula", unit, "as run", f"as run {unit}")
    return Table(
        "Optimizer state in the accounting of arXiv:2506.21374",
        (sizes,),
        header,
        cells,
        below,
        1,
        "memory-paper",
    )


def as_csv(model: str, found: Sequence[Row], accounts: Sequence[Account], dtype: str) -> str:
    """Bytes, one optimizer a line; `accounting` is `exact`, `paper` or `paper as run`."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(
        (
            "model",
            "parameters",
            "dtype",
            "accounting",
            "optimizer",
            "options",
            "weights_bytes",
            "gradients_bytes",
            "state_bytes",
            "total_bytes",
        )
    )
    entries = found[0].needs.parameters
    for row in found:
        needs = row.needs
        out.writerow(
            (
                model,
                entries,
                dtype,
                "exact",
                row.name,
                row.options,
                needs.weights,
                needs.gradients,
                needs.state,
                needs.total,
            )
        )
    for a in accounts:
        for kind, formula, size in (
            ("paper", a.formula, a.bytes),
            ("paper as run", a.run_formula, a.run_bytes),
        ):
            out.writerow((model, entries, "", kind, a.optimizer, formula, "", "", round(size), ""))
    return text.getvalue()


def _report(arguments: argparse.Namespace) -> str:
    names = tuple(dict.fromkeys(filter(None, arguments.optimizer.replace(" ", "").split(","))))
    if not names:
        raise UserError("--optimizer takes names such as adamw,nanoadam, got none")
    given = settings(arguments.settings)
    _check_parts(given, names)
    inputs = shape(arguments.inputs)
    if arguments.outputs < 0:
        raise UserError(f"--outputs must be at least 1, got {arguments.outputs}")

    from nanocl.footprint import models, paper  # here, because they load torch

    catalogue = Catalogue(arguments.plugin)
    options = {option: ",".join(values) for option, values in given.get("model", {}).items()}
    weights = models.weights_of(
        arguments.model,
        inputs=inputs,
        outputs=arguments.outputs,
        options=options,
        catalogue=catalogue,
    )
    found = rows(weights, names, given, arguments.dtype, catalogue)
    if arguments.format == "csv":
        return as_csv(arguments.model, found, paper.accounts(weights), arguments.dtype)
    write = {
        "text": lambda table: formats.text(
            table, max(60, shutil.get_terminal_size((120, 24)).columns)
        ),
        "markdown": formats.markdown,
        "latex": formats.latex,
    }[arguments.format]
    return "\n".join(
        map(
            write,
            (exact_table(arguments.model, weights, found, arguments.dtype), paper_table(weights)),
        )
    )


def _check_parts(given: Mapping[str, Any], names: Sequence[str]) -> None:
    known = ("model", *names)
    for part in given:
        if part not in known:
            raise UserError(
                f"--set {part}.…: neither the model nor an optimizer asked for is called {part!r}"
                f"{did_you_mean(part, known)}"
            )


def _described(model: str, weights: Sequence[Weight], dtype: str) -> str:
    sizes = {
        role: sum(weight.numel for weight in weights if weight.role == role)
        for role in ("norm", "head")
    }
    head = f"output layer {sizes['head']:,}" if sizes["head"] else "no output layer of its own"
    return (
        f"{model}: {sum(weight.numel for weight in weights):,} parameters (norms {sizes['norm']:,}, {head}); "
        f"weights and gradients in {dtype}"
    )


def _unit(size: float) -> tuple[str, int]:
    return ("GiB", 2**30) if size >= 2**30 / 10 else ("MiB", 2**20)


def _spelled(options: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in options.items())


if __name__ == "__main__":
    sys.exit(main())
