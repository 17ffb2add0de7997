"""Publications that tables and citations refer to: metrics and data sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Publication(NamedTuple):
    """A publication: its label in a legend, and its BibTeX fields."""

    label: str
    kind: str
    fields: Mapping[str, str]


def _paper(
    label: str,
    title: str,
    author: str,
    year: int,
    *,
    arxiv: str = "",
    **fields: str,
) -> Publication:
    venue = (
        "inproceedings" if "booktitle" in fields else "article" if "journal" in fields else "misc"
    )
    numbers = {"eprint": arxiv, "archiveprefix": "arXiv"} if arxiv else {}
    return Publication(
        f"{label}, {year}" + (f", arXiv:{arxiv}" if arxiv else ""),
        venue,
        {
            "title": title,
            "author": author,
            **fields,
            "year": str(year),
            **numbers,
        },
    )


PUBLICATIONS = {
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
        "Rebuffi, Sylvestre-Alvise and Kolesnikov, Alexander and Sperl, Georg and "
        "Lampert, Christoph H.",
        2017,
        arxiv="1611.07725",
        booktitle="IEEE Conference on Computer Vision and Pattern Recognition",
    ),
    "kornblith2019": _paper(
        "Kornblith et al.",
        "Similarity of Neural Network Representations Revisited",
        "Kornblith, Simon and Norouzi, Mohammad and Lee, Honglak and Hinton, Geoffrey",
        2019,
        arxiv="1905.00414",
        booktitle="Proceedings of the 36th International Conference on Machine Learning",
    ),
    "shenfeld2025": _paper(
        "Shenfeld et al.",
        "{RL}'s Razor: Why Online Reinforcement Learning Forgets Less",
        "Shenfeld, Idan and Pari, Jyothish and Agrawal, Pulkit",
        2025,
        arxiv="2509.04259",
    ),
    "masana2020": _paper(
        "Masana et al.",
        "Class-incremental learning: survey and performance evaluation on image classification",
        "Masana, Marc and Liu, Xialei and Twardowski, Bartlomiej and Menta, Mikel and "
        "Bagdanov, Andrew D. and "
        "van de Weijer, Joost",
        2020,
        arxiv="2010.15277",
    ),
    "riemer2019": _paper(
        "Riemer et al.",
        "Learning to Learn without Forgetting by Maximizing Transfer and Minimizing Interference",
        "Riemer, Matthew and Cases, Ignacio and Ajemian, Robert and Liu, Miao and Rish, Irina and "
        "Tu, Yuhai and "
        "Tesauro, Gerald",
        2019,
        arxiv="1810.11910",
        booktitle="International Conference on Learning Representations",
    ),
    "chaudhry2018": _paper(
        "Chaudhry et al.",
        "Riemannian Walk for Incremental Learning: Understanding Forgetting and Intransigence",
        "Chaudhry, Arslan and Dokania, Puneet K. and Ajanthan, Thalaiyasingam and "
        "Torr, Philip H. S.",
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
    "ashley2021": _paper(
        "Ashley, Ghiassian and Sutton",
        "Does the {Adam} Optimizer Exacerbate Catastrophic Forgetting?",
        "Ashley, Dylan R. and Ghiassian, Sina and Sutton, Richard S.",
        2021,
        arxiv="2102.07686",
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
    return PUBLICATIONS[key].label
