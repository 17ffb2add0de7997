"""Public evidence is shown with its own unit and in agreement with what is said of it."""

from nanocl.studies import evidence


def test_the_text_agrees_with_the_table():
    rows = {name: (right, rise) for name, right, rise in evidence.PEFT}
    largest = rows["Super-Tuning, largest weights"]
    smallest = rows["Super-Tuning, smallest weights"]
    assert abs(largest[0] - smallest[0]) < 0.005 and 8 < smallest[1] / largest[1] < 12
    assert "a tenth of what the smallest do" in " ".join(evidence.SECTION.split())
    assert all(f"{rise:.4f}" in evidence.SECTION for _, rise in rows.values())
