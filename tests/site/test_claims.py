"""The claims of the site are those of CLAIMS.md."""

from pathlib import Path

from nanocl.records import store
from nanocl.site import claims
from nanocl.studies.finetune import decomposition

RESULTS = Path(__file__).parents[2] / "results"


def test_each_claim_has_the_verdict_of_the_page_of_claims():
    records = []
    halves = ("finetune-halves", "finetune-halves-reverse")
    for name in (*halves, "finetune-text", "finetune-flowers"):
        records += store.load_folder(RESULTS / "runs" / name, RESULTS)[0]
    page = (RESULTS / "CLAIMS.md").read_text(encoding="utf-8")
    chapters = dict(claims.judged(records, RESULTS))
    shown = chapters["Where NanoAdam's advantage over AdamW comes from"]
    assert len(shown) == len(decomposition.rows())
    for one in shown:
        claim = one["row"].claim.claim
        section = page.split(f"### {claim[:1].upper()}{claim[1:]}\n")[1]
        assert section.startswith(f"\n**{one['row'].verdict}**")
        assert all(name in section and numbers in section for name, numbers, _ in one["settings"])
