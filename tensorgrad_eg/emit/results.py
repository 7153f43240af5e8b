"""What the emitted function returns, and what its docstring says about it.

>>> gathered([Code("a"), Code("b")], ("loss", "W"))
'{"loss": a, "W": b}'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorgrad_eg.emit.code import Code, bracketed
from tensorgrad_eg.emit.identifiers import plain
from tensorgrad_eg.emit.library import Library, shape_text
from tensorgrad_eg.emit.tensors import Value, permuted, without_repeats
from tensorgrad_eg.program.program import Input, Output, Program, Structure


def arranged(library: Library, value: Value, out: Output, sizes: Mapping[str, int]) -> Code:
    """A value with its axes in the user's order, broadcast over those it lacks; never an argument's own
    memory.

    >>> from tensorgrad_eg.program.program import Operand
    >>> result = Output(Operand("a", ("i",)), ("i", "j"), ("i", "j"))
    >>> arranged(Library(), Value(Code("a"), ("i",), alias=True), result, {"i": 3, "j": 4}).text
    'np.broadcast_to(a[:, None], (3, 4)).copy()'
    """
    shape = [sizes[edge] for edge in out.edges]
    if value.constant is not None:
        return library.full(shape, value.constant)
    value = without_repeats(library, value)
    kept = permuted(library, value, tuple(edge for edge in out.edges if edge in value.edges))
    code = kept.code
    if kept.edges != out.edges:
        code = library.expand(library.insert(code, [edge not in kept.edges for edge in out.edges]), shape)
    return library.copy(code) if value.alias else code


def gathered(codes: Sequence[Code], structure: Structure) -> str:
    """The results as was asked for: one tensor, a list or a dict.

    >>> gathered([Code("a")], "tensor"), gathered([Code("a")], "list")
    ('a', '[a]')
    """
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


def header(
    program: Program, inputs: Sequence[Input], names: Mapping[str, str], structure: Structure
) -> list[str]:
    """The text of the docstring: what is returned, and every argument with its axes and their sizes.

    >>> header(Program((), (), (), {}), [], {}, "list")
    ['Return an empty list.']
    """
    results = [_result(program, out) for out in program.outputs]
    container = "dict" if isinstance(structure, tuple) else "list"
    arguments = [_argument(program, given, names) for given in inputs]
    if not results:
        return [f"Return an empty {container}."]
    if structure == "tensor":
        return [
            f"Return {results[0] if program.outputs[0].edges == () else f'a tensor with {results[0]}'}.",
            *([""] if arguments else []),
            *arguments,
        ]
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
