"""NumPy source: the library as it is.

>>> from tensorgrad_eg.emit.code import Code
>>> NumPy().sum(Code("A"), [1], 2).text
'A.sum(1)'
"""

from __future__ import annotations

from tensorgrad_eg.emit.library import Library


class NumPy(Library):
    """NumPy 2.

    >>> NumPy("A").eye(3).text
    'np.eye(3, dtype=A.dtype)'
    """
