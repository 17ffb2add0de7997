"""The claims of the site are those of CLAIMS.md."""

from pathlib import Path

from nanocl.records import store
from nanocl.site import claims

RESULTS = Path(__file__).parents[2] / "results"


def test_each_claim_has_the_verdict_of_the_page_of_claims():
    records, _ = store.load_folder(RESULTS / "runs" / "finetune-halves", RESULTS)
    page = (RESULTS / "CLAIMS.md").read_text(encoding="utf-8")
    chapters = dict(claims.judged(records, RESULTS))
    shown = chapters["Where NanoAdam's advantage over AdamW comes from"]
    assert len(shown) == 12
    for one in shown:
        section = page.split(
            f"### {one['row'].claim.claim[:1].upper()}{one['row'].claim.claim[1:]}"
        )
        assert (
            f"\n\n**{one['row'].verdict}**" in section[1][:60] or "not measured" in section[1][:60]
        )
        for name, numbers, state in one["settings"]:
            assert name.startswith("finetune-halves") and numbers and state
