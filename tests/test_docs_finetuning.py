"""The code of docs/finetuning.md runs, and its records are on the page of the report."""

from pathlib import Path

import pytest
import torch
from test_docs import blocks
from training_cases import classified, plain_network, tiny_bert, vectors

from nanocl.records import trainings

PAGE = Path(__file__).parents[1] / "docs" / "finetuning.md"


def test_the_three_blocks_of_code_write_three_records(tmp_path):
    transformers = pytest.importorskip("transformers")
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = plain_network()

        def forward(self, inputs):
            return self.network(inputs)

        def training_step(self, batch, number):
            return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=0.01)

    names = {
        "torch": torch,
        "results": tmp_path,
        "model": tiny_bert(transformers),
        "arguments": transformers.TrainingArguments(
            output_dir=str(tmp_path / "trainer"),
            max_steps=2,
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
        ),
        "new_train": classified(),
        "old_test": classified(seed=1),
        "new_test": classified(seed=2),
        "old_pairs": vectors(seed=1),
        "new_pairs": vectors(seed=2),
        "module": Module(),
        "network": plain_network(),
        "loader": torch.utils.data.DataLoader(vectors(), 12),
        "quiet": {"logger": False, "enable_checkpointing": False, "accelerator": "cpu"},
    }
    code = blocks(PAGE, "python")
    for block in code:
        exec(block, names)
    records, problems = trainings.load_all(tmp_path)
    assert len(code) == len(records) == 3 and not problems
    loops = {record["spec"]["loop"] for record in records}
    assert loops == {"transformers", "lightning", "loop"}
    assert {record["status"] for record in records} == {"ok"}
