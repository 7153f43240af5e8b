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

from collections.abc import Mapping, Sequence

from tensorgrad_eg.diagram.display import Diagram
from tensorgrad_eg.diagram.drawing import from_expressions, from_program
from tensorgrad_eg.emit import Compiled
from tensorgrad_eg.errors import OperandError
from tensorgrad_eg.expr import Tensor
from tensorgrad_eg.program.program import Program

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
