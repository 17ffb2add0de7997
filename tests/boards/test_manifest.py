import hashlib
import json
import random

import made_boards

from nanocl.boards import contents, manifest, names
from nanocl.boards.released import Version
from nanocl.records import store
from nanocl.reporting.summaries import summarise


def made(rows):
    return manifest.make(rows, manifest.content_of(rows), Version(1, 0), {}, {}, None)


def test_the_identity_is_the_sum_of_the_file_as_any_tool_computes_it(version):
    content = (version.folder / "manifest.json").read_bytes()
    assert manifest.identity_of(version.manifest()) == hashlib.sha256(content).hexdigest()


def test_every_record_is_listed_with_the_checksum_that_its_file_has(root):
    entries = made(names.rows_of(made_boards.NAME, root))["records"]
    assert len(entries) == 3 * made_boards.SEEDS
    for entry in entries:
        record = json.loads((root / entry["path"]).read_text())
        assert (entry["checksum"], entry["digest"]) == (record["checksum"], record["digest"])


def test_the_order_of_the_records_does_not_change_the_identity(root):
    results, _ = store.load_all(root)
    before = manifest.identity_of(made(summarise(results)))
    random.Random(0).shuffle(results)
    assert manifest.identity_of(made(summarise(results))) == before


def test_the_manifest_has_the_sums_of_the_tables_and_the_whole_protocol(root):
    rows = names.rows_of(made_boards.NAME, root)
    values = made(rows)
    for name, text in contents.tables(rows, {}).items():
        assert values["tables"][name] == hashlib.sha256(text.encode()).hexdigest()
    spec = rows[0].results[0].spec
    assert values["protocol"] == {"hash": spec.protocol_hash, **spec.shared_identity()}


def test_no_date_and_no_path_of_this_machine_is_in_it(root):
    text = manifest.text_of(made(names.rows_of(made_boards.NAME, root)))
    assert str(root) not in text and "20" + "26-" not in text
