"""Lends engines: to load the rules takes longer than most of what is done with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.rules import RuleFile
from tensorgrad_eg.rules.forms import DIRECTED
from tensorgrad_eg.running import Deadline


@dataclass
class Engines:
    """The engines of one job: its rule files, its time, what its rules did, and engines that are free.

    An engine is lent empty, to one phase at a time, and forgets afterwards. What it does not forget is in
    which order it has met names and numbers, and on that the order of terms depends: therefore a job has
    engines of its own, which have met the same ones whenever it is done again.

    Example:
        >>> from tensorgrad_eg.egraph.term import Dag
        >>> dag = Dag()
        >>> dag.roots["e"] = dag.put("constant", "pi")
        >>> engines = Engines()
        >>> for _ in range(2):
        ...     with engines.lend(frozenset({"analysis"})) as engine:
        ...         engine.load(dag)
        ...         print(engine.count())
        1
        1
    """

    files: tuple[RuleFile, ...] | None = None
    matches: Counter[str] = field(default_factory=Counter)
    deadline: Deadline = field(default_factory=Deadline)
    rulesets: frozenset[str] = frozenset()
    directed: frozenset[str] = DIRECTED
    _free: list[Engine] = field(default_factory=list)

    def aside(self, deadline: Deadline) -> Engines:
        """The same engines for something beside the job: what its rules do is not counted as what they did.

        Example:
            >>> engines = Engines()
            >>> engines.aside(Deadline()).matches is engines.matches
            False
        """
        return replace(self, matches=Counter(), deadline=deadline)

    @contextmanager
    def lend(self, rulesets: frozenset[str]) -> Iterator[Engine]:
        """An engine with the rules of these rulesets; one in which anything failed is not used again.

        Engines are made with the rules of `self.rulesets` as well, so that later phases find them loaded.
        """
        engine = next((free for free in self._free if free.rulesets >= rulesets), None)
        if engine is None:
            every = rulesets | self.rulesets
            engine = Engine(self.files, every, self.matches, directed=self.directed, deadline=self.deadline)
        else:
            self._free.remove(engine)
            engine.matches, engine.deadline = self.matches, self.deadline
        engine.command("(push)")
        yield engine
        engine.forget()
        self._free.append(engine)
