"""Places, in points; x grows to the right and y upwards.

>>> Point(1, 2).moved(3)
Point(x=1, y=5)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Point(NamedTuple):
    """A place.

    >>> Point(1, 2).y
    2
    """

    x: float
    y: float

    def moved(self, dy: float) -> Point:
        """The same place higher up.

        >>> Point(1, 2).moved(-2)
        Point(x=1, y=0)
        """
        return Point(self.x, self.y + dy)


class Frame(NamedTuple):
    """The outline of a box.

    >>> Frame(0, -1, 2, 1).up
    1
    """

    left: float
    down: float
    right: float
    up: float

    def moved(self, dy: float) -> Frame:
        """The same outline higher up.

        >>> Frame(0, -1, 2, 1).moved(1)
        Frame(left=0, down=0, right=2, up=2)
        """
        return Frame(self.left, self.down + dy, self.right, self.up + dy)


NOWHERE = Frame(0.0, 0.0, 0.0, 0.0)


class Text(NamedTuple):
    """A word on a wire: its name, or the name that an axis has at its end.

    >>> Text("k", Point(0, 0)).moved(1).place
    Point(x=0, y=1)
    """

    text: str
    place: Point

    def moved(self, dy: float) -> Text:
        """The same word higher up.

        >>> Text("k", Point(0, 0)).moved(1).text
        'k'
        """
        return Text(self.text, self.place.moved(dy))


Curve = tuple[Point, Point, Point, Point]


def straight(start: Point, end: Point, bow: float = 0.0) -> Curve:
    """A line, or a curve that is `bow` above the line in its middle.

    >>> straight(Point(0, 0), Point(3, 0))[1]
    Point(x=1.0, y=0.0)
    """
    third = (end.x - start.x) / 3, (end.y - start.y) / 3
    lift = bow * 4 / 3
    return (
        start,
        Point(start.x + third[0], start.y + third[1] + lift),
        Point(end.x - third[0], end.y - third[1] + lift),
        end,
    )


def arc(start: Point, end: Point, height: float) -> Curve:
    """A curve that leaves upwards (or downwards) and has its top at `height`.

    >>> arc(Point(0, 0), Point(9, 0), 3)[1]
    Point(x=0, y=4.0)
    """
    return start, Point(start.x, _control(start.y, height)), Point(end.x, _control(end.y, height)), end


def _control(start: float, height: float) -> float:
    return (height - start / 4) / 0.75


@dataclass
class Layout:
    """Places of nodes, outlines of boxes, curves of wires by their number, words on wires, and dots on loops.

    >>> Layout().points
    {}
    """

    points: dict[str, Point] = field(default_factory=dict)
    frames: dict[str, Frame] = field(default_factory=dict)
    curves: dict[int, Curve] = field(default_factory=dict)
    texts: list[Text] = field(default_factory=list)
    dots: list[Point] = field(default_factory=list)
    titles: list[Text] = field(default_factory=list)
    bounds: Frame = NOWHERE

    def take(self, part: Layout, dy: float) -> None:
        """Take in another layout, moved upwards.

        >>> whole = Layout(); whole.take(Layout({"x": Point(0, 0)}), 5); whole.points["x"].y
        5
        """
        self.points.update({key: point.moved(dy) for key, point in part.points.items()})
        self.frames.update({key: frame.moved(dy) for key, frame in part.frames.items()})
        for at, (a, b, c, d) in part.curves.items():
            self.curves[at] = (a.moved(dy), b.moved(dy), c.moved(dy), d.moved(dy))
        self.texts += [text.moved(dy) for text in part.texts]
        self.dots += [dot.moved(dy) for dot in part.dots]
