"""Source text for array libraries, and programs that run it."""

from tensorgrad_eg.emit.compiled import Compiled as Compiled
from tensorgrad_eg.emit.compiled import Structured as Structured
from tensorgrad_eg.emit.compiled import result_names as result_names
from tensorgrad_eg.emit.writer import BACKENDS as BACKENDS
from tensorgrad_eg.emit.writer import emit as emit
