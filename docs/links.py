"""Links of the pages for the built site; in the repository they lead to files beside docs/.

A hook of mkdocs (mkdocs.yml). Pictures of results/ are added to the site. Other files outside docs/
are shown as their paths.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

DOCS = Path(__file__).parent
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(((?!#)[^)\s:]+)\)")
_PICTURE = re.compile(r"(!\[[^\]]*\])\(\.\./(results/[\w/.-]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site with the pictures of results/ that pages show."""
    for page in DOCS.glob("*.md"):
        for _, path in _PICTURE.findall(page.read_text(encoding="utf-8")):
            source = str(DOCS.parent / path)
            files.append(File.generated(config, f"pictures/{path}", abs_src_path=source))
    return files


def on_page_markdown(markdown: str, **more: Any) -> str:
    """The text of a page with its links changed."""
    text = markdown
    if '--8<-- "CONTRIBUTING.md"' in text:
        text = (DOCS.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    text = _PICTURE.sub(r"\1(pictures/\2)", text)
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
