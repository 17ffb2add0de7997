"""The boards of the site: every intact version, and present records without a version."""

import made_boards
import pytest
from making import a_result, a_spec

from nanocl.boards import released
from nanocl.reporting.summaries import summarise
from nanocl.site import board


def test_versions_come_newest_first_and_an_older_one_says_so(copy, rows):
    made_boards.change(made_boards.record(copy), initial=[0.2, 0.2, 0.2])
    made_boards.released(copy)
    found, problems = board.collect((), copy)
    assert [one.version for one in found] == ["v1.1", "v1.0"] and not problems
    assert [one.is_newest for one in found] == [True, False]
    assert len({one.folder for one in found}) == 2


def test_a_damaged_version_is_named_and_left_out(copy):
    version = released.latest(made_boards.NAME, copy)
    made_boards.repack(version, made_boards.other_numbers)
    found, problems = board.collect((), copy)
    assert found == [] and made_boards.NAME in problems[0] and "damaged" in problems[0]


def test_a_recipe_that_is_not_that_of_the_manifest_is_not_shown(copy):
    version = released.latest(made_boards.NAME, copy)
    (version.folder / "tuning.json").write_text('{"sgd": {"how": "forged"}}')
    (found,) = board.collect((), copy)[0]
    assert found.recipes == {}


def test_present_records_without_a_version_are_a_board_if_their_protocol_is_present(monkeypatch):
    rows = summarise([a_result(a_spec("sgd", seed)) for seed in range(2)])
    assert board.collect(rows, made_boards.Path("none")) == ([], [])  # a protocol of nobody
    monkeypatch.setattr(board.defined, "is_current", lambda spec: True)
    ((found,), _) = board.collect(rows, made_boards.Path("none"))
    assert (found.version, found.source) == ("now", None)


@pytest.mark.parametrize(
    ("spec", "family"),
    [
        (a_spec("sgd"), board.OPTIMIZER),
        (a_spec("ewc+adamw", strength=1.0), board.PENALTY),
        (a_spec("lwf", strength=1.0), board.PENALTY),
        (a_spec("er+adamw", memory_size=500), board.REPLAY),
        (a_spec("joint+adamw"), board.BOUND),
        (a_spec("avalanche:ReplayPlugin", mem_size=200), board.REPLAY),
        (a_spec("avalanche:AGEMPlugin+sgd", patterns_per_experience=9), board.REPLAY),
        (a_spec("avalanche:LwFPlugin", temperature=2.0), board.PENALTY),
    ],
)
def test_the_kind_of_a_learner_follows_from_its_parts_and_options(spec, family):
    (row,) = summarise([a_result(spec)])
    assert board.family(row) == family


def test_learners_of_one_name_have_pages_of_their_own_and_names_that_differ():
    runs = [a_result(a_spec("sgd", seed, lr=lr)) for lr in (0.1, 0.2) for seed in range(2)]
    made = board.Board("b", "now", summarise(runs))
    assert [slug for slug, _ in made.places()] == ["sgd", "sgd-2"]
    assert len({made.label(place) for _, place in made.places()}) == 2


def test_a_name_becomes_a_safe_name_of_a_file():
    assert board.slug("Torch:Muon") == "torch-muon"
    assert board.slug("../<script>") == "script"
    assert board.slug("..") == "unnamed"
