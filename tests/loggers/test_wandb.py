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
        (file,) = tmp_path.glob(f"wandb/offline-run-*-{digest}/*.wandb")
        for text in (b"training/loss", b"average_accuracy", b"0.625", b"mini-batches"):
            assert text in content_with(text, file)
