"""Links of the pages for the built site; in the repository they lead to files beside docs/.

A hook of mkdocs (mkdocs.yml). What is not part of the site, such as results/, is shown as its path.
"""

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(((?!#)[^)\s:]+)\)")


def on_page_markdown(markdown: str, **more: Any) -> str:
    """The text of a page with its links changed."""
    text = markdown
    if '--8<-- "CONTRIBUTING.md"' in text:
        text = (DOCS.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return _LINK.sub(_for_site, text)


def _for_site(link: re.Match[str]) -> str:
    words, target = link.groups()
    name = target.removeprefix("../")
    if name == "CONTRIBUTING.md":
        return f"[{words}](extending.md)"
    if name.startswith("docs/"):
        return f"[{words}]({name.removeprefix('docs/')})"
    path = target.partition("#")[0]
    if path.startswith("..") or not (DOCS / path).is_file():
        return words if words == name else f"{words} (`{name}` in the repository)"
    return link[0]
