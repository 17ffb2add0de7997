"""`CLAIMS.md`: every claim with its verdict, from the records of all studies and protocols."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nanocl.records import RunResult
from nanocl.studies import cost
from nanocl.studies.claims import AGAINST, FOR, OPEN, Claim
from nanocl.studies.finetune import claims as finetune
from nanocl.studies.finetune.points import Comparison
from nanocl.studies.mechanism import claims as mechanism
from nanocl.studies.mechanism.probes import groups as probes
from nanocl.studies.teacher_student import claims as teacher_student

_INTRODUCTION = """\
# Do the claims hold?

Generated from the records by `python -m nanocl.report`; do not edit. Claims of *Pay Attention to Small Weights* (Zhou,
Jacobs, Gadhikar and Burkholz, NeurIPS 2025, arXiv:2506.21374) and what we measured. A verdict is computed by the rule
of its row: `holds` where every setting meets it, `does not hold` where none does and at least one contradicts it,
`undecided` where none meets it and none contradicts it, otherwise what it depends on. `not measured`: there are no
records yet. Effects are shown for the first setting, which is the one nearest to the source; all settings stand below.
`-` between two names is a difference (accuracies in points), `/` a ratio; brackets are 95 % intervals."""


def page(results: Sequence[RunResult], comparisons: Sequence[Comparison], root: Path) -> str:
    """Markdown of all claims, from the records and the studies in a results folder; empty if no study is in it."""
    groups = {
        "Finetuning": finetune.claims(comparisons),
        "Mechanism": mechanism.claims(probes(root)),
        "Teachers and students": teacher_student.rows(root),
        "Memory and time": cost.claims(results, root),
    }
    if not comparisons and not groups["Teachers and students"]:
        return ""
    parts = [_INTRODUCTION, _overview(groups), finetune.SWEEPS]
    parts += [
        f"Sweeps, fronts and tables of {found.name}: [{found.title}](studies/{found.name}/README.md)."
        for found in comparisons
    ]
    for title, claims in groups.items():
        parts += (
            [f"## {title}", *(_section(claim) for claim in claims)]
            if claims
            else [f"## {title}", "Not measured."]
        )
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _overview(groups: dict[str, list[Claim]]) -> str:
    """One row a claim; the effect and its test are those of the setting nearest to the source."""
    lines = [
        "| claim | source | what we ran | effect [95 % interval], test, state | verdict |",
        "|---" * 5 + "|",
    ]
    for title, claims in groups.items():
        lines.append(f"| *{title}* | | | | |")
        for claim in claims:
            setting, found = next(iter(claim.findings.items()), ("", ()))
            effect = "<br>".join(
                ([f"*{setting}*"] if setting else []) + [str(finding) for finding in found]
            )
            verdict = f"**{_verdict(claim)}**" + (
                f"<br>{claim.tally}" if len(claim.findings) > 1 else ""
            )
            lines.append(
                "| "
                + " | ".join(
                    map(
                        _cell,
                        (claim.claim, _short(claim.source), claim.ran, effect or "–", verdict),
                    )
                )
                + " |"
            )
    return "\n".join(lines)


def _verdict(claim: Claim) -> str:
    """The verdict in a line: where it depends on many settings, how many."""
    verdict = claim.verdict
    if not verdict.startswith("depends"):
        return verdict
    if len(claim.findings) <= 4:
        return verdict
    met, against, undecided = (claim.settings(state) for state in (FOR, AGAINST, OPEN))
    return (
        f"depends on the setting: holds in {len(met)} of {len(claim.findings)}, does not hold in {len(against)}, "
        f"undecided in {len(undecided)}"
    )


def _section(claim: Claim) -> str:
    lines = [
        f"### {claim.claim[:1].upper()}{claim.claim[1:]}",
        "",
        f"**{_verdict(claim)}**",
        "",
        f"- source: {claim.source}",
        f"- what we ran: {claim.ran}",
        f"- rule: {claim.rule}",
    ]
    if not claim.findings:
        return "\n".join(lines)
    lines += [
        f"- tally: {claim.tally}",
        "",
        "| setting | "
        + " | ".join(_cell(f.what) for f in next(iter(claim.findings.values())))
        + " | meets it |",
        "|---" * (2 + len(next(iter(claim.findings.values())))) + "|",
    ]
    for setting, found in claim.findings.items():
        meets = next(
            word
            for word, state in (("yes", FOR), ("no", AGAINST), ("undecided", OPEN))
            if setting in claim.settings(state)
        )
        lines.append(
            f"| {_cell(setting)} | "
            + " | ".join(_cell(str(f).removeprefix(f.what).lstrip(": ")) for f in found)
            + f" | {meets} |"
        )
    return "\n".join([*lines, *_both_right(claim)])


def _both_right(claim: Claim) -> list[str]:
    """Where some settings meet the claim and others contradict it, the conditions under which each side is right."""
    met = claim.settings(FOR)
    against = {
        setting: [f.what for f in found if f.state == AGAINST]
        for setting, found in claim.findings.items()
    }
    against = {setting: whats for setting, whats in against.items() if whats}
    if not against:
        return []
    lines = [
        "",
        f"*The claim is right* {f'with {_listed(met)}' if met else 'in no setting that we ran'}; "
        "*the opposite is right*:",
        "",
    ]
    whats = dict.fromkeys(what for group in against.values() for what in group)
    lines += [
        f"- {what}: with {_listed([setting for setting, group in against.items() if what in group])}"
        for what in whats
    ]
    return lines


def _listed(settings: Sequence[str]) -> str:
    return "; ".join(settings)


def _short(source: str) -> str:
    """Where in the paper, without its numbers."""
    return re.split(r": |; | \(", source.removeprefix(f"{finetune.PAPER}, "))[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
