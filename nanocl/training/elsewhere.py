"""One run on another machine: its files come with it, and go back as messages while it runs.

Importing this loads no torch. Nothing is expected on the other machine but the installed packages:
plugin files come with the context, checkpoints with the run, and data sets where they are missing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nanocl.models._encoders import files_of, folder_of
from nanocl.protocols import pinning
from nanocl.protocols.backbones import tokenizer_of
from nanocl.records import RunResult, RunSpec, SavedFile, UserError, files
from nanocl.records.curves import Message
from nanocl.records.roots import DataRoot
from nanocl.training import checkpoint_files, entry
from nanocl.training.context import Context

CHECKPOINTS = ".part"  # folder in a results folder
PROBES = "probes"
Contents = Mapping[str, bytes]
Tell = Callable[[Message | SavedFile], None]


@dataclass(frozen=True)
class Elsewhere:
    """How runs are executed on other machines.

    Attributes:
        context: As on this machine; its folders for checkpoints and probes only say whether there
            are any.
        key: The hash of the data files that runs need, empty if they need none.
    """

    context: Context
    key: str = ""

    def __call__(
        self,
        spec: RunSpec,
        *,
        tell: Tell,
        contents: Contents,
        fetch: Callable[[], Contents],
        workers: int,
    ) -> RunResult:
        """Train and test one learner in a folder that is deleted at the end.

        Args:
            spec: What to run.
            tell: Called with progress, notices and files of the run.
            contents: The files that it goes on from, by their paths in a results folder.
            fetch: Returns the data files, if this machine does not have them.
            workers: Runs that this machine takes at a time.
        """
        with (
            tempfile.TemporaryDirectory(prefix="nanocl-") as folder,
            entry.warnings_told(spec.digest, tell),
        ):
            root = Path(folder)
            for name, content in contents.items():
                files.write(root / name, content)

            def send(path: Path) -> None:
                relative = path.relative_to(root).as_posix()
                tell(SavedFile(spec.digest, relative, path.read_bytes()))

            context = replace(
                self.context,
                data_root=self._data_root(spec, fetch),
                workers=min(workers, self.context.workers),
                checkpoints=root / CHECKPOINTS if self.context.checkpoints else None,
                probes=root / PROBES if self.context.probes else None,
                on_written=send,
            )
            result = entry.run_one(spec, context, tell)
            for path in sorted((root / PROBES).rglob("*.json")):
                send(path)
            return result

    def _data_root(self, spec: RunSpec, fetch: Callable[[], Contents]) -> DataRoot:
        """The data root of this machine if it has the data of the run, else one made of files."""
        own = self.context.data_root
        if not self.key or _has_data(spec, own):
            return own
        from nanocl.data import placement  # here, because it loads numpy

        return placement.place(self.key, fetch)


def data_files(specs: Iterable[RunSpec], data_root: DataRoot) -> dict[str, bytes]:
    """The files of data sets, weights and encoders that runs need, by their paths in a data root.

    An encoder that is named by an absolute path must be there on the other machine, too.
    """
    from nanocl import data
    from nanocl.data import placement

    paths: dict[str, Path] = {}
    names: set[str] = set()
    weights: set[str] = set()
    encoders: set[str] = set()
    for spec in specs:
        options = spec.model.options
        pretrained = data.parse_names(str(options["pretrain"])) if "pretrain" in options else []
        names |= {*pinning.data_sets(spec).split(","), *(name for name, _ in pretrained)}
        weights.add(str(options.get("weights") or ""))
        encoders |= {tokenizer_of(spec.model), str(spec.stream.options.get("tokenizer") or "")}
    for name in sorted(names - {""}):
        paths |= placement.files_of(name, data_root)
    for name in sorted(weights):
        paths |= placement.weights_of(name, data_root)
    for name in sorted(encoders - {""}):
        if not Path(name).is_absolute():
            folder = folder_of(name, data_root, download=False)
            paths |= {f"{name}/{path.name}": path for path in files_of(folder)}
    return {name: path.read_bytes() for name, path in paths.items()}


def key_of(contents: Contents) -> str:
    """A hash of data files and their paths; empty for none."""
    from nanocl.data import placement

    return placement.key_of(contents)


def checkpoint_of(spec: RunSpec, results_root: Path) -> dict[str, bytes]:
    """The files of a run's checkpoint by their paths in the results folder."""
    path = checkpoint_files.path_of(spec, results_root / CHECKPOINTS)
    parts = (path, checkpoint_files.within(path))
    return {
        part.relative_to(results_root).as_posix(): part.read_bytes()
        for part in parts
        if part.exists()
    }


def keep(file: SavedFile, results_root: Path) -> None:
    """Write a file that a run sent into the results folder.

    Raises:
        ValueError: It is no checkpoint and no probe.
        OSError: It cannot be written.
    """
    parts = Path(file.path).parts
    if not parts or parts[0] not in (CHECKPOINTS, PROBES) or ".." in parts:
        raise ValueError(f"a run sends checkpoints and probes, got the file {file.path!r}")
    files.write(results_root / file.path, file.content)


def _has_data(spec: RunSpec, data_root: DataRoot) -> bool:
    try:
        return pinning.pin([spec], data_root, download=False) == [spec]
    except (UserError, OSError):
        return False
