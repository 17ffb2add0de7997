"""BibTeX of a leaderboard and of everything named in it: strategies, streams, models, data sets, metrics."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from nanocl import __version__
from nanocl.plugins.catalogue import INSTALLED
from nanocl.records import RunResult, UserError
from nanocl.records.ranges import nearest
from nanocl.reporting import metrics

BOARD = "leaderboard"


class Source(NamedTuple):
    """A publication: how a legend names it, and its BibTeX fields."""

    label: str
    kind: str
    fields: Mapping[str, str]


def _paper(
    label: str, title: str, author: str, year: int, *, arxiv: str = "", **fields: str
) -> Source:
    venue = (
        "inproceedings" if "booktitle" in fields else "article" if "journal" in fields else "misc"
    )
    numbers = {"eprint": arxiv, "archiveprefix": "arXiv"} if arxiv else {}
    return Source(
        f"{label}, {year}" + (f", arXiv:{arxiv}" if arxiv else ""),
        venue,
        {"title": title, "author": author, **fields, "year": str(year), **numbers},
    )


SOURCES = {
    "lopezpaz2017": _paper(
        "Lopez-Paz and Ranzato",
        "Gradient Episodic Memory for Continual Learning",
        "Lopez-Paz, David and Ranzato, Marc'Aurelio",
        2017,
        arxiv="1706.08840",
        booktitle="Advances in Neural Information Processing Systems",
    ),
    "rebuffi2017": _paper(
        "Rebuffi et al.",
        "{iCaRL}: Incremental Classifier and Representation Learning",
        "Rebuffi, Sylvestre-Alvise and Kolesnikov, Alexander and Sperl, Georg and Lampert, Christoph H.",
        2017,
        arxiv="1611.07725",
        booktitle="IEEE Conference on Computer Vision and Pattern Recognition",
    ),
    "masana2020": _paper(
        "Masana et al.",
        "Class-incremental learning: survey and performance evaluation on image classification",
        "Masana, Marc and Liu, Xialei and Twardowski, Bartlomiej and Menta, Mikel and Bagdanov, Andrew D. and "
        "van de Weijer, Joost",
        2020,
        arxiv="2010.15277",
    ),
    "riemer2019": _paper(
        "Riemer et al.",
        "Learning to Learn without Forgetting by Maximizing Transfer and Minimizing Interference",
        "Riemer, Matthew and Cases, Ignacio and Ajemian, Robert and Liu, Miao and Rish, Irina and Tu, Yuhai and "
        "Tesauro, Gerald",
        2019,
        arxiv="1810.11910",
        booktitle="International Conference on Learning Representations",
    ),
    "chaudhry2018": _paper(
        "Chaudhry et al.",
        "Riemannian Walk for Incremental Learning: Understanding Forgetting and Intransigence",
        "Chaudhry, Arslan and Dokania, Puneet K. and Ajanthan, Thalaiyasingam and Torr, Philip H. S.",
        2018,
        arxiv="1801.10112",
        booktitle="European Conference on Computer Vision",
    ),
    "delange2023": _paper(
        "De Lange et al.",
        "Continual evaluation for lifelong learning: Identifying the stability gap",
        "De Lange, Matthias and van de Ven, Gido M. and Tuytelaars, Tinne",
        2023,
        arxiv="2205.13452",
        booktitle="International Conference on Learning Representations",
    ),
    "vandeven2019": _paper(
        "van de Ven and Tolias",
        "Three scenarios for continual learning",
        "van de Ven, Gido M. and Tolias, Andreas S.",
        2019,
        arxiv="1904.07734",
    ),
    "lomonaco2021": _paper(
        "Avalanche: Lomonaco et al.",
        "{Avalanche}: an End-to-End Library for Continual Learning",
        "Lomonaco, Vincenzo and others",
        2021,
        arxiv="2104.00405",
    ),
    "zhou2025": _paper(
        "Zhou et al.",
        "Pay Attention to Small Weights",
        "Zhou, Chao and Jacobs, Tom and Gadhikar, Advait and Burkholz, Rebekka",
        2025,
        arxiv="2506.21374",
        booktitle="Advances in Neural Information Processing Systems",
    ),
    "lecun1998": _paper(
        "LeCun et al.",
        "Gradient-based learning applied to document recognition",
        "LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick",
        1998,
        journal="Proceedings of the IEEE",
        volume="86",
        number="11",
        pages="2278--2324",
    ),
    "xiao2017": _paper(
        "Xiao et al.",
        "{Fashion-MNIST}: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
        "Xiao, Han and Rasul, Kashif and Vollgraf, Roland",
        2017,
        arxiv="1708.07747",
    ),
    "krizhevsky2009": _paper(
        "Krizhevsky",
        "Learning Multiple Layers of Features from Tiny Images",
        "Krizhevsky, Alex",
        2009,
        howpublished="Technical report, University of Toronto",
    ),
    "nilsback2008": _paper(
        "Nilsback and Zisserman",
        "Automated Flower Classification over a Large Number of Classes",
        "Nilsback, Maria-Elena and Zisserman, Andrew",
        2008,
        booktitle="Indian Conference on Computer Vision, Graphics and Image Processing",
    ),
    "alpaydin1998": _paper(
        "Alpaydin and Kaynak",
        "Optical Recognition of Handwritten Digits",
        "Alpaydin, Ethem and Kaynak, Cenk",
        1998,
        howpublished="UCI Machine Learning Repository",
    ),
    "pedregosa2011": _paper(
        "scikit-learn: Pedregosa et al.",
        "Scikit-learn: Machine Learning in {Python}",
        "Pedregosa, Fabian and others",
        2011,
        journal="Journal of Machine Learning Research",
        volume="12",
        pages="2825--2830",
    ),
}
DATA_SETS = {
    "digits": ("alpaydin1998", "pedregosa2011"),
    "mnist": ("lecun1998",),
    "fashion-mnist": ("xiao2017",),
    "cifar10": ("krizhevsky2009",),
    "cifar100": ("krizhevsky2009",),
    "flowers102": ("nilsback2008",),
}


def label(key: str) -> str:
    """`Lopez-Paz and Ranzato, 2017, arXiv:1706.08840`."""
    return SOURCES[key].label


def bibtex(key: str) -> str:
    """The entry of a publication."""
    source = SOURCES[key]
    return _entry(source.kind, key, source.fields)


def board(identity: str, runs: int) -> str:
    """The entry of a leaderboard: which package, which records."""
    return _entry(
        "misc",
        f"nanocl-{identity}",
        {
            "title": "{nanocl} leaderboard",
            "author": "{The nanocl authors}",
            "note": f"nanocl {__version__}, records {identity} ({runs} runs)",
        },
    )


def cite(names: Sequence[str], results: Sequence[RunResult], identity: str) -> str:
    """BibTeX of what is named; without names, of the leaderboard and everything in it.

    Args:
        names: `leaderboard`, and names of strategies (or compositions), streams, models, data sets
            and metrics.
        results: The records of the leaderboard.
        identity: Its identity.

    Raises:
        UserError: A name that nothing goes by.
    """
    book = _book() | {BOARD: (board(identity, len(results)),)}
    wanted = [part for name in names for part in _parts(name, book)] or [
        BOARD,
        *_mentioned(results),
    ]
    entries: dict[str, str] = {}
    for name in wanted:
        for entry in _entries(name, book) or (f"% no citation is known for {name}",):
            entries.setdefault(_work(entry), entry.strip())
    return "\n\n".join(_with_own_keys(entries.values())) + "\n"


def _entry(kind: str, key: str, fields: Mapping[str, str]) -> str:
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}"


def _book() -> dict[str, tuple[str, ...]]:
    """Name to BibTeX entries of everything that can be cited."""
    book: dict[str, tuple[str, ...]] = {"avalanche": (bibtex("lomonaco2021"),)}
    for kind in metrics.KINDS:
        for column in filter(lambda column: column.source, metrics.columns(kind)):
            entries = tuple(map(bibtex, column.source))
            book |= {column.name.replace("_", "-"): entries, column.title.lower(): entries}
    for name, keys in DATA_SETS.items():
        book[name] = tuple(map(bibtex, keys))
    for kind in ("models", "streams", "strategies"):
        for plugin in INSTALLED.plugins(kind).values():
            name = plugin.name.lower()
            book[name] = (*book.get(name, ()), *_split(plugin.citation))
            book |= {
                f"{name}:{text.lower()}": _split(entry) for text, entry in plugin.citations.items()
            }
    return book


def _entries(name: str, book: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Of `pytorch-optimizer:SAM:AdamW` those of what stands after the colons, then those of the library."""
    stem, *texts = name.lower().split(":")
    own = (entry for text in texts for entry in book.get(f"{stem}:{text}", ()))
    return (*own, *book.get(stem, ()))


def _parts(name: str, book: Mapping[str, tuple[str, ...]]) -> list[str]:
    lowered = name.strip().lower()
    found = [text for text in (lowered, lowered.replace("_", "-")) if text in book]
    if found:
        return found[:1]
    parts = lowered.split("+")
    for stem in (part.split(":")[0] for part in parts):
        if stem not in book:
            near = nearest(stem, book)
            kinds = "name strategies, streams, models, data sets or metrics, or leaderboard"
            hint = f"did you mean {near!r}?" if near else kinds
            raise UserError(f"no citation for {name!r}; {hint}")
    return parts


def _mentioned(results: Iterable[RunResult]) -> Iterator[str]:
    """What the records name: strategies, streams, models, data sets, metrics, and what all of it stands on."""
    results = list(results)
    specs = [run.spec for run in results]
    yield from sorted({part.name for spec in specs for part in spec.strategy})
    yield from sorted({spec.stream.name for spec in specs})
    yield from sorted({spec.model.name for spec in specs})
    yield from sorted({str(data["name"]) for run in results for data in run.data})
    yield from (
        column.name.replace("_", "-") for column in metrics.columns("accuracy") if column.source
    )
    yield "avalanche"


def _split(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"^@\w+\{.*?^\}", text, re.DOTALL | re.MULTILINE)) or (
        (text,) if text.strip() else ()
    )


def _work(entry: str) -> str:
    """What an entry is of: its title without case and marks, so that a work is cited once under whatever key."""
    found = re.search(r"^\s*title\s*=\s*(.*?),?$", entry, re.MULTILINE)
    return re.sub(r"\W|_", "", found.group(1)).lower() if found else entry.strip()


def _with_own_keys(entries: Iterable[str]) -> Iterator[str]:
    """The entries, a key that was used before with a letter behind it."""
    used: set[str] = set()
    for entry in entries:
        key = re.match(r"@\w+\s*\{\s*([^,\s]+)", entry)
        own = key and next(
            k
            for k in (key[1] + letter for letter in ("", *string.ascii_lowercase))
            if k not in used
        )
        used.add(own or "")
        yield entry.replace(key[1], own, 1) if key else entry
