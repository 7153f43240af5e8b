"""Pictures of expressions and of plans, in Penrose's notation, that show themselves.

In a notebook, in a file, or as text where nothing can draw.

>>> from tensorgrad_eg import Variable
>>> A, x = Variable("A", ["i", "k"]), Variable("x", ["k"])
>>> print(draw(A @ x))
Σ_k A[i,k] x[k]
>>> draw(A @ x).dot.splitlines()[1], draw(A @ x).svg()[:4]
('digraph {', '<svg')
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tensorgrad_eg.diagram.dot import to_dot
from tensorgrad_eg.diagram.drawing import from_expressions, from_program
from tensorgrad_eg.diagram.picture import Picture
from tensorgrad_eg.diagram.render import FORMATS, finish_svg, renderer, to_bytes
from tensorgrad_eg.emit import Compiled
from tensorgrad_eg.errors import OperandError, RendererError, suggestion
from tensorgrad_eg.expr import Tensor
from tensorgrad_eg.program.program import Program
from tensorgrad_eg.writing import check_writable, write_file

Drawable = Tensor | Compiled | Program | Mapping[str, Tensor] | Sequence[Tensor]


def draw(thing: Drawable) -> Diagram:
    """Draw a tensor, several of them below each other, or a plan.

    >>> from tensorgrad_eg import Variable
    >>> x = Variable("x", ["k"])
    >>> print(draw({"f": x, "g": x @ x}))
    f = x[k]; g = Σ_k x[k] x[k]
    """
    if isinstance(thing, Tensor):
        return Diagram(from_expressions({"": thing}))
    if isinstance(thing, Compiled):
        return Diagram(from_program(thing.program, thing.names))
    if isinstance(thing, Program):
        return Diagram(from_program(thing))
    if isinstance(thing, Mapping):
        return Diagram(from_expressions(thing))
    if isinstance(thing, Sequence) and all(isinstance(each, Tensor) for each in thing):
        return Diagram(from_expressions({str(at): tensor for at, tensor in enumerate(thing, 1)}))
    raise OperandError(
        f"a {type(thing).__name__} cannot be drawn: draw a tensor, a list or a dict of tensors, or a plan."
    )


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
        return to_dot(self.picture)

    def svg(self, *, alone: bool = False) -> str:
        """The picture as an SVG element, in the colour of the text around it; `alone` is for a file.

        Raises:
            RendererError: if nothing here can draw; it says what to install.
        """
        source = to_bytes(self.dot, "svg").decode()
        return finish_svg(source, self.picture.description, Path(renderer()).stem, alone=alone)

    def png(self) -> bytes:
        """The picture as PNG."""
        return to_bytes(self.dot, "png")

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
