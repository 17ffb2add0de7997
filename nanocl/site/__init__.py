"""One static folder of pages: boards, learners, claims, metrics; works offline, from `file://`.

Pages are templates of Jinja, which escapes every text of a record; plots are SVG files of
matplotlib. A page runs the one script of the site, `site.js`, and loads nothing from elsewhere.
"""

from __future__ import annotations

from nanocl.site.building import build

__all__ = ["build"]
