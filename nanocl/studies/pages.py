"""Every page and figure that studies make of what is in a results folder; needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path

from nanocl.records import RunResult
from nanocl.studies import finetune, mechanism, verdicts

PAGE = "README.md"
_MARKS = (finetune.GENERATED, mechanism.GENERATED)


def pages(results: Sequence[RunResult], root: Path) -> dict[Path, str]:
    """The page of claims and a page for each finetuning protocol and for the probes, of what there is."""
    comparisons, probes = finetune.comparisons(results), mechanism.groups(root)
    found = {
        root / "CLAIMS.md": verdicts.page(results, comparisons, root),
        mechanism.folder(root) / PAGE: mechanism.page(probes),
        **{finetune.folder(made, root) / PAGE: finetune.page(made) for made in comparisons},
    }
    return {path: text for path, text in found.items() if text}


def figures(results: Sequence[RunResult], root: Path, anew: Container[Path]) -> dict[Path, bytes]:
    """The figures of the pages in `anew`, and of every page that lacks one; loads matplotlib only if there are any."""
    drawn = {}
    for target, names, draw in _drawers(results, root):
        if target / PAGE in anew or not all((target / f"{name}.png").exists() for name in names):
            drawn |= {target / name: content for name, content in draw().items()}
    return drawn


def there(root: Path) -> list[Path]:
    """Pages that an earlier call made."""
    claims = [root / "CLAIMS.md"] if (root / "CLAIMS.md").exists() else []
    return claims + [
        path
        for path in sorted((root / "studies").glob(f"*/{PAGE}"))
        if any(mark in path.read_text(encoding="utf-8") for mark in _MARKS)
    ]


def _drawers(
    results: Sequence[RunResult], root: Path
) -> Iterator[tuple[Path, Sequence[str], Callable[[], dict[str, bytes]]]]:
    for made in finetune.comparisons(results):
        yield finetune.folder(made, root), finetune.FIGURES, lambda made=made: finetune.draw(made)
    probes = mechanism.groups(root)
    if probes:
        yield mechanism.folder(root), mechanism.FIGURES, lambda: mechanism.draw(probes)
