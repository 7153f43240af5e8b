"""What the engine cannot do, said as an error of this package.

egglog raises errors of two kinds, and one of them, a panic, is no `Exception`: it would pass by whoever
catches those.

>>> with translated("mine.egg:3", "(rule)"):
...     raise KeyError("nothing of the engine's")
Traceback (most recent call last):
KeyError: "nothing of the engine's"
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tensorgrad_eg.errors import RuleError, ended

#: How much of a form is shown.
_SHOWN = 300
_UNKNOWN = re.compile(r"Variable (\S+) is ungrounded")
_NO_VALUE = re.compile(r"(\(.*\)): call of primitive \S+ failed")


@contextmanager
def translated(where: str, text: str) -> Iterator[None]:
    """Turn an error of the engine, met while it takes in or runs a text, into a RuleError."""
    try:
        yield
    except BaseException as error:
        if not of_engine(error):
            raise
        raise RuleError(f"{where}: this cannot be used: {text[:_SHOWN]}\n{reason(error)}") from None


def of_engine(error: BaseException) -> bool:
    """Whether an error is egglog's, or a panic in it.

    >>> of_engine(KeyboardInterrupt())
    False
    """
    return type(error).__name__ in ("EggSmolError", "PanicException")


def reason(error: BaseException) -> str:
    r"""The last line of what the engine said, which says what is wrong.

    >>> print(reason(Exception("Panic: In 1:24-30: (/ 1 0): call of primitive / failed")))
    (/ 1 0) has no value, and a rule computes it.
    >>> print(reason(Exception("In 3:4: n\nVariable n is ungrounded.")))
    n is computed or compared with, and no term that is looked for has it.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["the engine failed"]
    failed, unknown = _NO_VALUE.search(lines[-1]), _UNKNOWN.search(lines[-1])
    if unknown and not unknown[1].startswith("@"):
        return f"{unknown[1]} is computed or compared with, and no term that is looked for has it."
    return f"{failed[1]} has no value, and a rule computes it." if failed else ended(lines[-1])
