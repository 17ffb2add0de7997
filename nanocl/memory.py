"""Command line: `python -m nanocl.memory` counts the bytes of training on real architectures."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nanocl import __version__
from nanocl.cli import ending, failures
from nanocl.cli.arguments import Parser
from nanocl.plugins.catalogue import Catalogue
from nanocl.records import UserError
from nanocl.records.ranges import did_you_mean
from nanocl.reporting import formats
from nanocl.reporting.formats import Table

EPILOG = """\
models:
  vit-l-16, bert-base, bert-large, opt-1.3b, llama-2-7b, llama-3.2-3b    bundled, no download
  torchvision:NAME, timm:NAME, mlp, resnet32, ...    any model of python -m nanocl.run
  transformers:CONFIG.json    bert, opt, llama and mistral; needs no package

optimizers:
  sgd, sgd-momentum, adam, adamw, adagrad, adamw8bit, microadam, nanoadam, ...
  torch:NAME, pytorch-optimizer:NAME, torchao:NAME, bitsandbytes:NAME    any optimizer there

examples:
  python -m nanocl.memory --model llama-2-7b --dtype bfloat16
  python -m nanocl.memory --model bert-base --outputs 2 --set nanoadam.density=0.01,0.1
  python -m nanocl.memory --model torchvision:resnet18 --optimizer lora,adamw --format latex
  python -m nanocl.memory --model slim-resnet18 --inputs 3x32x32 --outputs 100

exit codes: 0 done, 2 a mistake in the command
"""
LARGEST = 2**31 - 1  # of a size
DTYPES = ("float32", "bfloat16", "float16", "float64")
FORMATS = ("text", "markdown", "csv", "latex")
OPTIMIZERS = "adamw,adamw8bit,microadam,nanoadam"
Settings = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Call:
    """One call of `python -m nanocl.memory`.

    Attributes:
        model: Name of the model.
        optimizers: Names of the optimizers.
        settings: `model` or an optimizer to option to values.
        dtype: Type of weights and gradients.
        inputs: Shape of an input; () for the default.
        outputs: Classes of the output layer; 0 for the default.
        format: One of `FORMATS`.
        plugin_files: Files with plugins of the caller.
    """

    model: str
    optimizers: tuple[str, ...]
    settings: Settings
    dtype: str = "float32"
    inputs: tuple[int, ...] = ()
    outputs: int = 0
    format: str = "text"
    plugin_files: tuple[Path, ...] = ()


def main(argv: Sequence[str] | None = None) -> int:
    """Count and print; returns the exit code."""
    try:
        command = call(argv)
        print(_report(command, Catalogue(command.plugin_files)), end="")
        return 0
    except (UserError, OSError) as error:
        return failures.exit_code(error)


def call(argv: Sequence[str] | None = None) -> Call:
    """The call that a command line describes.

    Raises:
        UserError: A malformed value.
        SystemExit: After `--help`, `--version` or an unknown argument.
    """
    arguments = parser().parse_args(argv)
    names = filter(None, arguments.optimizer.replace(" ", "").split(","))
    optimizers = tuple(dict.fromkeys(names))
    if not optimizers:
        raise UserError("--optimizer takes names such as adamw,nanoadam, got none")
    values = settings(arguments.settings)
    _check_parts(values, optimizers)
    if not 0 <= arguments.outputs <= LARGEST:
        raise UserError(
            f"--outputs must be from 1 to {LARGEST}, or 0 for the default, got {arguments.outputs}"
        )
    return Call(
        model=arguments.model,
        optimizers=optimizers,
        settings=values,
        dtype=arguments.dtype,
        inputs=shape(arguments.inputs),
        outputs=arguments.outputs,
        format=arguments.format,
        plugin_files=tuple(arguments.plugin),
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = Parser(
        "python -m nanocl.memory",
        description="Count the bytes of weights, gradients and optimizer state in training, "
        "without allocating them.",
        epilog=EPILOG,
    )
    _add_subject(p)
    _add_output(p)
    p.add_argument("--version", action="version", version=f"nanocl {__version__}")
    return p


def _add_subject(p: argparse.ArgumentParser) -> None:
    p.add_argument("--model", default="llama-2-7b", metavar="NAME", help="default: llama-2-7b")
    p.add_argument(
        "--optimizer",
        default=OPTIMIZERS,
        metavar="A,B,C",
        help=f"default: {OPTIMIZERS}",
    )
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PART.OPTION=VALUE",
        dest="settings",
        help="an option of an optimizer or of the model; each of several values A,B,C gets a row; "
        "can be repeated",
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
        help="shape of an input; default: by the model",
    )
    p.add_argument(
        "--outputs",
        type=int,
        default=0,
        metavar="N",
        help="classes of the output layer",
    )


def _add_output(p: argparse.ArgumentParser) -> None:
    p.add_argument("--format", default="text", choices=FORMATS, help="default: text")
    p.add_argument(
        "--plugin",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a file with your own model or strategy; can be repeated",
    )


def shape(text: str) -> tuple[int, ...]:
    """`3x32x32` or `3,32,32` as sizes; an empty text is ().

    Raises:
        UserError: Anything else.
    """
    sizes = text.replace("x", ",").split(",") if text else []
    digits = len(str(LARGEST))
    if not all(size.isdecimal() and len(size) <= digits for size in sizes):
        numbers = [0]
    else:
        numbers = list(map(int, sizes))
    if not 0 < min(numbers, default=1) <= max(numbers, default=1) <= LARGEST:
        raise UserError(f"--inputs takes sizes above 0 such as 3x32x32, got {text!r}")
    return tuple(numbers)


def settings(texts: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Part to option to values, from texts such as `PART.OPTION=A,B,C`.

    Raises:
        UserError: A text of another form.
    """
    parts: dict[str, dict[str, list[str]]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        part, dot, option = target.rpartition(".")
        if not (equals and dot and part and option):
            raise UserError(
                f"--set takes PART.OPTION=VALUE, such as nanoadam.density=0.1, got {text!r}"
            )
        # a tuple, such as betas, is one value
        values = [value] if "(" in value else value.split(",")
        parts.setdefault(part.strip(), {})[option.strip()] = [one.strip() for one in values]
    return parts


def _report(command: Call, catalogue: Catalogue) -> str:
    from nanocl.footprint import models, paper, tables  # here, because they load torch

    options = command.settings.get("model", {})
    weights = models.weights_of(
        command.model,
        inputs=command.inputs,
        outputs=command.outputs,
        options={option: ",".join(values) for option, values in options.items()},
        catalogue=catalogue,
    )
    needed = tables.requirements(
        weights,
        command.optimizers,
        command.settings,
        command.dtype,
        catalogue,
    )
    if command.format == "csv":
        return tables.as_csv(command.model, needed, paper.accounts(weights), command.dtype)
    exact = tables.exact_table(command.model, weights, needed, command.dtype)
    return "\n".join(
        _written(table, command.format) for table in (exact, tables.paper_table(weights))
    )


def _written(table: Table, format: str) -> str:
    if format == "markdown":
        return formats.markdown(table)
    if format == "latex":
        return formats.latex(table)
    return formats.text(table, max(60, shutil.get_terminal_size((120, 24)).columns))


def _check_parts(values: Settings, optimizers: Sequence[str]) -> None:
    parts = ("model", *optimizers)
    for part in values:
        if part not in parts:
            raise UserError(
                f"--set {part}.OPTION: {part!r} is neither `model` nor one of the optimizers"
                f"{did_you_mean(part, parts)}"
            )


if __name__ == "__main__":
    ending.run(main)
