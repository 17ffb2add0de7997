"""Tuned options apply to the protocol, tier and scenario that they were found for."""

import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from making import a_spec

from nanocl.plugins.catalogue import Catalogue
from nanocl.protocols import baselines, protocol, suite
from nanocl.protocols.baselines import of_run, tuned_options
from nanocl.protocols.request import Request
from nanocl.records import UserError


def specs(**values):
    return suite.specs(Request(**values), Catalogue())


def test_a_baseline_is_used_for_its_tier_and_scenario_alone_and_a_setting_wins():
    tuned = specs(stream="split-mnist", scenario="task", strategies=("ewc",))[0]
    wanted = tuned_options("split-mnist", "cpu", "task", "ewc")["ewc"]["strength"]
    assert tuned.options_from == "tuned" and tuned.strategy[0].options["strength"] == wanted
    assert (
        specs(stream="split-mnist", scenario="class", strategies=("ewc",))[0].options_from
        == "default"
    )
    other = specs(stream="split-mnist", scenario="task", strategies=("ewc",), model="small-cnn")[0]
    assert other.options_from == "set", "tuned for another protocol"
    own = specs(
        stream="split-mnist",
        scenario="task",
        strategies=("ewc",),
        settings={"ewc": {"strength": "5"}},
    )[0]
    assert own.options_from == "set" and own.strategy[0].options["strength"] == 5.0


BASELINES = sorted((Path(__file__).parents[2] / "baselines").glob("*/*.toml"))


@pytest.mark.parametrize("path", BASELINES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_baseline_says_how_it_was_found_and_has_options_of_its_own_composition(path):
    learner = path.stem.replace("=", ":")  # as in the name of a file, torch=Muon
    entries = tomllib.loads(path.read_text())["baseline"]
    for entry in entries:
        assert {"tier", "scenario", "how", "options"} <= set(entry) and entry["how"]
        assert set(entry["options"]) <= set(entry.get("strategy", learner).split("+"))
        place = (path.parent.name, entry["tier"], entry["scenario"], learner)
        assert tuned_options(*place) == entry["options"]


def test_without_a_baseline_there_are_no_tuned_options():
    assert tuned_options("split-mnist", "paper", "domain", "nothing") == {}
    assert tuned_options("no-protocol", "cpu", "class", "adam") == {}


RIGHT = """
[[baseline]]
tier = "cpu"
scenario = "task"
how = "by hand"
[baseline.options.ewc]
strength = 5.0
"""


@pytest.fixture
def baseline_file(tmp_path, monkeypatch):
    """Writes the baseline of ewc under split-mnist."""
    path = tmp_path / "split-mnist" / "ewc.toml"
    path.parent.mkdir()
    monkeypatch.setattr(baselines, "_folders", lambda: [tmp_path])
    return path


def test_a_file_is_parsed_once_and_again_after_a_change_of_its_content(baseline_file, monkeypatch):
    parsed = []
    monkeypatch.setattr(
        baselines, "parsed", lambda *file: parsed.append(file) or protocol.parsed(*file)
    )
    baseline_file.write_text(RIGHT)
    place = ("split-mnist", "cpu", "task", "ewc")
    for _ in range(3):
        assert tuned_options(*place) == {"ewc": {"strength": 5.0}}
    assert len(parsed) == 1
    facts = baseline_file.stat()
    baseline_file.write_text(RIGHT.replace("5.0", "7.0"))
    os.utime(baseline_file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert baseline_file.stat().st_size == facts.st_size
    assert tuned_options(*place) == {"ewc": {"strength": 7.0}}


def test_a_right_baseline_is_used(baseline_file):
    baseline_file.write_text(RIGHT)
    (spec, *_) = specs(stream="split-mnist", scenario="task", strategies=("ewc",))
    assert spec.strategy[0].options["strength"] == 5.0


def test_a_baseline_of_the_working_directory_comes_before_that_of_nanocl(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "baselines" / "split-mnist" / "ewc.toml"
    path.parent.mkdir(parents=True)
    path.write_text(RIGHT)
    ewc, adam = specs(stream="split-mnist", scenario="task", strategies=("ewc", "adam"), seeds=(0,))
    assert ewc.strategy[0].options["strength"] == 5.0
    assert (ewc.options_from, adam.options_from) == ("tuned", "tuned")


ARMS = """
[[baseline]]
tier = "cpu"
scenario = "class"
how = "{how}"
strategy = "sgd"
[baseline.options.sgd]
{options}
"""


def test_arms_of_one_composition_have_a_baseline_each(tmp_path, monkeypatch):
    """The arm's own options are part of its baseline, so that its runs are told apart."""
    monkeypatch.chdir(tmp_path)
    protocol_file = tmp_path / "mine.toml"
    protocol_file.write_text(
        'strategies = ["sgd", "fast"]\n[stream]\nfamily = "split"\ndata = "digits"\n'
        '[arm]\nfast = { strategy = "sgd", options.sgd = { momentum = 0.9 } }\n'
    )
    folder = tmp_path / "baselines" / "mine"
    folder.mkdir(parents=True)
    (folder / "sgd.toml").write_text(ARMS.format(how="plain", options="lr = 0.3"))
    (folder / "fast.toml").write_text(
        ARMS.format(how="with momentum", options="lr = 0.3\nmomentum = 0.9")
    )
    plain, fast = specs(stream=str(protocol_file), seeds=(0,))
    assert [run.strategy[0].options["momentum"] for run in (plain, fast)] == [0.0, 0.9]
    assert [run.strategy[0].options["lr"] for run in (plain, fast)] == [0.3, 0.3]
    assert (of_run(plain)["how"], of_run(fast)["how"]) == ("plain", "with momentum")
    assert of_run(replace(plain, scenario="task")) == {}


def test_of_the_files_of_a_protocol_only_those_that_name_the_learner_are_parsed(
    baseline_file, monkeypatch
):
    files = {
        "ewc": RIGHT.replace("ewc]", "ewc]  # of the same learner"),
        "arm": RIGHT.replace('"by hand"', '"an arm"\nstrategy = "ewc"'),
        "escaped": RIGHT.replace('"by hand"', '"escaped"\nstrategy = "\\u0065wc"'),
        "literal": RIGHT.replace('"by hand"', "\"literal\"\nstrategy = 'ewc'"),
        "lines": RIGHT.replace('"by hand"', '"lines"\nstrategy = """\newc"""'),
        "ewc+adamw": RIGHT,
        "adamw": RIGHT.replace("ewc", "adamw"),
        "lwf": RIGHT.replace("options.ewc", "options.lwf").replace("by hand", "ewc is better"),
    }
    for name, text in files.items():
        baseline_file.with_stem(name).write_text(text)
    parsed = []
    monkeypatch.setattr(
        baselines,
        "parsed",
        lambda content, path: parsed.append(path.stem) or protocol.parsed(content, path),
    )
    (run,) = specs(stream="split-mnist", scenario="task", strategies=("ewc",), seeds=(0,))
    assert of_run(run)["how"] == "an arm"
    assert {*parsed} == {"ewc", "arm", "escaped", "literal", "lines"}
    for name in ("arm", "escaped", "literal"):
        baseline_file.with_stem(name).unlink()
        assert of_run(run)["how"] != name
    assert of_run(run)["how"] == "by hand"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[[baseline]]", "[[baselines]]", "'baselines'; did you mean 'baseline'?"),
        ("options.ewc", "options.ewk", "'baseline.options.ewk'; did you mean 'ewc'?"),
        ("options.ewc", "option.ewc", "'baseline.option'; did you mean 'options'?"),
        ("tier", "teir", "'baseline.teir'; did you mean 'tier'?"),
        ('"cpu"', '"cup"', "baseline.tier must be one of smoke, cpu, paper, got 'cup'"),
        ('"task"', "3", "baseline.scenario must be one of class, task, domain, got 3"),
        ('how = "by hand"', "", "baseline.how must be text, got None"),
        ("strength", "strenght", "no option 'strenght'; did you mean 'strength'?"),
        ("5.0", "[5.0]", "baseline.options must be a table of options for each part"),
        ("[baseline.options.ewc]\nstrength = 5.0", "options = 3", "must be a table of options"),
        ("[[baseline]]", "[baseline]", "baseline must be tables"),
        ("5.0", "[" * 5000 + "]" * 5000, "not valid TOML: it is nested too deeply"),
        ("5.0", "[" * 20 + "]" * 20, "nested deeper than 8 levels"),
        ("5.0", "9" * 5000, "not valid TOML"),
        ("5.0", "5.0\n#\0", "not valid TOML"),
    ],
)
def test_a_mistake_in_a_baseline_is_named_and_gives_no_defaults(baseline_file, old, new, words):
    assert old in RIGHT
    baseline_file.write_text(RIGHT.replace(old, new))
    with pytest.raises(UserError, match=re.escape(words)):
        specs(stream="split-mnist", scenario="task", strategies=("ewc",))


@pytest.mark.parametrize("name", ["../split-mnist", "a\0b", "x" * 300, "", "a/b"])
def test_a_name_that_is_no_file_name_has_no_baseline(name):
    assert tuned_options(name, "cpu", "task", "ewc") == {}
    assert tuned_options("split-mnist", "cpu", "task", name) == {}
    assert of_run(a_spec("ewc", protocol=name)) == {}


def test_shipped_protocols_are_checked_as_those_of_users_are(tmp_path, monkeypatch):
    (tmp_path / "wrong.toml").write_text('[stream]\nfamily = "split"\n[trainnig]\nepochs = 1')
    monkeypatch.setattr(protocol, "folder", lambda name: tmp_path)
    with pytest.raises(UserError, match="'trainnig'; did you mean 'training'"):
        protocol.protocols.__wrapped__()


@pytest.mark.parametrize("content", [b"\0" * 2**21, None], ids=["2 MiB", "pipe"])
def test_a_protocol_that_is_no_small_regular_file_is_refused(tmp_path, content):
    path = tmp_path / "x.toml"
    path.write_bytes(content) if content else os.mkfifo(path)
    with pytest.raises(UserError, match=r"x\.toml cannot be read: it (has|is not a regular)"):
        specs(stream=str(path))
    with pytest.raises(UserError, match="cannot be read: no file can have the name"):
        specs(stream="a\0b.toml")


def test_tuned_options_are_not_reported_on_the_seeds_that_they_were_tuned_on(baseline_file):
    baseline_file.write_text(RIGHT + "[baseline.tuning]\nseeds = [1000, 1001]\n")
    asked = {"stream": "split-mnist", "scenario": "task", "strategies": ("ewc",)}
    assert specs(**asked, seeds=(0, 1002))[0].options_from == "tuned"
    with pytest.raises(UserError, match="ewc was tuned on seeds 1000, which are not reported"):
        specs(**asked, seeds=(0, 1000))
    settings = {"ewc": {"strength": "7"}}
    assert specs(**asked, seeds=(1000,), settings=settings)[0].options_from == "set"
    baseline_file.write_text(RIGHT + "[baseline.tuning]\nseeds = 3\n")
    with pytest.raises(UserError, match=r"baseline\.tuning must be a table"):
        specs(**asked)


def test_options_that_were_tuned_for_another_form_of_the_protocol_are_refused(baseline_file):
    asked = {"stream": "split-mnist", "scenario": "task", "strategies": ("ewc",)}
    baseline_file.write_text(RIGHT)
    now = specs(**asked)[0].protocol_hash
    baseline_file.write_text(RIGHT + f'[baseline.tuning]\nprotocol = "{now}"\n')
    assert specs(**asked)[0].options_from == "tuned"
    baseline_file.write_text(RIGHT + '[baseline.tuning]\nprotocol = "00000000"\n')
    with pytest.raises(UserError, match=f"of protocol 00000000, and .* is {now} now: run"):
        specs(**asked)


def test_learners_of_a_users_protocol_are_tuned_as_long_as_it_stays_as_it_was(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    text = 'strategies = ["sgd"]\n[stream]\nfamily = "split"\ndata = "digits"\n'
    (tmp_path / "mine.toml").write_text(text)
    entry = ARMS.format(how="tuned", options="lr = 0.5")
    path = tmp_path / "baselines" / "mine" / "sgd.toml"
    path.parent.mkdir(parents=True)
    (before,) = specs(stream="mine.toml", seeds=(0,))
    path.write_text(entry + f'[baseline.tuning]\nprotocol = "{before.protocol_hash}"\n')
    (spec,) = specs(stream="mine.toml", seeds=(0,))
    assert spec.options_from == "tuned" and spec.strategy[0].options["lr"] == 0.5
    (tmp_path / "mine.toml").write_text(text + "experiences = 2\n")
    with pytest.raises(UserError, match=r"run python -m nanocl\.tune again"):
        specs(stream="mine.toml", seeds=(0,))
