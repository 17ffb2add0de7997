"""Which own trainings the page sets in one table, and which it keeps apart."""

import torch
from training_cases import plain_network, vectors

from nanocl.integrations.loop import ForgettingMeter
from nanocl.records import trainings
from nanocl.studies.byo import page

OLD = vectors(seed=1)
SHIFTED = [(inputs + 1, label) for inputs, label in OLD]


def recorded(folder, name, keep, lr=0.1, **options):
    """The record of a training of one step."""
    network = plain_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    meter = ForgettingMeter(keep, results=folder, name=name, **options)
    meter.before(network, optimizer)
    meter.step(network, optimizer)
    return trainings.load(meter.after(network, optimizer))


def test_results_on_kept_data_of_other_content_stand_in_separate_tables(tmp_path):
    for name, data in (("one", OLD), ("same", [*OLD]), ("shifted", SHIFTED)):
        recorded(tmp_path, name, {"a": data})
    records, _ = trainings.load_all(tmp_path)
    groups = page.groups(records)
    names = [{record["spec"]["name"] for record in group} for group in groups.values()]
    assert names == [{"one", "same"}, {"shifted"}]
    assert len({page.figure_name(group) for group in groups.values()}) == 2
    for title, (record, *_) in groups.items():
        assert f"a (data {record['spec']['data']['a']})" in title
    assert page.page(records).count("their results do not compare") == 2


def test_a_kept_function_and_a_record_without_fingerprints_are_called_unidentified(tmp_path):
    record = recorded(tmp_path, "one", {"a": OLD, "number": lambda model: 1.0})
    (title,) = page.groups([record])
    assert "number (unidentified)" in title and "a (unidentified)" not in title
    assert "Unidentified: number. Functions" in page.page([record])
    old = {**record, "spec": {**record["spec"]}}
    del old["spec"]["data"]
    assert "Unidentified: a, number." in page.page([old])
    assert len(page.groups([record, old])) == 2
