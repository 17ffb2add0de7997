"""A mistake in a protocol file is one sentence with file, key, value and what would be right."""

import pytest
from protocol_files import GOOD, specs

from nanocl.protocols import protocol
from nanocl.protocols.validation import check_protocol
from nanocl.records import UserError


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '[stream]\nfamily = "split"\nexperiences = 2',
            "",
            r"\[stream\] needs a family.*got 'none'",
        ),
        (
            '\n[stream]\nfamily = "split"\nexperiences = 2',
            "stream = 3",
            "stream must be a table of plain values.*got 3",
        ),
        ('family = "split"', "", r"\[stream\] needs a family"),
        ('family = "split"', "family = 4", r"\[stream\] needs a family.*got 4"),
        ('family = "split"', 'family = "splitt"', "unknown stream 'splitt'; did you mean 'split'"),
        ("experiences = 2", "experiences = [2]", "stream must be a table of plain values"),
        ("experiences = 2", "experience = 2", "did you mean 'experiences'"),
        (
            "experiences = 2",
            'experiences = "many"',
            "split.experiences must be of type int, got 'many'",
        ),
        ("seeds = 2", 'seeds = "x"', "seeds must be how many seeds, from 1 to 1000, got 'x'"),
        ("seeds = 2", "seeds = 0", "got 0"),
        ("seeds = 2", "seeds = -3", "got -3"),
        ("seeds = 2", "seeds = true", "got True"),
        ("seeds = 2", "seeds = 300000000", "from 1 to 1000, got 300000000"),
        ("seeds = 2", "seed = 2", "unknown key 'seed'; did you mean 'seeds'"),
        ('["adamw", "sgd"]', '"adamw"', r"strategies must be a list of names.*got 'adamw'"),
        ('["adamw", "sgd"]', "[]", "strategies must be a list of names"),
        ('["adamw", "sgd"]', "[3]", r"strategies must be a list of names.*got \[3\]"),
        ('["adamw", "sgd"]', '["adamww"]', "unknown strategy 'adamww'; did you mean 'adamw'"),
        (
            "[options.sgd]\nlr = 0.1",
            "[options]\nsgd = 0.1",
            r"options must be a table of options for each part",
        ),
        ("lr = 0.1", "lr = nan", "sgd.lr must be of type float .finite., got nan"),
        ("lr = 0.1", "lr = 1979-05-27", "options must be a table"),
        ("[options.sgd]", "[option.sgd]", "unknown key 'option'; did you mean 'options'"),
        ("epochs = 1", 'epochs = "x"', "training.epochs must be of type int"),
        ("epochs = 1", "epoch = 1", "did you mean 'epochs'"),
        (
            "[tier.cpu.for.task.training]\nepochs = 2",
            "[tier]\ncpu = 3",
            r"tier must be tables such as \[tier.smoke\]",
        ),
        ("tier.cpu.for.task", "tier.cpus.for.task", "unknown key 'tier.cpus'; did you mean 'cpu'"),
        (
            "tier.cpu.for.task",
            "tier.cpu.for.tasks",
            "unknown key 'tier.cpu.for.tasks'; did you mean 'task'",
        ),
        (
            "for.task.training]\nepochs",
            "for.task]\nseed",
            "unknown key 'tier.cpu.for.task.seed'; did you mean 'seeds'",
        ),
        ('title = "Mine"', "title = 3", "title must be text, got 3"),
        (
            'title = "Mine"',
            'scenario = "classes"',
            "scenario must be one of class, task, domain, got 'classes'",
        ),
        (
            'title = "Mine"',
            'score = "accuracy"',
            "score must be one of average_accuracy, .*retention, got 'accuracy'",
        ),
        ('title = "Mine"', "published = 3", r"published must be \[\[published\]\]"),
        ('title = "Mine"', '[[published]]\nsource = "x"', r"published must be \[\[published\]\]"),
        (
            'title = "Mine"',
            '[[published]]\nsource = "x"\ntier = "cpu"\nscenario = "task"\nspread = "range"\n'
            "ACC = { sgd = [50.0, 0.1] }",
            r"spread \(standard deviation or standard error\)",
        ),
        ('title = "Mine"', "title", "is not valid TOML"),
    ],
)
def test_nonsense_is_refused_with_file_key_value_and_what_is_right(tmp_path, old, new, message):
    assert old in GOOD
    changed = GOOD.replace(old, new)
    text = (
        changed if not new.startswith(("stream =", "[[")) else new + "\n" + changed.replace(new, "")
    )
    with pytest.raises(UserError, match=message) as error:
        specs(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "mine.toml")) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", sorted(protocol.protocols()))
def test_our_own_protocols_say_nothing_else(name):
    check_protocol(protocol.protocols()[name], name)
