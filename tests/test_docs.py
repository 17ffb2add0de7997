"""The commands of the pages in docs/ are right, and the recipes do what the pages say."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from making import a_result, a_spec

from nanocl import memory, tune
from nanocl.cli import reports
from nanocl.cli.commandline import call
from nanocl.records import store

DOCS = Path(__file__).parents[1] / "docs"
README = DOCS.parent / "README.md"
PARSERS = {
    "nanocl.run": call,
    "nanocl.report": lambda arguments: reports.parser().parse_intermixed_args(arguments),
    "nanocl.tune": lambda arguments: tune.parser().parse_args(arguments),
    "nanocl.memory": lambda arguments: memory.parser().parse_args(arguments),
}
PAGES = sorted(DOCS.glob("*.md"))  # extending.md is CONTRIBUTING.md on the built site


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def links(page):
    """The targets of links and pictures of a page that are files, without anchors."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target.partition("#")[0] for target in targets if not re.match(r"\w+:|#", target)]


@pytest.mark.parametrize(
    "page", [*PAGES, README, README.with_name("CONTRIBUTING.md")], ids=lambda page: page.name
)
def test_every_link_of_a_page_leads_to_a_file(page):
    for target in links(page):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_navigation_of_the_site():
    yaml = pytest.importorskip("yaml")
    settings = yaml.safe_load((DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8"))
    named = re.findall(r"[\w-]+\.md", str(settings["nav"]))
    assert sorted(named) == [page.name for page in PAGES]


def test_the_first_code_of_readme_and_home_page_is_the_executed_one():
    first = blocks(DOCS / "python.md", "python")[0]  # executed by tests/api/test_running.py
    assert first == blocks(DOCS / "index.md", "python")[0]
    assert first in blocks(README, "python")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_outside(tmp_path):
    pytest.importorskip("material", reason="pip install 'nanocl[docs]'")
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    subprocess.run(call, cwd=DOCS.parent, check=True, timeout=300)
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"?(https?:[^\s\">]+)", text)
        loaded += re.findall(r"<link[^>]*rel=\"?stylesheet[^>]*href=\"?(https?:[^\s\">]+)", text)
        assert not loaded, page


def commands(page, module):
    """The arguments of every call of a module in a page."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    parts = (shlex.split(line, comments=True) for line in lines if f"-m {module}" in line)
    return [part[part.index(module) + 1 :] for part in parts]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_understood(page):
    for arguments in commands(page, "nanocl.report"):
        reports.parser().parse_intermixed_args(arguments)
    for arguments in commands(page, "nanocl.run"):
        call(["2/20" if word.startswith("$SLURM") else word for word in arguments])
    for module in ("nanocl.tune", "nanocl.memory"):
        for arguments in commands(page, module):
            PARSERS[module](arguments)
    rest = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for span in re.findall(r"`python -m (nanocl\.\w+) ([^`]*)`", rest):
        PARSERS[span[0]](shlex.split(span[1]))


def test_every_command_of_the_readme_is_understood():
    text = README.read_text(encoding="utf-8")
    fenced = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    spans = re.findall(r"`(python -m nanocl[^`]*)`", rest)
    lines = [line for block in fenced for line in block.splitlines() if "-m nanocl" in line[:20]]
    assert len(spans) > 1 and len(lines) > 10
    for line in (*lines, *spans):
        _, _, module, *arguments = shlex.split(line, comments=True)
        PARSERS[module](arguments)


def run_block(script, folder, **environment):
    """Run a block of bash; every call of nanocl.run is a dry run of the smallest grid."""
    python = folder / "bin" / "python"
    python.parent.mkdir(exist_ok=True)
    python.write_text(
        f'#!/bin/bash\nif [ "$2" = nanocl.run ]; then set -- "$@" --tier smoke --dry-run; fi\n'
        f'exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    path = f"{python.parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def test_the_tasks_of_a_slurm_array_are_the_shards_of_the_grid(tmp_path):
    (script,) = (block for block in blocks(DOCS / "machines.md", "bash") if "#SBATCH" in block)
    count = 2
    shown = [
        run_block(script, tmp_path, SLURM_ARRAY_TASK_ID=str(i), SLURM_ARRAY_TASK_COUNT=str(count))
        for i in range(1, count + 1)
    ]
    runs = [re.findall(r"^to run +(\w+)", one.stdout, re.M) for one in shown]
    assert not set(runs[0]) & set(runs[1])
    for one, part in zip(shown, runs, strict=True):
        assert f"{len(part)} of {sum(map(len, runs))} runs" in one.stderr


def test_the_folders_of_a_slurm_array_are_merged_and_shown(tmp_path):
    (script,) = (block for block in blocks(DOCS / "machines.md", "bash") if "shards/*" in block)
    for seed in range(2):
        store.save(a_result(a_spec(seed=seed)), tmp_path / "shards" / str(seed + 1))
    shown = run_block(script, tmp_path)
    assert "copied 2 files into my-results" in shown.stderr and "sgd" in shown.stdout


def test_the_job_for_kubernetes_is_one_and_its_command_is_understood():
    yaml = pytest.importorskip("yaml")
    (text,) = blocks(DOCS / "machines.md", "yaml")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    asked = call(shlex.split(job["spec"]["entrypoint"])[3:])
    assert asked.machines.engine == "ray"
    cluster = job["spec"]["rayClusterSpec"]
    head = cluster["headGroupSpec"]["template"]["spec"]
    mounted = {mount["mountPath"]: mount["name"] for mount in head["containers"][0]["volumeMounts"]}
    assert set(mounted) == {str(asked.data_root), str(asked.results_root)}
    assert set(mounted.values()) == {volume["name"] for volume in head["volumes"]}
    (workers,) = cluster["workerGroupSpecs"]
    images = {
        container["image"]
        for spec in (head, workers["template"]["spec"])
        for container in spec["containers"]
    }
    assert len(images) == 1  # versions must be equal
    (docker,) = blocks(DOCS / "machines.md", "dockerfile")
    assert f"ray:{cluster['rayVersion']}-" in docker


def test_the_commands_of_the_templates_for_pull_requests_are_understood():
    template = DOCS.parent / ".github" / "pull_request_template.md"
    spans = re.findall(r"`python -m (nanocl\.\w+) ([^`]*)`", template.read_text(encoding="utf-8"))
    assert {arguments.split()[0] for _, arguments in spans} == {"check", "--check", "verify"}
    for module, arguments in spans:
        PARSERS[module](shlex.split(arguments))


@pytest.mark.parametrize("name", ["release", "docs", "tests"])
def test_a_workflow_has_jobs_whose_every_step_does_something(name):
    yaml = pytest.importorskip("yaml")
    path = DOCS.parent / ".github" / "workflows" / f"{name}.yml"
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    for job in jobs.values():
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
    assert name != "release" or jobs["publish"]["permissions"] == {"id-token": "write"}


def test_the_image_gets_every_folder_of_the_package_and_its_user_is_not_root():
    text = (DOCS.parent / "Dockerfile").read_text(encoding="utf-8")
    settings = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {"nanocl", *settings["tool"]["setuptools"]["package-dir"].values()}
    assert {f"COPY {name} {name}" for name in folders} <= set(text.splitlines())
    assert re.search(r"^USER nanocl$", text, re.M)
