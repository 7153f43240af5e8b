"""SVG that fits into what surrounds it: a dark page, a screen reader, another picture on the same page.

>>> finish_svg('<svg width="9pt"><text x="1">k</text></svg>', "x[k]", "neato")
'<svg width="9pt" role="img"><title>x[k]</title><desc>Drawn with neato.</desc><text fill="current...'
"""

from __future__ import annotations

import re
from html import escape

#: For a file: an image on a page does not inherit the colour of text, but knows if its reader prefers dark.
DARK = "<style>@media (prefers-color-scheme: dark) { :root { color: #E6E6E6 } }</style>"


def finish_svg(source: str, description: str, renderer: str, *, alone: bool = False) -> str:
    """Take what Graphviz wrote, drop its preamble, and describe it; `alone` is for a file of its own.

    Lines without a colour of their own take the colour of the text around the picture.
    """
    picture = source[source.index("<svg") :]
    picture = re.sub(r"<!--.*?-->\s*", "", picture, flags=re.DOTALL)
    picture = re.sub(r"\s*<title>.*?</title>", "", picture, flags=re.DOTALL)  # names of nodes, for nobody
    picture = re.sub(r'(fill|stroke)="black"', r'\1="currentColor"', picture)
    picture = re.sub(r"<text(?![^>]*\bfill=)", '<text fill="currentColor"', picture)
    about = f"<title>{escape(description)}</title><desc>Drawn with {escape(renderer)}.</desc>"
    style = DARK if alone else ""
    return re.sub(r"<svg\b([^>]*)>", lambda m: f'<svg{m[1]} role="img">{about}{style}', picture, count=1)
