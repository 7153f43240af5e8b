"""What shows a picture: in a notebook, in a file, or as text where nothing can draw.

>>> print(Diagram(Picture((), (), (), (), "nothing")))
nothing
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Container, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from tensorgrad_eg.diagram.layout import FONT_SIZE, LINE, SMALL_FONT, Point, lay_out, node_size, text_width
from tensorgrad_eg.diagram.picture import Box, Node, Picture, Wire
from tensorgrad_eg.errors import RendererError, suggestion
from tensorgrad_eg.running import check_writable, write_file

if TYPE_CHECKING:
    from graphviz import Digraph

_SKY, _GREEN, _YELLOW, _ORANGE, _VERMILION, _BLUE = (
    *("#56B4E9", "#009E73", "#F0E442", "#E69F00"),
    *("#D55E00", "#0072B2"),
)
_INK = "#1A1A1A"  # what is written on a colour; all other ink takes the colour of the text around the picture
_FONT = "Helvetica"

Look = dict[str, str]

_TEXT: Look = {"shape": "plaintext", "fixedsize": "false", "margin": "0"}
_COLOURED: Look = {"style": "filled", "color": _INK, "fontcolor": _INK}

NODES: dict[str, Look] = {
    "variable": {**_COLOURED, "shape": "circle", "fillcolor": _SKY},
    "wanted": {**_COLOURED, "shape": "circle", "fillcolor": _YELLOW, "penwidth": "2.5"},
    "result": {**_COLOURED, "shape": "box", "style": "filled,rounded", "fillcolor": _ORANGE},
    "copy": {"shape": "point"},
    "leg": {**_TEXT, "fontsize": "11"},
    "text": {**_TEXT, "fontsize": "15"},
    "elided": {**_TEXT, "fontsize": "15"},
}
BOXES: dict[str, Look] = {
    "panel": {"color": "none", "penwidth": "0"},
    "sum": {"color": _BLUE, "style": "solid", "penwidth": "1.2"},
    "term": {"color": "none", "penwidth": "0"},
    "function": {"color": _GREEN, "style": "rounded,dashed", "penwidth": "1.2", "fontcolor": _GREEN},
    "loop": {"color": _VERMILION, "style": "rounded", "penwidth": "3", "fontcolor": _VERMILION},
}
#: Names on wires, names of panels, and the dot where a leg starts on a loop.
_WORD: Look = {**_TEXT, "fontsize": "11", "width": "0.1", "height": "0.1"}
_TITLE: Look = {**_TEXT, "width": "0.1", "height": "0.1"}
_DOT: Look = {"shape": "point", "width": "0.1", "height": "0.1", "color": _VERMILION}
VARIABLE = "TENSORGRAD_EG_DOT"
FORMATS = ("svg", "png")
_SECONDS = 60
#: For a file: an image on a page does not inherit the colour of text, but knows if its reader prefers dark.
DARK = "<style>@media (prefers-color-scheme: dark) { :root { color: #E6E6E6 } }</style>"


def _to_dot(picture: Picture) -> str:
    """Write a picture as a directed graph whose directions mean nothing."""
    from graphviz import Digraph

    writer = _Writer(picture)
    graph = Digraph(
        comment="neato -n2 -Tsvg",
        graph_attr={
            "bb": _numbers(*writer.layout.bounds),
            "bgcolor": "transparent",
            "outputorder": "edgesfirst",  # wires reach to the middle of the nodes, which are drawn over them
            "pad": "0.1",
            "fontname": _FONT,
            "fontsize": str(SMALL_FONT),
        },
        node_attr={"fontname": _FONT, "fontsize": str(FONT_SIZE), "fixedsize": "true"},
        edge_attr={"dir": "none"},
    )
    writer.write(graph)
    return str(graph.source)


class _Writer:
    def __init__(self, picture: Picture) -> None:
        self.picture, self.layout = picture, lay_out(picture)

    def write(self, graph: Digraph) -> None:
        for box in self.picture.boxes:
            if not box.parent:
                self._box(graph, box)
        for at, wire in enumerate(self.picture.wires):
            if at in self.layout.curves:
                self._wire(graph, wire, " ".join(_numbers(*point) for point in self.layout.curves[at]))
        # Words on wires, dots on loops and titles of panels: marks with a place and nothing else.
        for at, text in enumerate(self.layout.texts):
            _mark(graph, f"word {at}", text.text, text.place, _WORD)
        for at, dot in enumerate(self.layout.dots):
            _mark(graph, f"dot {at}", "", dot, _DOT)
        for at, text in enumerate(self.layout.titles):
            _mark(graph, f"title {at}", text.text, text.place, _TITLE)

    def _box(self, graph: Digraph, box: Box) -> None:
        frame = self.layout.frames[box.key]
        look = {"label": "", "bb": _numbers(*frame), **BOXES[box.kind]}
        if box.label and box.kind != "panel":
            width = text_width(box.label, SMALL_FONT)
            look["label"] = _escaped(box.label)
            look["lp"] = _numbers(frame.left + 7 + width / 2, frame.up - LINE / 2 - 1)
        with graph.subgraph(name=f"cluster {_key(box.key)}") as inside:
            inside.attr(**look)
            for node in self.picture.nodes:
                if node.box == box.key and node.key in self.layout.points:
                    self._node(inside, node)
            for inner in self.picture.boxes:
                if inner.parent == box.key:
                    self._box(inside, inner)

    def _node(self, graph: Digraph, node: Node) -> None:
        width, height = node_size(node)
        look = {**NODES[node.kind], "width": _numbers(width / 72), "height": _numbers(height / 72)}
        if node.kind in ("variable", "wanted") and width > height:
            look["shape"] = "ellipse"
        _mark(graph, node.key, node.label, self.layout.points[node.key], look)

    def _wire(self, graph: Digraph, wire: Wire, curve: str) -> None:
        """A wire to a frame is one to a node within, for Graphviz: what counts is its curve."""
        first, second = (_key(self._anchor(key)) for key in wire.targets)
        graph.edge(first, second, pos=curve)

    def _anchor(self, key: str) -> str:
        boxes = [key]
        boxes += [box.key for box in self.picture.boxes if key in self.picture.around(box.key)]
        return next((node.key for node in self.picture.nodes if node.key == key or node.box in boxes), key)


def _mark(graph: Digraph, key: str, label: str, place: Point, look: Look) -> None:
    graph.node(_key(key), _escaped(label), pos=_numbers(*place), **look)


def _numbers(*values: float) -> str:
    return ",".join(f"{round(value, 2) + 0.0:g}" for value in values)


def _key(text: str) -> str:
    """A key as DOT reads it back: after a colon it would name a side of the node."""
    return _escaped(text.replace("%", "%25").replace(":", "%3A"))


def _escaped(text: str) -> str:
    from graphviz import escape

    return str(escape(text.replace("\n", " ")))


def renderer() -> str:
    """The program that draws.

    Raises:
        RendererError: if there is none.
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


def _to_bytes(dot: str, kind: str) -> bytes:
    """Draw a DOT text with all places filled in, as "svg" or "png".

    Raises:
        RendererError: if there is no Graphviz, or if it fails.
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


def _finish_svg(source: str, description: str, renderer: str, *, alone: bool = False) -> str:
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


def check_picture(path: str | Path) -> Path:
    """Return the path of a picture if one can be saved there: to be asked before anything long is begun.

    Raises:
        WriteError: if there is no such folder, or if writing is not permitted.
        RendererError: if its name does not end as that of a picture.

    >>> check_picture("x.svg").suffix
    '.svg'
    """
    target = Path(path)
    kind, known = target.suffix.lower(), [*(f".{kind}" for kind in FORMATS), ".dot"]
    if kind not in (*known, ".gv"):
        raise RendererError(
            f"pictures are saved as {', '.join(known)}, not as '{kind or target.name}'."
            f"{suggestion(kind, known)} Name the file {target.with_suffix('.svg').name}, for one."
        )
    check_writable(target)
    return target


@dataclass(frozen=True)
class Diagram:
    """A picture with the means to show it.

    >>> print(Diagram(Picture((), (), (), (), "nothing")))
    nothing
    """

    picture: Picture

    @property
    def dot(self) -> str:
        """The picture in the language of Graphviz, the same text each time.

        >>> Diagram(Picture((), (), ())).dot.splitlines()[1]
        'digraph {'
        """
        return _to_dot(self.picture)

    def svg(self, *, alone: bool = False) -> str:
        """The picture as an SVG element, in the colour of the text around it; `alone` is for a file.

        Raises:
            RendererError: if nothing here can draw; it says what to install.
        """
        source = _to_bytes(self.dot, "svg").decode()
        return _finish_svg(source, self.picture.description, Path(renderer()).stem, alone=alone)

    def png(self) -> bytes:
        """The picture as PNG."""
        return _to_bytes(self.dot, "png")

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file: .svg, .png or .dot, which needs no Graphviz.

        Raises:
            WriteError: if there is no such folder, or if writing is not permitted.
            RendererError: for other files, or if nothing is there that draws.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Diagram(Picture((), (), ())).save(Path(folder) / "x.dot").name
        'x.dot'
        """
        target = check_picture(path)
        match target.suffix.lower():
            case ".svg":
                write_file(target, self.svg(alone=True))
            case ".png":
                write_file(target, self.png())
            case _:
                write_file(target, self.dot)
        return target

    def __str__(self) -> str:
        """Say in words what the picture shows."""
        return self.picture.description

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        """What a notebook shows. Never an error: without a Graphviz, the text, and how to get the picture."""
        bundle = {"text/plain": str(self)}
        try:
            bundle["image/svg+xml"] = self.svg()
        except RendererError as error:
            bundle["text/plain"] += f"\n({error})"
        wanted = {kind: data for kind, data in bundle.items() if include is None or kind in include}
        return {kind: data for kind, data in wanted.items() if exclude is None or kind not in exclude}
