"""Random records, protocols, baselines and words: a result or one line, never a traceback."""

import json
import random
import shutil
import tomllib
from pathlib import Path

import mutations
import pytest

from nanocl import memory, report, run
from nanocl.protocols import baselines
from nanocl.records import store

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "results" / "runs").glob("**/*.json"))
PROBES = sorted((ROOT / "results" / "probes").glob("**/*.json"))
PROTOCOLS = sorted((ROOT / "benchmarks").glob("*.toml"))
BASELINES = sorted((ROOT / "baselines").glob("*/*.toml"))
VALUES = (
    *("0", "-1", "1", "nan", "inf", "1e400", "9" * 400, "9" * 5000, "none", "true", "x", "[1]"),
    *("a,b", "1.5", "64", "3x3", "1x2,3", "0.1,0.2", *mutations.TEXTS),
)
NAMES = (
    *("split-digits", "split-mnist", "rotated-mnist", "teacher-student", "finetune-halves"),
    *("split-cifar10", "permuted", "adam", "sgd", "ewc+sgd", "derpp+nanoadam", "joint", "lora"),
    *("torch:Adam", "torch:SGD", "mlp", "small-cnn", "torchvision:resnet18", "class", "task"),
    *("smoke", "cpu", "paper", "microadam", "ewc+ewc", "vit-l-16", "bert-base"),
    *("transformers:/dev/null", "transformers:x", "/dev/null", ".", "+", "adam+", ":", "torch:"),
)
OPTIONS = (
    *("nanoadam.density", "sgd.lr", "adam.betas", "ewc.strength", "stream.experiences"),
    *("stream.data", "stream.image_size", "stream.pad", "stream.validation", "model.width"),
    *("model.weights", "model.pretrain", "model.pretrain_epochs", "training.epochs"),
    *("training.head", "training.threads", "probe.magnitude", "x.y", ".", "model.", "torch.lr"),
)
RUN = ("--stream", "--strategy", "--seeds", "--scenario", "--tier", "--model", "--plugin")
RUN += ("--results", "--workers", "--device", "--checkpoint-minutes", "--data-root")
MEMORY = ("--model", "--optimizer", "--dtype", "--inputs", "--outputs", "--format", "--plugin")


def many(few, all_of_them):
    return [few, pytest.param(all_of_them, marks=pytest.mark.slow)]


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No file of the caller or of another test is read or written."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NANOCL_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ends_well(capsys):
    """Calls a command; it ends with 0, 1 or 2, and with 2 it says why on the last line."""

    def call(main, words):
        capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
        except Exception as error:
            raise AssertionError(f"{main.__module__} {words!r}") from error
        errors = capsys.readouterr().err
        assert code in (0, 1, 2) and "Traceback" not in errors, words
        assert code != 2 or "nanocl" in errors.splitlines()[-1], words
        return code

    return call


@pytest.mark.parametrize("count", many(20, 2400))
def test_of_records(tmp_path, ends_well, count):
    rng = random.Random(count)
    folder = tmp_path / "results"
    for _ in range(count // 4):
        shutil.rmtree(folder, ignore_errors=True)
        for path in rng.sample(RECORDS, 4):
            place = folder / path.relative_to(ROOT / "results")
            content = path.read_bytes()
            if rng.random() < 0.2:
                mutations.written(place, mutations.damaged(content, rng))
            else:
                mutations.write_record(mutations.mutated(json.loads(content), rng), place, folder)
        results, problems = store.load_all(folder)
        assert len(results) + len(problems) == len(list(folder.glob("runs/**/*.json")))
        assert ends_well(report.main, ["--results", str(folder)]) == 0


@pytest.mark.parametrize("count", many(10, 300))
def test_of_probes(tmp_path, ends_well, count):
    rng = random.Random(count)
    folder = tmp_path / "results"
    for _ in range(count):
        shutil.rmtree(folder, ignore_errors=True)
        for path in rng.sample(PROBES, 2):
            probe = mutations.mutated(json.loads(path.read_bytes()), rng)
            place = folder / path.relative_to(ROOT / "results")
            mutations.write_record(probe, place, folder)
        assert ends_well(report.main, ["--results", str(folder)]) == 0


def changed_toml(path, rng):
    content = path.read_bytes()
    if rng.random() < 0.3:
        return mutations.damaged(content, rng)
    values = mutations.mutated(tomllib.loads(content.decode()), rng)
    return mutations.toml(values).encode()


@pytest.mark.parametrize("count", many(30, 700))
def test_of_protocols(tmp_path, ends_well, count):
    rng = random.Random(count)
    path = tmp_path / "own.toml"
    for _ in range(count):
        mutations.written(path, changed_toml(rng.choice(PROTOCOLS), rng))
        tier = rng.choice(("cpu", "smoke", "paper"))
        ends_well(run.main, ["--stream", str(path), "--dry-run", "--tier", tier])


@pytest.mark.parametrize("count", many(20, 700))
def test_of_baselines(tmp_path, monkeypatch, ends_well, count):
    rng = random.Random(count)
    monkeypatch.setattr(baselines, "folder", lambda name: tmp_path)
    for _ in range(count):
        path = rng.choice(BASELINES)
        mutations.written(tmp_path / path.parent.name / path.name, changed_toml(path, rng))
        words = ["--stream", path.parent.name, "--strategy", path.stem, "--scenario", "task"]
        ends_well(run.main, [*words, "--dry-run"])


def word(rng):
    if rng.random() < 0.6:
        return rng.choice(NAMES)
    return rng.choice(VALUES)


def some_words(rng, options):
    """Up to three options with random values, one of them perhaps without its value."""
    words = []
    for _ in range(rng.randrange(4)):
        words += [rng.choice(options), word(rng)]
    for _ in range(rng.randrange(3)):
        value = rng.choice(VALUES) if rng.random() < 0.7 else word(rng)
        words += ["--set", f"{rng.choice(OPTIONS)}={value}"]
    if words and rng.random() < 0.2:
        del words[rng.randrange(len(words))]
    return words


@pytest.mark.parametrize("count", many(30, 600))
def test_of_words_to_run(ends_well, count):
    rng = random.Random(count)
    for _ in range(count):
        names = ["--stream", rng.choice(NAMES[:7]), "--strategy", rng.choice(NAMES[7:15])]
        quiet = rng.choice(("--dry-run", "--dry-run", "--list"))
        ends_well(run.main, [quiet, *names, *some_words(rng, RUN)])


@pytest.mark.parametrize("count", many(30, 300))
def test_of_words_to_report(tmp_path, ends_well, count):
    rng = random.Random(count)
    (tmp_path / "empty").mkdir()
    options = (["cite"], ["migrate"], ["--check"], ["--results", "empty"])
    for _ in range(count):
        words = []
        for _ in range(rng.randrange(4)):
            given = [rng.choice(("--format", "--results")), word(rng)]
            words += rng.choice((*options, given, [word(rng)]))
        ends_well(report.main, words)


@pytest.mark.parametrize("count", many(20, 400))
def test_of_words_to_memory(ends_well, count):
    rng = random.Random(count)
    for _ in range(count):
        model = rng.choice(("mlp", "bert-base", "small-cnn"))
        ends_well(memory.main, ["--model", model, *some_words(rng, MEMORY)])


@pytest.mark.parametrize(
    ("main", "words", "reason"),
    [
        (run.main, ["--set", f"model.weights={'x' * 5000}"], "File name too long"),
        (run.main, ["--results", "x" * 5000, "--stream", "teacher-student"], "File name too long"),
        (run.main, ["--plugin", "\ud800"], "the plugin file \\ud800 cannot be read"),
        (run.main, ["--plugin", "\0"], "no file can have the name '\\x00'"),
        (run.main, ["--plugin", "/dev/null"], "it is not a regular file"),
        (run.main, ["--strategy", "\x1b[2J"], "\\x1b[2J"),
        (memory.main, ["--model", "mlp", "--outputs", "9" * 400], "--outputs must be from 1 to"),
        (memory.main, ["--model", "mlp", "--inputs", "9" * 5000], "--inputs takes sizes above 0"),
        (memory.main, ["--model", "transformers:/dev/null"], "it is not a regular file"),
    ],
)
def test_what_the_campaign_found_is_one_line(capsys, main, words, reason):
    quiet = ["--dry-run"] if main is run.main else []
    assert main([*quiet, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line and "\x1b" not in line
