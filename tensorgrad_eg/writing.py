"""Files that are written whole or not at all.

>>> from tempfile import mkdtemp
>>> path = Path(mkdtemp(), "note.txt")
>>> write_file(path, "all of it")
>>> path.read_text()
'all of it'
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from os import PathLike
from pathlib import Path
from secrets import token_hex

from tensorgrad_eg.errors import WriteError

_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)


def write_file(path: str | PathLike[str], data: str | bytes) -> None:
    """Write a file in one step: whoever reads it, whenever, finds the old file or the new one.

    The data is on the disk, in a file without a name or with a hidden one, before it takes the place of the
    old file. So a process that is killed does no harm, nor does a second one that writes the same file. A
    link stays a link, and what is no file (a terminal, a pipe) is written to.

    Raises:
        WriteError: if there is no such folder, if the path is one, or if writing is not permitted.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError
        if target.exists() and not target.is_file():
            target.write_bytes(content)
        else:
            _replace(target, content)
    except (OSError, ValueError) as error:
        raise WriteError.of(path, error) from None


def check_writable(path: str | PathLike[str]) -> None:
    """Refuse a path that `write_file` would refuse, as far as that can be known without writing.

    Raises:
        WriteError: if there is no such folder, if the path is one, or if writing is not permitted.

    >>> check_writable("no-such-folder/plan.json")
    Traceback (most recent call last):
    tensorgrad_eg.errors.WriteError: 'no-such-folder/plan.json' cannot be written: there is no folder \
'no-such-folder'. Make it first.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise WriteError.of(path, IsADirectoryError())
    if not target.parent.is_dir():
        raise WriteError.of(path, FileNotFoundError())
    if not os.access(target.parent, os.W_OK):
        raise WriteError.of(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _replace(target: Path, content: bytes) -> None:
    hidden = target.with_name(f".{target.name[:50]}.{os.getpid()}.{token_hex(4)}")
    mode = target.stat().st_mode & 0o777 if target.exists() else None
    try:
        if not _written_without_a_name(hidden, content, mode):
            _fill(os.open(hidden, _NEW, 0o666), content, mode)
        os.replace(hidden, target)
    except BaseException:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
        raise
    _settle(target.parent)


def _written_without_a_name(hidden: Path, content: bytes, mode: int | None) -> bool:
    """Write a file that gets its name when it is complete; not every system can do that.

    If the process is killed before, nothing is left of it.
    """
    if not hasattr(os, "O_TMPFILE"):
        return False
    with suppress(OSError):
        file = os.open(hidden.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
        kept = os.dup(file)
        try:
            _fill(file, content, mode)
            os.link(f"/proc/self/fd/{kept}", hidden, src_dir_fd=kept)  # with a src_dir_fd links are followed
            return True
        finally:
            os.close(kept)
    return False


def _fill(file: int, content: bytes, mode: int | None) -> None:
    """Write to an open file, see it through to the disk, and close it."""
    with os.fdopen(file, "wb") as stream:
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(file, mode)
        stream.write(content)
        stream.flush()
        os.fsync(file)


def _settle(folder: Path) -> None:
    """See the new name through to the disk, where a folder can be opened."""
    with suppress(OSError):
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
