"""The memory command prints bytes and the paper's accounting; a mistake is one line."""

import csv
import io
import math
import subprocess
import sys
from pathlib import Path

import pytest

from nanocl import memory
from nanocl.footprint import models
from nanocl.records import UserError


def run(capsys: pytest.CaptureFixture, *argv: str) -> tuple[int, str, str]:
    """Exit code, output and messages of the command."""
    try:
        code = memory.main(argv)
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def lines(text: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The lines of the CSV by accounting, optimizer and options."""
    read = csv.DictReader(io.StringIO(text))
    return {(line["accounting"], line["optimizer"], line["options"]): line for line in read}


def test_exact_bytes_are_printed_beside_the_paper_accounting(capsys):
    command = "--model llama-2-7b --dtype bfloat16 --format csv --optimizer adamw,nanoadam"
    settings = "--set nanoadam.density=0.01,0.1 --set nanoadam.state_dtype=bfloat16"
    code, text, _ = run(capsys, *command.split(), *settings.split())
    printed = lines(text)
    every = 6_738_415_616
    tensors = len(models.weights_of("llama-2-7b"))
    assert code == 0 and len(printed) == 3 + 10
    assert int(printed["exact", "adamw", ""]["state_bytes"]) == 4 * every + 4 * tensors
    nanoadam = printed["paper", "NanoAdam, int16 indices", "6 k S"]
    assert int(nanoadam["state_bytes"]) == round(0.06 * every)
    exact = {}
    for density in ("0.01", "0.1"):
        options = f"density={density} state_dtype=bfloat16"
        exact[density] = int(printed["exact", "nanoadam", options]["state_bytes"])
    dense = 4 * (32000 * 4096 + 65 * 4096)
    assert math.isclose((exact["0.1"] - dense) / (every - dense / 4), 0.8, rel_tol=1e-3)
    assert math.isclose((exact["0.01"] - dense) / (every - dense / 4), 0.08, rel_tol=5e-3)


@pytest.mark.parametrize(
    ("format", "beginning"),
    [("text", "mlp: "), ("markdown", "## Memory"), ("latex", r"\begin{table}")],
)
def test_every_format_shows_both_accountings(capsys, format, beginning):
    code, text, _ = run(
        capsys, "--model", "mlp", "--optimizer", "nanoadam,sgd-momentum", "--format", format
    )
    assert code == 0 and text.startswith(beginning)
    assert "sgd-momentum" in text and "2506.21374" in text


def test_total_is_the_sum_of_its_parts(capsys):
    _, text, _ = run(capsys, "--model", "mlp", "--format", "csv")
    for line in lines(text).values():
        if line["accounting"] == "exact":
            parts = (int(line[f"{part}_bytes"]) for part in ("weights", "gradients", "state"))
            assert sum(parts) == int(line["total_bytes"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--model", "lama-2-7b"], "did you mean 'llama-2-7b'"),
        (["--model", "torchvision:resnet19"], "did you mean 'resnet18'"),
        (["--optimizer", "nanoadm"], "did you mean 'nanoadam'"),
        (["--optimizer", "ewc"], "the strategy 'ewc' has no optimizer whose state size follows"),
        (["--optimizer", "torch:RMSprob"], "did you mean 'RMSprop'"),
        (["--optimizer", "torch:LBFGS", "--model", "mlp"], "closure"),
        (["--optimizer", ""], "got none"),
        (["--set", "nanoadam.densty=1"], "did you mean 'density'"),
        (["--set", "nanoadam.density=2"], "density must be a number in [0, 1], got 2.0"),
        (["--set", "nanoadam.density=much"], "must be of type float (finite), got 'much'"),
        (["--set", "nanoadam.dense=heads"], "did you mean 'head'"),
        (["--set", "nanadam.density=0.1"], "did you mean 'nanoadam'"),
        (["--set", "adamw8bit.lr=1"], "no option 'lr'"),
        (["--set", "nanoadam"], "PART.OPTION=VALUE"),
        (["--set", "model.width=3"], "llama-2-7b takes neither"),
        (["--model", "mlp", "--set", "model.widht=3"], "did you mean 'width'"),
        (["--model", "student"], "set the shape of its inputs with --inputs"),
        (["--model", "mlp", "--inputs", "3x0"], "got '3x0'"),
        (["--model", "transformers:nowhere.json"], "cannot be read"),
        (["--outputs", "-1"], "got -1"),
        (["--dtype", "fp8"], "invalid choice: 'fp8'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_in_the_call_is_one_line_and_exit_code_2(capsys, argv, message):
    code, out, err = run(capsys, *argv)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("nanocl: ") and message in err


def test_a_model_in_a_plugin_file_is_counted(capsys, tmp_path: Path):
    path = tmp_path / "tiny.py"
    path.write_text(
        'from torch import nn\n\n\nclass Tiny(nn.Module):\n    """Tiny."""\n\n'
        "    def __init__(self, inputs, *, width: int = 3):\n        super().__init__()\n"
        "        self.layer, self.features = nn.Linear(inputs[0], width), width\n"
    )
    command = "--model tiny --inputs 5 --outputs 2 --set model.width=4 --optimizer adam"
    code, text, _ = run(capsys, *command.split(), "--plugin", str(path), "--format", "csv")
    assert code == 0
    assert lines(text)["exact", "adam", ""]["parameters"] == str(5 * 4 + 4 + 4 * 2 + 2)


def test_help_needs_no_torch():
    code = (
        "import sys, contextlib, io, nanocl.memory\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    nanocl.memory.main(['--help'])\n"
        "print(sorted({'torch', 'avalanche', 'torchvision', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_counting_loads_no_avalanche():
    code = (
        "import sys, nanocl.memory\n"
        "nanocl.memory.main(['--model', 'bert-base', '--optimizer', 'nanoadam,torch:Adafactor'])\n"
        "print('avalanche' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "False"


def test_the_command_line_becomes_plain_values():
    command = "--optimizer adam,lora,adam --set lora.rank=4,8 --set torch:Adam.betas=(0.8,0.9)"
    with pytest.raises(UserError, match="'torch:Adam' is neither `model` nor one of"):
        memory.call(command.split())
    call = memory.call([*command.split()[:4], "--inputs", "3x4x4", "--outputs", "2"])
    assert call == memory.Call(
        model="llama-2-7b",
        optimizers=("adam", "lora"),
        settings={"lora": {"rank": ["4", "8"]}},
        inputs=(3, 4, 4),
        outputs=2,
    )


def test_a_tuple_is_one_value_of_a_setting():
    assert memory.settings(["torch:Adam.betas=(0.8, 0.9)", "lora.rank=4, 8"]) == {
        "torch:Adam": {"betas": ["(0.8, 0.9)"]},
        "lora": {"rank": ["4", "8"]},
    }
