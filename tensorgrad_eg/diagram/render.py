"""Find a Graphviz, and let it draw.

In this order: what the environment variable TENSORGRAD_EG_DOT names, `graphviz-pure`, which is installed with
this package and brings its own fonts, and `dot` on the path. All places are in the DOT text already, so that
every one of them draws the same.

>>> source = to_bytes('digraph { a [pos="0,0"] }', "svg")
>>> b"<svg" in source
True
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
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
