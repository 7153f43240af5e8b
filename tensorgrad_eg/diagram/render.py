"""Find a Graphviz, let it draw, and make its SVG fit into what surrounds it.

In this order: what the environment variable TENSORGRAD_EG_DOT names, `graphviz-pure`, which is installed with
this package and brings its own fonts, and `dot` on the path. All places are in the DOT text already, so that
every one of them draws the same.

>>> source = to_bytes('digraph { a [pos="0,0"] }', "svg")
>>> b"<svg" in source
True
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from html import escape
from pathlib import Path

from tensorgrad_eg.errors import RendererError

VARIABLE = "TENSORGRAD_EG_DOT"
FORMATS = ("svg", "png")
_SECONDS = 60


def renderer() -> str:
    """The program that draws.

    Raises:
        RendererError: if there is none.

    >>> Path(renderer()).exists()
    True
    """
    wanted = os.environ.get(VARIABLE)
    if wanted:
        found = shutil.which(wanted)
        if found:
            return found
        raise RendererError(
            f"{VARIABLE} is {wanted!r}, which is no program. Let it name a Graphviz (dot), or unset it."
        )
    for path in _candidates():
        if path:
            return path
    raise RendererError("nothing here draws pictures. Install a Graphviz: pip install graphviz-pure")


def to_bytes(dot: str, kind: str) -> bytes:
    """Draw a DOT text with all places filled in, as "svg" or "png".

    Raises:
        RendererError: if there is no Graphviz, or if it fails.

    >>> to_bytes('digraph { a [pos="0,0"] }', "png")[1:4]
    b'PNG'
    """
    program = renderer()
    scale = ["-Gdpi=144"] if kind == "png" else []
    command = [program, "-Kneato", "-n2", f"-T{kind}", *scale]
    try:
        done = subprocess.run(command, input=dot.encode(), capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(program, str(error)) from None
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip().split("\n")[0] or f"exit code {done.returncode}"
        raise _failed(program, reason)
    return done.stdout


def _failed(program: str, reason: str) -> RendererError:
    return RendererError(f"{program} does not draw: {reason}. Let {VARIABLE} name another Graphviz.")


def _candidates() -> Iterator[str | None]:
    # Scripts of an environment that is not activated are beside its interpreter, not on the path.
    beside = (str(Path(sys.executable).parent), sysconfig.get_path("scripts"))
    yield from (shutil.which("graphviz-pure", path=folder) for folder in beside)
    yield shutil.which("graphviz-pure")
    yield shutil.which("dot")


#: For a file: an image on a page does not inherit the colour of text, but knows if its reader prefers dark.
DARK = "<style>@media (prefers-color-scheme: dark) { :root { color: #E6E6E6 } }</style>"


def finish_svg(source: str, description: str, renderer: str, *, alone: bool = False) -> str:
    """Take what Graphviz wrote, drop its preamble, and describe it; `alone` is for a file of its own.

    Lines without a colour of their own take the colour of the text around the picture.

    >>> finish_svg('<svg width="9pt"><text x="1">k</text></svg>', "x[k]", "neato")
    '<svg width="9pt" role="img"><title>x[k]</title><desc>Drawn with neato.</desc><text fill="current...'
    """
    picture = source[source.index("<svg") :]
    picture = re.sub(r"<!--.*?-->\s*", "", picture, flags=re.DOTALL)
    picture = re.sub(r"\s*<title>.*?</title>", "", picture, flags=re.DOTALL)  # names of nodes, for nobody
    picture = re.sub(r'(fill|stroke)="black"', r'\1="currentColor"', picture)
    picture = re.sub(r"<text(?![^>]*\bfill=)", '<text fill="currentColor"', picture)
    about = f"<title>{escape(description)}</title><desc>Drawn with {escape(renderer)}.</desc>"
    style = DARK if alone else ""
    return re.sub(r"<svg\b([^>]*)>", lambda m: f'<svg{m[1]} role="img">{about}{style}', picture, count=1)
