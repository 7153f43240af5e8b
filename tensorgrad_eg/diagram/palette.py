"""How each mark looks. The colours, of Okabe and Ito, are told apart by all; the shape says the same again.

>>> NODES["variable"]["shape"], BOXES["function"]["style"]
('circle', 'rounded,dashed')
"""

from __future__ import annotations

SKY, GREEN, YELLOW, ORANGE = "#56B4E9", "#009E73", "#F0E442", "#E69F00"
VERMILION, BLUE = "#D55E00", "#0072B2"
INK = "#1A1A1A"  # what is written on a colour; all other ink takes the colour of the text around the picture
FONT = "Helvetica"

Attributes = dict[str, str]

_TEXT: Attributes = {"shape": "plaintext", "fixedsize": "false", "margin": "0"}
_ROUND: Attributes = {"shape": "circle", "style": "filled", "color": INK, "fontcolor": INK}

NODES: dict[str, Attributes] = {
    "variable": {**_ROUND, "fillcolor": SKY},
    "wanted": {**_ROUND, "fillcolor": YELLOW, "penwidth": "2.5"},
    "result": {
        "shape": "box",
        "style": "filled,rounded",
        "color": INK,
        "fontcolor": INK,
        "fillcolor": ORANGE,
    },
    "copy": {"shape": "point"},
    "leg": {**_TEXT, "fontsize": "11"},
    "text": {**_TEXT, "fontsize": "15"},
    "elided": {**_TEXT, "fontsize": "15"},
}
#: Names on wires, names of panels, and the dot where a leg starts on a loop.
WORD: Attributes = {**_TEXT, "fontsize": "11", "width": "0.1", "height": "0.1"}
TITLE: Attributes = {**_TEXT, "width": "0.1", "height": "0.1"}
DOT: Attributes = {"shape": "point", "width": "0.1", "height": "0.1", "color": VERMILION}

BOXES: dict[str, Attributes] = {
    "panel": {"color": "none", "penwidth": "0"},
    "sum": {"color": BLUE, "style": "solid", "penwidth": "1.2"},
    "term": {"color": "none", "penwidth": "0"},
    "function": {"color": GREEN, "style": "rounded,dashed", "penwidth": "1.2", "fontcolor": GREEN},
    "loop": {"color": VERMILION, "style": "rounded", "penwidth": "3", "fontcolor": VERMILION},
}
