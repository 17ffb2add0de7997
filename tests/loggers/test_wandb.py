"""Runs of Weights & Biases in a folder, without its server."""

import os
import socket
import time

import pytest

from nanocl.records.curves import Point

pytest.importorskip("wandb", reason="the extra nanocl[wandb] is not installed")
FACTS = {"protocol": "split-digits", "strategy": "sgd"}


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Nothing of the user's wandb counts, and no server can be found."""

    def refuse(*_, **__):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)


def content_with(text, file):
    """The content of a file once it has a text, after 10 s as it is: wandb's process writes it."""
    end = time.monotonic() + 10
    while text not in (content := file.read_bytes()) and time.monotonic() < end:
        time.sleep(0.05)
    return content


def test_runs_are_kept_in_a_folder_at_the_same_time(tmp_path, offline, capfd):
    from nanocl.loggers.wandb import kind

    made = kind(tmp_path)
    digests = ("0123456789a0", "0123456789a1")
    logs = [made.open(f"stream/sgd/{one}", {**FACTS, "digest": one}) for one in digests]
    for log in logs:
        log.write([Point("training/loss", 10, 0.5), Point("average_accuracy", 1, 0.625)])
    for log in logs:
        log.close()
    assert capfd.readouterr() == ("", ""), "no login is asked for"
    for digest in digests:
        (file,) = tmp_path.glob(f"wandb/offline-run-*-{digest}-*/*.wandb")
        for text in (b"training/loss", b"average_accuracy", b"0.625", b"mini-batches"):
            assert text in content_with(text, file)
    first, second = ({"digest": digest} for digest in digests)
    made.clear("any name", first)
    assert not made.holds("any name", first) and made.holds("any name", second)
    assert not [*tmp_path.glob(f"wandb/offline-run-*-{digests[0]}-*")]


def test_curves_on_a_server_are_told_to_be_there_and_a_new_run_replaces_the_old(
    tmp_path, offline, monkeypatch
):
    import wandb

    from nanocl.loggers.wandb import kind

    for name, value in (("MODE", "online"), ("BASE_URL", "https://host"), ("ENTITY", "team")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    asked = []

    def init(**options):
        asked.append((options["id"], options["mode"], options["resume"]))
        raise ConnectionError

    monkeypatch.setattr(wandb, "init", init)
    made = kind(tmp_path)
    assert made.address == "project team/nanocl at https://host" and "sync" not in made.look
    facts = {**FACTS, "digest": "0123456789a0"}
    made.clear("s0", facts)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            made.open("s0", facts)
    with pytest.raises(ConnectionError):
        kind(tmp_path / "of somebody else").open("s0", facts)
    new, again, other = asked
    assert new[0].startswith("0123456789a0-") and new[1:] == (None, None)
    assert again == (new[0], None, "allow") and other[0] not in (new[0], facts["digest"])


def test_a_run_that_begins_on_a_server_leaves_its_curves_of_calls_without_one(
    tmp_path, offline, monkeypatch
):
    from nanocl.loggers.wandb import kind

    facts = {**FACTS, "digest": "0123456789a0"}
    without_server = tmp_path / "wandb" / "offline-run-20260101_000000-0123456789a0-ab"
    without_server.mkdir(parents=True)
    assert kind(tmp_path).holds("s0", facts)
    monkeypatch.setenv("WANDB_MODE", "online")
    kind(tmp_path).clear("s0", facts)
    assert without_server.exists()


def test_a_run_that_begins_anew_has_another_id_and_one_that_resumes_its_own(
    tmp_path, offline, monkeypatch
):
    import wandb

    from nanocl.loggers.wandb import kind

    ids = []

    def init(**options):
        ids.append(options["id"])
        number = len(ids)
        folder = tmp_path / "wandb" / f"offline-run-20260101_00000{number}-{options['id']}"
        folder.mkdir(parents=True)
        raise ConnectionError

    monkeypatch.setattr(wandb, "init", init)
    made, facts = kind(tmp_path), {**FACTS, "digest": "0123456789a0"}

    def begin():
        with pytest.raises(ConnectionError):
            kind(tmp_path).open("s0", facts)

    begin()
    begin()
    made.clear("s0", facts)
    begin()
    monkeypatch.setenv("WANDB_MODE", "online")
    begin()
    first, resumed, anew, on_server = ids
    assert first == resumed and len({first, anew, on_server}) == 3
    assert all(one.startswith("0123456789a0-") for one in ids)
