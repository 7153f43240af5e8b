"""A picture is right when it can be read back: as arrays it equals what it is a picture of."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from expr_reference import EXPRESSIONS, SIZES, evaluate, random_arrays
from hypothesis import given, settings
from picture_reader import Reader, differences
from programs import arrays_for, interpret, programs

import tensorgrad_eg as tg
from tensorgrad_eg import diagram
from tensorgrad_eg import functions as F
from tensorgrad_eg.diagram import from_expressions, from_program
from tensorgrad_eg.diagram.layout import lay_out
from tensorgrad_eg.expr import Tensor, Variable, variables
from tensorgrad_eg.program import Program


def check_expression(e: Tensor) -> None:
    """The picture of an expression, read back, has its value."""
    arrays = random_arrays(e, SIZES)
    axes = {name: variable.edges for name, variable in variables([e]).items()}
    array, names = Reader(from_expressions({"e": e}), arrays, axes, SIZES).panels()["e"]
    assert tuple(names) == e.edges
    np.testing.assert_allclose(array, evaluate(e, arrays, SIZES), rtol=1e-8, atol=1e-8)


@given(EXPRESSIONS)
@settings(max_examples=300)
def test_expression(e: Tensor) -> None:
    """The picture of any expression without derivatives means what the expression means."""
    check_expression(e)


@given(EXPRESSIONS)
@settings(max_examples=150)
def test_expression_with_panels(e: Tensor) -> None:
    """The same holds when what is shared is drawn once, in a panel of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagram, "SMALL", 4)
        check_expression(e)


@given(EXPRESSIONS)
@settings(max_examples=60)
def test_derivative(e: Tensor) -> None:
    """What a loop around a picture means is the derivative, also where its new legs meet the old ones."""
    for variable in list(variables([e]).values())[:1]:
        check_derivative(e, variable)


def check_derivative(e: Tensor, variable: Variable) -> None:
    """The picture of a derivative, and of its trace, read back by differences."""
    arrays = random_arrays(e, SIZES)
    axes = {name: each.edges for name, each in variables([e]).items()}
    d = tg.Derivative(e, variable)
    expected = differences(lambda: evaluate(e, arrays, SIZES), arrays[variable.name])
    named = {"d": d}
    pair = next(((a, b) for a in e.edges for b in d.names if SIZES[a[0]] == SIZES[b[0]]), None)
    if pair:
        rest = [edge for edge in d.edges if edge not in pair]
        named["trace"] = F.trace(d.sum(*rest) if rest else d, *pair)
    panels = Reader(from_expressions(named), arrays, axes, Sizes()).panels()
    np.testing.assert_allclose(panels["d"][0], expected, rtol=1e-5, atol=1e-5)
    if pair:
        at = ["p" if edge in pair else edge for edge in d.edges]
        names = {edge: n for n, edge in enumerate(dict.fromkeys(at))}
        trace = np.einsum(expected, [names[edge] for edge in at], [])
        np.testing.assert_allclose(panels["trace"][0], trace, rtol=1e-5, atol=1e-5)


class Sizes(dict[str, int]):
    """The size of an edge, whatever underscores a derivative appended to its name."""

    def __missing__(self, edge: str) -> int:
        return SIZES[edge.rstrip("_")]


@given(programs())
@settings(max_examples=300)
def test_program(program: Program) -> None:
    """The picture of any program means what the program computes, panel by panel."""
    check_program(program)


def check_program(program: Program) -> None:
    """The picture of a program, read back, has its results; constants are read by value, not label."""
    program = replace(program, steps=tuple(replace(step, label="") for step in program.steps))
    arrays = {name: np.abs(array) + 0.1 for name, array in arrays_for(program).items()}
    names = [f"out{at}" for at in range(len(program.outputs))]
    axes = {given.name: given.edges for given in program.inputs}
    with np.errstate(all="ignore"):
        panels = Reader(from_program(program, names), arrays, axes, program.sizes).panels()
        expected: list[Any] = interpret(program, arrays)
        for name, out, value in zip(names, program.outputs, expected, strict=True):
            array, legs = panels[name]
            assert tuple(legs) == out.names
            np.testing.assert_allclose(array, value, rtol=1e-6, atol=1e-6)


@given(programs())
@settings(max_examples=150)
def test_layout_of_programs(program: Program) -> None:
    """Nothing on the line of a panel overlaps its neighbour, and every wire has its curve."""
    check_layout(from_program(program))


@given(EXPRESSIONS)
@settings(max_examples=150)
def test_layout_of_expressions(e: Tensor) -> None:
    """The same holds for expressions, and for their derivatives."""
    read = list(variables([e]).values())
    check_layout(from_expressions({"": e}))
    if read:
        check_layout(from_expressions({"f": tg.Derivative(tg.Derivative(e, read[0]), read[-1])}))


def check_layout(picture: Any) -> None:
    """Every node has a place inside the frame of its box, apart from other nodes, and every wire a curve."""
    layout = lay_out(picture)
    assert set(layout.points) == {node.key for node in picture.nodes}
    assert set(layout.curves) == set(range(len(picture.wires)))
    legs = {node.key for node in picture.nodes if node.kind == "leg"}
    line = sorted((p.y, p.x) for key, p in layout.points.items() if key not in legs)
    for (y, x), (other_y, other_x) in pairwise(line):
        assert y != other_y or other_x - x >= 6
    for node in picture.nodes:
        frame, point = layout.frames[node.box], layout.points[node.key]
        assert frame.left <= point.x <= frame.right
        assert frame.down <= point.y <= frame.up
