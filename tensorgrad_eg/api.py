"""The calls: from expressions to a plan, or to a normal form; and rule files, looked at before they are used.

Expressions are brought to a normal form in which every derivative is worked out, an e-graph of equal
programs grows from it, and the cheapest of them is extracted for all outputs together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from tensorgrad_eg.assume import Fact, checked
from tensorgrad_eg.egraph.decode import decode, for_print, tidied
from tensorgrad_eg.egraph.derive import derive
from tensorgrad_eg.egraph.engine import Engine
from tensorgrad_eg.errors import NumberError, OperandError, OptionError, RuleError
from tensorgrad_eg.expr import Tensor, as_tensor, variables
from tensorgrad_eg.expr.walk import numbers as checked_numbers
from tensorgrad_eg.extract.starts import assumed
from tensorgrad_eg.plan import Plan, plan_for
from tensorgrad_eg.program import Structure
from tensorgrad_eg.rules import Rule, rule_files, rules_of
from tensorgrad_eg.search import Options

Wanted = Tensor | Sequence[Tensor] | Mapping[str, Tensor]

_EXTRACT = ("greedy", "exact")
_NUMERICS = ("safe", "fast")


def optimize(
    wanted: Wanted,
    sizes: Mapping[str, int] | None = None,
    *,
    rules: Sequence[str | Path] = (),
    assume: Sequence[Fact] = (),
    seconds: float = 10.0,
    extract: str = "greedy",
    effort: float = 1.0,
    seed: int = 0,
    structured: bool = False,
    symmetric: bool = False,
    numerics: str = "safe",
    verify: bool = True,
) -> Plan:
    """The cheapest program found for one tensor, or for a list or a dict of them together.

    `sizes` gives a number for every size symbol. `rules` are further rule files. `seconds` bounds all of it,
    from the call to the plan. The search for better programs never fails for lack of time: with the time up,
    or Ctrl-C, it returns the best so far. Only until there is a first program both are errors. With
    `extract="exact"` a solver (the extra `exact`) takes as long again to prove the plan optimal in its
    e-graph, or to bound what is left: see `plan.certificate`. `effort` scales how far the search goes:
    2 looks at about twice as many terms, 0 takes the program that differentiation gives (and searches a
    little only where that costs more than the baseline).

    `assume` has facts about variables, such as `tg.assume.symmetric(A)`, that are true of every array the
    plan will be called with. Derivatives are worked out without them.

    With `structured=True` results are `Structured` objects: sums of products of small tensors and deltas,
    multiplied out by `.dense()` only, so that no identity and no outer product is ever made.

    With `symmetric=True` tensors that are symmetric in two edges are computed for one half of their entries
    where that saves more than packing and unpacking them costs: in a Hessian, half or three quarters of the
    last product.

    With `numerics="fast"` sums over pairs are multiplied out even where what is left may be tiny next to its
    terms, as Σ w_ab ‖x_a − x_b‖² is: matrix products instead of a tensor for all pairs, and digits lost where
    points are close. By default only what cannot cancel so is opened.

    Before it is returned the plan is compared with the expressions, evaluated by their definition at small
    random arrays; `verify=False` leaves that out.

    Raises:
        MissingSizeError: if a size symbol has no number.
        NumberError: if a size, the effort or the seed is none.
        OptionError: if `extract` or `numerics` has a value that it does not take.
        WrongPlanError: if the plan does not compute what it should, as an unsound rule would have it;
            `error.fallback` then is the program that the search started from, if that is right.
        VariableClashError: if two different variables have one name.
        RuleFileNotFoundError: if a rule file does not exist.
        AssumptionError: if a fact is about a variable that no expression contains.
        TimeLimitError: if the derivatives are not worked out when the time is up.
        EndlessRuleError: if rules of the caller's go on and on.

    Example:
        >>> from tensorgrad_eg import Variable, Derivative
        >>> A, x = Variable("A", i="n", j="n"), Variable("x", ["n"])
        >>> plan = optimize(Derivative(Derivative(x.rename(n="i") @ A @ x.rename(n="j"), x), x), {"n": 4})
        >>> [v.name for v in plan.inputs if plan.program.readers(v.name)]
        ['A']
    """
    _check_options(extract=extract, numerics=numerics, effort=effort, seed=seed)
    expressions, structure = _flat(wanted)
    numbers = checked_numbers(expressions, {} if sizes is None else sizes)
    options = Options(rules, assume, seconds, extract, effort, seed, structured, symmetric, numerics, verify)
    return plan_for(expressions, structure, numbers, options)


def simplify(e: Tensor, *, assume: Sequence[Fact] = ()) -> Tensor:
    """The normal form of an expression, every derivative worked out, facts about variables used after that.

    Example:
        >>> from tensorgrad_eg import Variable, Derivative
        >>> x = Variable("x", ["k"])
        >>> print(simplify(Derivative(x @ x, x)))
        2 x[k]
    """
    facts = checked(assume, variables([e]))
    engines = for_print()
    derived = tidied(assumed(derive([e], {}, engines), [e], facts, engines), engines)
    return decode(derived, 0, e)


def _flat(wanted: Wanted) -> tuple[list[Tensor], Structure]:
    if isinstance(wanted, Tensor):
        return [wanted], "tensor"
    if isinstance(wanted, Mapping):
        return [as_tensor(e) for e in wanted.values()], tuple(wanted)
    if isinstance(wanted, list | tuple):
        return [as_tensor(e) for e in wanted], "list"
    raise OperandError.of(type(wanted).__name__)


def _check_options(*, extract: str, numerics: str, effort: object, seed: object) -> None:
    """Say which option has a value that it does not take, before anything long is begun."""
    if extract not in _EXTRACT:
        raise OptionError.of("extract", extract, _EXTRACT)
    if numerics not in _NUMERICS:
        raise OptionError.of("numerics", numerics, _NUMERICS)
    if type(effort) is bool or not isinstance(effort, Real) or not 0 <= float(effort) < math.inf:
        raise NumberError(
            f"effort={effort!r} is no effort: write a finite number, 0 for no search, 1 for the usual one, "
            "2 for twice as much."
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise NumberError(f"seed={seed!r} is no seed: write an integer, 0 or more, such as seed=0.")


@dataclass(frozen=True)
class RuleReport:
    """What a check of a rule file found: its rules or, if it cannot be used, the first mistake in it."""

    file: str
    rules: tuple[Rule, ...]
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether the file can be used."""
        return not self.problem

    def __str__(self) -> str:
        """The mistake, or a line for each rule."""
        lines = [f"{self.file}: {len(self.rules)} rule{'' if len(self.rules) == 1 else 's'}, no mistake"]
        lines += [f"  {rule.line:4}  {rule.ruleset:14}  {rule.name}" for rule in self.rules]
        return self.problem or "\n".join(lines)


def load_rules(path: str | Path) -> tuple[Rule, ...]:
    """The rules of a file, each with its name, ruleset, line and comment. It is checked, and nothing is run.

    Raises:
        RuleFileNotFoundError: if there is no such file.
        RuleFileError: if it cannot be read: a folder, no UTF-8, too long.
        ForbiddenRuleError: if it does something else than state rules.
        RuleSyntaxError: if there is a mistake in it.
        RuleError: if the engine cannot use one of its rules.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp(), "mine.egg")
        >>> text = '(rewrite (apply "sin" (apply "asin" a)) a :ruleset normalise :name "sin of asin")'
        >>> _ = path.write_text(text)
        >>> [(rule.name, rule.ruleset, rule.line) for rule in load_rules(path)]
        [('sin of asin', 'normalise', 1)]
    """
    files = rule_files([path])
    Engine(files)
    own = set(rule_files())
    return tuple(rules_of(file for file in files if file not in own))


def check_rules(path: str | Path) -> RuleReport:
    """Whether a rule file can be used, and what is wrong with it if it cannot. Nothing is planned or run.

    The report has the rules, `ok`, and as text the first mistake. That a rule can be used does not say that
    it is true: a plan made with it is checked for that.

    Raises:
        RuleFileNotFoundError: if there is no such file.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp(), "mine.egg")
        >>> _ = path.write_text('(output "out.txt" "text")')
        >>> report = check_rules(path)
        >>> report.ok
        False
        >>> print(report)
        mine.egg:1: 'output' writes a file. A rule file states rules and nothing else; nothing of it was run.
    """
    name = Path(path).name
    try:
        return RuleReport(name, load_rules(path))
    except RuleError as error:
        return RuleReport(name, (), str(error))
