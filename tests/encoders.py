"""A tiny BERT with its tokenizer, and small text data sets, written to disk."""

import csv
from pathlib import Path

WORDS = ("red", "blue", "round", "flat", "small", "big", "old", "new")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def write_encoder(folder: Path, *, layers: int = 1, seed: int = 0, pooler: bool = True) -> Path:
    """Write a BERT of width 16 with random weights; its vocabulary is `WORDS`."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config, add_pooling_layer=pooler).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    numbers = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    made = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])],
    )
    made.enable_padding(length=50)  # as published files have it; data sets must not be padded so
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))


def sentences(label: int, count: int) -> list[str]:
    """Texts of different lengths in which the word of the label stands most often."""
    rest = [WORDS[(label + 1 + number) % len(WORDS)] for number in range(count)]
    return [" ".join([WORDS[label]] * (1 + n % 5) + [rest[n]] * (n % 2)) for n in range(count)]


def write_texts(folder: Path, labels: tuple[int, ...], *, train: int = 16, test: int = 8) -> None:
    """Write a text data set with one class for each label."""
    folder.mkdir(parents=True)
    for split, count in (("train", train), ("test", test)):
        with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["text", "label"])
            for label in labels:
                table.writerows([text, f"class{label}"] for text in sentences(label, count))
