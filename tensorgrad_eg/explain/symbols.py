"""Derivatives that are not worked out yet, as operations on terms.

============= ======================= ===============================================================
op            payload                 stands for
============= ======================= ===============================================================
cotangent     direction               ∂root/∂a; its child is a
tangent       direction               ∂a along the direction; its child is a
pullback      direction               ∂root/∂e ∂e/∂a of a consumer e of a; children a, e
gradient      direction, axes         ∂root/∂W; children are the places where W is read
read-gradient direction, axes         what one of these places contributes
slope         function                f'(a), entry by entry
partial       place                   ∂e/∂a of the a that e reads in a place, entry by entry; its child is e
rename        pairs of labels         a symbol, or a tensor of a program, read under other names
============= ======================= ===============================================================
"""

from __future__ import annotations

from dataclasses import dataclass

from tensorgrad_eg.expr import Tensor

#: Derivatives that are not worked out.
SYMBOLS = frozenset({"cotangent", "tangent", "pullback", "gradient", "read-gradient", "slope", "partial"})
#: What is written as it is, without a name.
PLAIN = frozenset({"variable", "delta", "number", "constant", "extent"})


@dataclass(frozen=True)
class Direction:
    """What a derivative is of, or along: the facts that one name stands for in a differentiation.

    In reverse mode `root` is differentiated, and `consumers` lists who reads each term. In forward mode each
    source is varied along its seed, and `tips` are the new edges. What was asked for, and is no step on the
    way, also has its `variable`, and the labels of its new edges or what the variable moves `along`.

    >>> Direction(root=3).tips
    frozenset()
    """

    root: int = -1
    consumers: tuple[tuple[int, tuple[int, ...]], ...] = ()
    seeds: tuple[tuple[int, int], ...] = ()
    tips: frozenset[str] = frozenset()
    variable: str = ""
    axes: tuple[str, ...] = ()
    along: Tensor | None = None

    def readers(self, at: int) -> tuple[int, ...]:
        """Who reads a term, once for each time it does.

        >>> Direction(consumers=((0, (1, 1)),)).readers(0)
        (1, 1)
        """
        return dict(self.consumers).get(at, ())


def direction_name(payload: object) -> str:
    """The direction in the payload of a symbol.

    >>> direction_name("1:root7"), direction_name(("1:root7", ("i", "k")))
    ('1:root7', '1:root7')
    """
    return str(payload[0]) if isinstance(payload, tuple) else str(payload)
