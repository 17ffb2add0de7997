"""Workers are forked from a server that has imported what every run needs."""

import os
import subprocess
import sys


def test_a_worker_finds_everything_loaded_and_collects_garbage_as_usual():
    code = (
        "from nanocl.engine import calls, local; from called import facts\n"
        "local.warm_up(); print(calls.call(facts))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert shown.stdout.strip() == "{'collects': True, 'frozen': True, 'loaded': True}"


def test_a_process_that_is_no_server_keeps_its_exit_code_and_its_last_words():
    code = (
        "import atexit, sys; sys.modules |= dict.fromkeys(sys.argv[1:], sys)\n"
        "atexit.register(print, 'goodbye'); import nanocl.training.preloaded as loaded\n"
        "assert {*loaded.MODULES} == {*sys.argv[1:]}; sys.exit(5)"
    )
    names = ("nanocl.training.experiment", "torch._dynamo")  # need not be loaded really
    shown = subprocess.run([sys.executable, "-c", code, *names], capture_output=True)
    assert shown.returncode == 5 and shown.stdout == b"goodbye\n"
