"""Pictures as DOT text, their files, and what draws them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import tensorgrad_eg as tg
from tensorgrad_eg import functions as F
from tensorgrad_eg.diagram import display, draw
from tensorgrad_eg.diagram.display import BOXES, NODES, Diagram
from tensorgrad_eg.diagram.picture import BOX_KINDS, NODE_KINDS
from tensorgrad_eg.errors import OperandError, RendererError

PICTURES = Path(__file__).parent / "pictures"
ACCEPT = "ACCEPT_PICTURES"

A, x, y = tg.Variable("A", ["i", "k"]), tg.Variable("x", ["k"]), tg.Variable("y", ["i"])
X, W1, W2 = tg.Variable("X", ["b", "i"]), tg.Variable("W1", ["i", "j"]), tg.Variable("W2", ["j", "k"])
T = tg.Variable("T", ["b", "k"])
C = tg.Variable("C", i="n", j="n")
loss = F.frobenius2(A @ x - y)
logits = F.dot(F.tanh(X @ W1), W2, "j")

CASES = {
    "product": A @ x,
    "l2": loss,
    "l2_gradient": tg.Derivative(loss, x),
    "hessian_of_exp": tg.Derivative(tg.Derivative(F.sum(F.exp(A @ x)), x), x),
    "cross_entropy": {"logits": logits, "loss": F.cross_entropy(logits, T, "k")},
    "trace": F.trace(C),
    "transposed": C + C.rename(i="j", j="i"),
    "shared_edge": F.tanh(x * x + 2) * x,
    "layer_norm": F.layer_norm(X, "i"),
    "directional": tg.jvp(F.tanh(A @ x), x, tg.Variable("v", ["k"])),
}


@pytest.mark.parametrize("name", CASES)
def test_dot_text(name: str) -> None:
    """Pictures are the accepted ones, to the byte; look at a new one before you accept it."""
    text, accepted = draw(CASES[name]).dot, PICTURES / f"{name}.dot"
    if os.environ.get(ACCEPT):
        accepted.write_text(text, encoding="utf-8")
    assert text == accepted.read_text(encoding="utf-8"), f"look at it, then accept it with {ACCEPT}=1"


def test_conventions() -> None:
    """A derivative is a loop with a dotted leg, a function a dashed box, a sum over an edge a wire."""
    picture = draw(tg.Derivative(F.sum(F.exp(A @ x)), x, ["p"])).picture
    assert [box.kind for box in picture.boxes] == ["panel", "loop", "function"]
    ends = {frozenset(wire.targets): wire for wire in picture.wires}
    assert ends[frozenset({"d / dx", "p"})].first.dot or ends[frozenset({"d / dx", "p"})].second.dot
    assert frozenset({"A", "x"}) in ends
    assert frozenset({"A", "copy"}) in ends
    assert picture.kind("x") == "wanted"
    assert picture.kind("A") == "variable"
    assert "dashed" in BOXES["function"]["style"]


def test_every_kind_has_a_look() -> None:
    """Whatever can be in a picture can be drawn, and no two marks differ by colour alone."""
    assert set(NODES) == set(NODE_KINDS)
    assert set(BOXES) == set(BOX_KINDS)
    looks = {**NODES, **BOXES}
    shapes = [
        {name: value for name, value in look.items() if "color" not in name}
        for kind, look in looks.items()
        if kind not in ("elided", "term")
    ]
    assert all(shape not in shapes[:at] for at, shape in enumerate(shapes))


def test_plan() -> None:
    """A plan is drawn as the formula that it computes, under the names that were asked for."""
    plan = tg.optimize({"dx": tg.Derivative(loss, x)}, sizes={"i": 5, "k": 4})
    diagram = plan.draw()
    assert [box.label for box in diagram.picture.boxes if box.kind == "panel"] == ["dx"]
    assert sorted(node.label for node in diagram.picture.nodes if node.kind == "variable") == [
        "A",
        "A",
        "x",
        "y",
    ]
    assert str(diagram).startswith("dx from A, x, y in ")


def test_method_draw() -> None:
    """`e.draw()` is `draw(e)`."""
    assert loss.draw() == draw(loss)


def test_list() -> None:
    """The members of a list are drawn below each other, numbered."""
    panels = [box.label for box in draw([x, y]).picture.boxes]
    assert panels == ["1", "2"]


def test_cannot_draw() -> None:
    """What is no tensor and no plan is refused with what can be drawn."""
    with pytest.raises(OperandError, match="a float cannot be drawn: draw a tensor, a list or a dict"):
        draw(1.0)  # type: ignore[arg-type]


def test_depth() -> None:
    """A network of depth 300 is drawn up to a limit, and the picture says what was left out."""
    h = tg.Variable("x", k="n")
    for layer in range(300):
        h = F.tanh(F.sum(tg.Variable(f"W{layer}", i="n", k="n") * h, "k").rename(i="k"))
    picture = draw(h).picture
    assert len(picture.nodes) < 400
    assert re.fullmatch(r"\d+ marks are shown, \d+ parts? left out \(…\)", picture.note)
    assert picture.note in draw(h).dot


def test_results_of_a_large_plan() -> None:
    """However much is left out of the picture of a plan, its results are in it."""
    h: tg.Tensor = tg.Variable("X", ["b", "d"])
    weights = [tg.Variable(f"W{layer}", d="d", e="d") for layer in range(12)]
    for weight in weights:
        h = h + F.tanh(F.dot(h, weight, "d").rename(e="d"))
    wanted = {f"d{weight.name}": F.sum(h).grad(weight) for weight in weights}
    picture = tg.optimize(wanted, sizes={"b": 2, "d": 3}, effort=0).draw().picture
    assert set(wanted) <= {box.label for box in picture.boxes if box.kind == "panel"}
    assert "left out" in picture.note


def test_long_chain() -> None:
    """A product of 150 matrices is drawn in full: a product is no depth."""
    chain = tg.Variable("M0", e0="n", e1="n")
    for at in range(1, 150):
        chain = chain @ tg.Variable(f"M{at}", **{f"e{at}": "n", f"e{at + 1}": "n"})
    picture = draw(chain).picture
    assert picture.note == ""
    assert len(picture.wires) == 151


def test_same_text_under_any_hash_seed() -> None:
    """The DOT text does not depend on the hashes of the process."""
    code = (
        "import tensorgrad_eg as tg, tensorgrad_eg.functions as F;"
        "X, Z = tg.Variable('X', ['b', 'i', 'c']), tg.Variable('Z', ['b', 'i', 'c']);"
        "print(tg.Derivative(F.sum(F.softmax(X * Z, ['b', 'i', 'c']) * X), X).draw().dot)"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(texts) == 1


def test_svg() -> None:
    """The SVG is well-formed, says what it shows, fits a dark page, and leaks no style to the page around."""
    source = draw(A @ x).svg()
    root = ElementTree.fromstring(source)
    name = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{name}svg"
    assert root.findtext(f"{name}title") == "Σ_k A[i,k] x[k]"
    assert "Drawn with" in (root.findtext(f"{name}desc") or "")
    assert 'stroke="currentColor"' in source
    assert "<style" not in source
    assert [text.text for text in root.iter(f"{name}text")].count("A") == 1


@pytest.mark.parametrize(
    ("name", "start"), [("p.svg", b"<svg"), ("p.png", b"\x89PNG"), ("p.dot", b"// neato")]
)
def test_save(tmp_path: Path, name: str, start: bytes) -> None:
    """A picture is saved in the format that the name of the file says."""
    path = loss.draw().save(tmp_path / name)
    assert path.read_bytes().startswith(start)


def test_saved_svg_knows_dark_pages(tmp_path: Path) -> None:
    """A file, which cannot inherit a colour, asks whether its reader prefers dark."""
    assert "prefers-color-scheme: dark" in loss.draw().save(tmp_path / "p.svg").read_text(encoding="utf-8")


def test_save_unknown_format(tmp_path: Path) -> None:
    """Another format is refused with those there are, and a file name that works."""
    with pytest.raises(
        RendererError, match=r"saved as \.svg, \.png, \.dot, not as '\.pdf'.* Name the file p\.svg"
    ):
        loss.draw().save(tmp_path / "p.pdf")


def test_notebook() -> None:
    """A notebook gets an SVG and a text, and only what it asks for."""
    diagram = draw(A @ x)
    assert set(diagram._repr_mimebundle_()) == {"text/plain", "image/svg+xml"}
    assert set(diagram._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}
    assert set(diagram._repr_mimebundle_(exclude={"text/plain"})) == {"image/svg+xml"}


def test_notebook_without_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can draw, a notebook shows the text and how to get the picture, and no error."""
    monkeypatch.setattr(display, "_candidates", lambda: iter(()))
    bundle = draw(A @ x)._repr_mimebundle_()
    help_text = "(nothing here draws pictures. Install a Graphviz: pip install graphviz-pure)"
    assert bundle == {"text/plain": f"Σ_k A[i,k] x[k]\n{help_text}"}


def test_dot_without_renderer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """DOT can be had and saved where nothing draws."""
    monkeypatch.setattr(display, "_candidates", lambda: iter(()))
    assert draw(A @ x).save(tmp_path / "p.dot").exists()
    with pytest.raises(RendererError, match="pip install graphviz-pure"):
        draw(A @ x).save(tmp_path / "p.svg")


def test_chosen_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """TENSORGRAD_EG_DOT names the renderer; if that is no program, the error says so."""
    program = display.renderer()
    monkeypatch.setenv(display.VARIABLE, program)
    assert display.renderer() == program
    monkeypatch.setenv(display.VARIABLE, "/nowhere/dot")
    with pytest.raises(RendererError, match="TENSORGRAD_EG_DOT is '/nowhere/dot', which is no program"):
        display.renderer()


def test_failing_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renderer that fails is named, with its own first words, and a notebook still shows the text."""
    monkeypatch.setenv(display.VARIABLE, "false")
    with pytest.raises(RendererError, match="false does not draw: exit code 1"):
        draw(A @ x).svg()
    assert "does not draw" in draw(A @ x)._repr_mimebundle_()["text/plain"]


def test_repr_rebuilds() -> None:
    """The repr of a picture is code that builds it."""
    from tensorgrad_eg.diagram.picture import Box, End, Node, Picture, Wire

    names = {each.__name__: each for each in (Box, End, Node, Picture, Wire, Diagram)}
    assert eval(repr(draw(A @ x)), names) == draw(A @ x)


def test_names_that_are_no_words() -> None:
    """Names with letters of any alphabet come through DOT and SVG unharmed."""
    theta = tg.Variable("θ", ["größe"])
    source = draw(theta).svg()
    assert "θ" in source
    assert "größe" in source


def test_titles_mean_nothing_to_graphviz() -> None:
    """What is DOT's own notation in the name of a result (ports, markup, escapes) is shown as it is."""
    titles = ["a:n", "<b>x</b>", "100 %\\N", '"q"']
    root = ElementTree.fromstring(draw(dict.fromkeys(titles, (A @ x).sum())).svg())
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [f"{title} =" for title in titles] == [text for text in texts if text and text.endswith(" =")]
    panels = draw({title: F.tanh(A @ x) for title in titles})
    functions = sum(box.kind == "function" for box in panels.picture.boxes)
    assert panels.svg().count("<path") == len(panels.picture.wires) + functions
