"""The text of the emitted function: its lines, its docstring, what it returns, imports and helpers before it.

>>> Line("r", "a - b", "r[i] = a[i] - b[i]").text()
'    r = a - b  # r[i] = a[i] - b[i]'
>>> gathered([Code("a"), Code("b")], ("loss", "W"))
'{"loss": a, "W": b}'
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tensorgrad_eg.emit.code import Code, bracketed, plain
from tensorgrad_eg.emit.library import Library, shape_text
from tensorgrad_eg.program.cost import elements, peak_elements
from tensorgrad_eg.program.program import Input, Output, Program, Structure

_COMMENTED = 110
# Above this many elements, and twice what must be alive at once, names are deleted after their last use.
_DELETE = 2**22


class Line(NamedTuple):
    """A line of the body: the name it assigns, its source, its comment."""

    name: str
    code: str
    comment: str = ""

    def text(self) -> str:
        """The line, its comment behind it or, when that is too long, above it."""
        body = f"    {self.name} = {self.code}" if self.name else f"    {self.code}"
        joined = f"{body}  # {self.comment}" if self.comment else body
        return joined if joined == body or len(joined) <= _COMMENTED else f"    # {self.comment}\n{body}"


def gathered(codes: Sequence[Code], structure: Structure) -> str:
    """The results as was asked for: one tensor, a list or a dict."""
    if structure == "tensor":
        return codes[0].text
    texts = [code.text for code in codes]
    if isinstance(structure, tuple):
        texts = [f"{_quoted(key)}: {text}" for key, text in zip(structure, texts, strict=True)]
        return bracketed("{", texts, "}", 4, len("    return "))
    return bracketed("[", texts, "]", 4, len("    return "))


def _quoted(key: str) -> str:
    """A string literal in double quotes, where that is possible without escapes."""
    return f'"{key}"' if key.isprintable() and not set(key) & {'"', "\\"} else repr(key)


def read_lines(lines: Sequence[Line], results: str) -> list[Line]:
    """The lines less those whose names nobody reads.

    >>> [line.name for line in read_lines([Line("a", "1"), Line("b", "2"), Line("", "a.add_(1)")], "a")]
    ['a', '']
    """
    words = set(re.findall(r"\w+", results))
    kept: list[Line] = []
    for line in reversed(lines):
        if not line.name or line.name in words:
            kept.append(line)
            words.update(re.findall(r"\w+", line.code))
    return kept[::-1]


def deleting(program: Program, lines: list[Line], results: str) -> list[Line]:
    """The lines, with `del` after the last use of names, where that spares much memory."""
    held = sum(elements(step.edges, program.sizes) for step in program.steps)
    if held < _DELETE or held < 2 * peak_elements(program):
        return lines
    last = {word: at for at, line in enumerate(lines) for word in re.findall(r"\w+", line.code)}
    kept = set(re.findall(r"\w+", results))
    found: list[Line] = []
    for number, line in enumerate(lines):
        found.append(line)
        before = [one.name for one in lines[:number] if last.get(one.name) == number]
        if gone := [name for name in before if name not in kept]:
            found.append(Line("", f"del {', '.join(gone)}"))
    return found


def function(name: str, parameters: Sequence[str], about: Sequence[str], body: Sequence[Line]) -> str:
    """A function: its docstring from lines of text, and its lines."""
    first, *rest = about
    quotes = '"""'
    doc = [f"    {quotes}{first}", *(f"    {line}".rstrip() for line in rest), f"    {quotes}"]
    doc = doc if rest else [f"{doc[0]}{quotes}"]
    head = bracketed(f"def {name}(", parameters, "):", 0)
    return "\n".join([head, *doc, *(line.text() for line in body)]) + "\n"


def whole(library: Library, text: str) -> str:
    """A function, with the imports and the helpers that it needs."""
    helpers = [helper for helper in library.helpers if _called(helper, text)]
    source = "\n\n".join([*helpers, text])
    lines = [line for line in library.imports if re.search(rf"\b{line.split()[-1]}[.(]", source)]
    lines = lines or [library.imports[0]]
    lines = (["from functools import lru_cache"] if "lru_cache(" in source else []) + lines
    lines = (["import math"] if "math." in source else []) + lines
    return "\n".join(lines) + "\n\n\n" + source


def _called(helper: str, text: str) -> bool:
    name = helper.partition("def ")[2].partition("(")[0]
    return re.search(rf"(?<![\w.]){name}\(", text) is not None


def header(
    program: Program, inputs: Sequence[Input], names: Mapping[str, str], structure: Structure
) -> list[str]:
    """The lines of the docstring: what is returned, and every argument with its axes and their sizes."""
    results = [_result(program, out) for out in program.outputs]
    container = "dict" if isinstance(structure, tuple) else "list"
    arguments = [_argument(program, given, names) for given in inputs]
    if not results:
        return [f"Return an empty {container}."]
    if structure == "tensor":
        returned = results[0] if program.outputs[0].edges == () else f"a tensor with {results[0]}"
        return [f"Return {returned}.", *([""] if arguments else []), *arguments]
    if isinstance(structure, tuple):
        results = [f"{plain(key)}: {text}" for key, text in zip(structure, results, strict=True)]
    return [f"Return a {container} of", *(f"- {text}" for text in results), "", *arguments]


def _result(program: Program, out: Output) -> str:
    sizes = tuple(program.sizes[edge] for edge in out.edges)
    return plain(f"axes ({', '.join(out.names)}), shape {shape_text(sizes)}") if out.edges else "a scalar"


def _argument(program: Program, given: Input, names: Mapping[str, str]) -> str:
    name, shape = names[given.name], shape_text(program.shape(given.name))
    axes = f"axes ({', '.join(given.edges)}), shape {shape}" if given.edges else "a scalar"
    return plain(f"{name}: {axes}" if name == given.name else f"{name} (the variable {given.name}): {axes}")
