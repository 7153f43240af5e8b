"""Every error a user can meet: a class for each mistake, which also is the builtin one would catch.

A message says what was found, where, and what to do. `Error.of(...)` writes it from the facts; `Error("...")`
takes a message as it is.

>>> print(UnknownEdgeError.of("feature", "X", ["batch", "features"]))
X has no edge 'feature'; its edges are: batch, features. Did you mean 'features'?
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from keyword import iskeyword
from pathlib import PurePath
from typing import Self


def suggestion(word: str, choices: Iterable[str]) -> str:
    """Return " Did you mean …?" for the choices closest to a word, or nothing when none is near.

    >>> suggestion("sofmax", ["softmax", "tanh"])
    " Did you mean 'softmax'?"
    >>> suggestion("q", ["softmax"])
    ''
    """
    known = sorted(set(choices))
    lowered = {choice.lower(): choice for choice in reversed(known)}
    near = get_close_matches(word.lower(), sorted(lowered), n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(lowered[match]) for match in near)}?" if near else ""


def listing(names: Iterable[object]) -> str:
    """Return names separated by commas, or "none".

    >>> listing(["i", "k"]), listing([])
    ('i, k', 'none')
    """
    return ", ".join(map(str, names)) or "none"


def ended(text: str) -> str:
    """Return a text as a sentence.

    >>> ended("a rule has a name"), ended("Did you mean 'sin'?")
    ('a rule has a name.', "Did you mean 'sin'?")
    """
    return text if text.endswith((".", "?")) else f"{text}."


def a(noun: str) -> str:
    """Return a noun with its article.

    >>> a("edge"), a("list")
    ('an edge', 'a list')
    """
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


class TensorgradError(Exception):
    """The base of all errors of this package.

    >>> str(TensorgradError("what happened. What to do."))
    'what happened. What to do.'
    """

    def __str__(self) -> str:
        """Return the message itself; KeyError, for one, would quote it."""
        return str(self.args[0]) if self.args else ""


class UnknownEdgeError(TensorgradError, KeyError):
    """An edge was named that the tensor does not have.

    >>> print(UnknownEdgeError.of("q", "x[i]", ["i"]))
    x[i] has no edge 'q'; its edges are: i.
    """

    @classmethod
    def of(cls, edge: str, tensor: str, edges: Iterable[str]) -> Self:
        """Say which edge is missing from which tensor."""
        known = list(edges)
        return cls(
            f"{tensor} has no edge '{edge}'; its edges are: {listing(known)}.{suggestion(edge, known)}"
        )


class SumEdgeError(UnknownEdgeError):
    """A sum over an edge that is not there.

    >>> print(SumEdgeError.of("j", "A[i,k]", ["i", "k"]))
    cannot sum over edge 'j': A[i,k] does not have it; its edges are: i, k.
    """

    @classmethod
    def of(cls, edge: str, tensor: str, edges: Iterable[str]) -> Self:
        """Say which edge cannot be summed in which tensor."""
        known = list(edges)
        return cls(
            f"cannot sum over edge '{edge}': {tensor} does not have it; "
            f"its edges are: {listing(known)}.{suggestion(edge, known)}"
        )


class DuplicateEdgeError(TensorgradError, ValueError):
    """Two edges of one tensor would have the same name.

    >>> print(DuplicateEdgeError.of("i", "A[i,i]"))
    A[i,i] would have two edges named 'i'; the edges of a tensor have different names. Rename one of the two.
    """

    @classmethod
    def of(cls, edge: str, tensor: str) -> Self:
        """Say which name two edges of a tensor would share."""
        return cls(
            f"{tensor} would have two edges named '{edge}'; the edges of a tensor have different names. "
            "Rename one of the two."
        )


class NameFormatError(TensorgradError, ValueError):
    """A name of a variable or an edge that is not an identifier.

    >>> print(NameFormatError.of("edge", "2i"))
    '2i' cannot name an edge: use a letter followed by letters, digits and underscores, such as 'i2'.
    >>> print(NameFormatError.of("variable", "lambda"))
    'lambda' cannot name a variable: it is a keyword of Python. Call it 'lambda_'.
    """

    @classmethod
    def of(cls, kind: str, name: object) -> Self:
        """Say what cannot be named so, with a name that would do."""
        if isinstance(name, str) and iskeyword(name):
            return cls(f"'{name}' cannot name {a(kind)}: it is a keyword of Python. Call it '{name}_'.")
        return cls(
            f"{name!r} cannot name {a(kind)}: "
            f"use a letter followed by letters, digits and underscores, such as 'i2'."
        )


class SizeError(TensorgradError, ValueError):
    """One edge with two sizes.

    >>> print(SizeError.of("k", "A[i,k]", "n", "x[k]", 5))
    edge 'k' has size n in A[i,k] but size 5 in x[k]. Rename one of the two, or give both one size: k='n'.
    """

    @classmethod
    def of(cls, edge: str, left: str, left_size: int | str, right: str, right_size: int | str) -> Self:
        """Say which edge has which two sizes in which two tensors."""
        return cls(
            f"edge '{edge}' has size {left_size} in {left} but size {right_size} in {right}. "
            f"Rename one of the two, or give both one size: {edge}={left_size!r}."
        )


class MissingSizeError(TensorgradError, ValueError):
    """A size symbol without a number, where numbers are needed.

    >>> print(MissingSizeError.of(["k"], {"i": 3}))
    no size is given for: k. Add it, as in sizes={'i': 3, 'k': 10}.
    """

    @classmethod
    def of(cls, symbols: Iterable[str], given: dict[str, int]) -> Self:
        """Say which size symbols lack a number."""
        missing = list(symbols)
        example = {**given, **dict.fromkeys(missing, 10)}
        it = "it" if len(missing) == 1 else "them"
        return cls(f"no size is given for: {listing(missing)}. Add {it}, as in sizes={example}.")


class NotAVariableError(TensorgradError, TypeError):
    """A derivative with respect to something that is not a variable.

    >>> print(NotAVariableError.of("A[i] x[i]"))
    cannot differentiate with respect to A[i] x[i]: it is not a Variable. Put a Variable in its place,
    build the expression from that, and differentiate with respect to it.
    """

    @classmethod
    def of(cls, found: str) -> Self:
        """Say what stood where a variable was needed."""
        return cls(
            f"cannot differentiate with respect to {found}: it is not a Variable. Put a Variable "
            "in its place, build the expression from that, and differentiate with respect to it."
        )


class VariableClashError(TensorgradError, ValueError):
    """Two different variables with one name.

    >>> first, second = "Variable('A', ['i'])", "Variable('A', ['k'])"
    >>> print(VariableClashError.of("A", first, second))
    two different variables are named 'A': Variable('A', ['i']) and Variable('A', ['k']). Give one of them
    another name, or use one variable for both and rename its edges: A.rename(old='new').
    """

    @classmethod
    def of(cls, name: str, first: str, second: str) -> Self:
        """Say which two variables share which name."""
        return cls(
            f"two different variables are named '{name}': {first} and {second}. Give one of "
            f"them another name, or use one variable for both and rename its edges: {name}.rename(old='new')."
        )


class OperandError(TensorgradError, TypeError):
    """Something that is no tensor expression, where one was needed.

    >>> print(OperandError.of("ndarray"))
    expected a tensor expression or a number, not a value of type ndarray. An array has no edge names:
    make a Variable for it, and pass the array when you call the plan.
    >>> print(OperandError.tensor("int"))
    expected a tensor expression, not a value of type int; a number is one as Number(…), anything else
    as a Variable.
    """

    @classmethod
    def of(cls, found: str) -> Self:
        """Say which type stood where a tensor or a number was needed."""
        return cls(
            f"expected a tensor expression or a number, not a value of type {found}. An array has "
            "no edge names: make a Variable for it, and pass the array when you call the plan."
        )

    @classmethod
    def tensor(cls, found: str) -> Self:
        """Say which type stood where only a tensor will do."""
        return cls(
            f"expected a tensor expression, not a value of type {found}; a number is one as Number(…), "
            "anything else as a Variable."
        )


class NumberError(TensorgradError, ValueError):
    """A number that is not finite, or an argument with a value out of range.

    >>> print(NumberError("nan is not a finite number"))
    nan is not a finite number
    """


class UnknownFunctionError(TensorgradError, ValueError):
    """A function, or a constant, that does not exist.

    >>> print(UnknownFunctionError.of("tahn", ["exp", "tanh"]))
    there is no function 'tahn'; the functions are: exp, tanh. Did you mean 'tanh'?
    """

    @classmethod
    def of(cls, name: str, known: Iterable[str], kind: str = "function") -> Self:
        """Say what does not exist, and what does."""
        choices = sorted(known)
        hint = suggestion(name, choices)
        return cls(f"there is no {kind} '{name}'; the {kind}s are: {listing(choices)}.{hint}")


class SubscriptsError(TensorgradError, ValueError):
    """An einsum text that does not fit its tensors.

    >>> print(SubscriptsError("'ij,jk->ik' names two tensors, but one was given."))
    'ij,jk->ik' names two tensors, but one was given.
    """


class ParseError(TensorgradError, ValueError):
    """A mistake in the text form of an expression, shown with its position.

    >>> print(ParseError.at("A[i,k] +", 8, "expected a tensor"))
    expected a tensor (position 9)
      A[i,k] +
              ^
    """

    @classmethod
    def at(cls, text: str, index: int, problem: str) -> Self:
        """Show the text with a caret under the character of this index."""
        return cls(pointed(text, index, problem))


def pointed(text: str, index: int, problem: str) -> str:
    """Return a message with the line of the text that it is about, and a caret under the place.

    >>> print(pointed("x[k] + y[k", 10, "expected ']'"))
    expected ']' (position 11)
      x[k] + y[k
                ^
    """
    start = text.rfind("\n", 0, index) + 1
    line = text[start:].split("\n")[0].replace("\t", " ")
    return f"{problem} (position {index + 1})\n  {line}\n  {' ' * (index - start)}^"


class ArrayShapeError(TensorgradError, ValueError):
    """An array whose shape does not fit its variable.

    >>> print(ArrayShapeError.of("A", ["i", "k"], (3, 5), (5, 3)))
    array A has shape (5, 3), but its edges (i, k) have sizes (3, 5). Its axes are in the wrong order:
    transpose it.
    """

    @classmethod
    def of(cls, name: str, edges: Iterable[str], expected: tuple[int, ...], found: tuple[int, ...]) -> Self:
        """Say which array has which shape, and which it should have."""
        if expected != found and sorted(expected) == sorted(found):
            fix = "Its axes are in the wrong order: transpose it."
        elif len(expected) != len(found):
            fix = f"It should have {len(expected)} axes, one an edge, not {len(found)}."
        else:
            fix = "Pass an array of these sizes, or plan for the other sizes with plan.resize(sizes)."
        return cls(
            f"array {name} has shape {found}, but its edges ({listing(edges)}) have sizes {expected}. {fix}"
        )


class ArrayNameError(TensorgradError, TypeError):
    """A call with an array missing, or with one that no variable asks for.

    >>> print(ArrayNameError.missing(["x"], ["A", "x"]))
    missing array: x. The call needs: A=array, x=array.
    >>> print(ArrayNameError.unknown("X", ["A", "x"]))
    no variable is named 'X'; the variables are: A, x. Did you mean 'x'?
    """

    @classmethod
    def missing(cls, names: Iterable[str], variables: Iterable[str]) -> Self:
        """Say which arrays are missing and what the call looks like."""
        absent = list(names)
        call = ", ".join(f"{name}=array" for name in variables)
        return cls(
            f"missing array{'s' if len(absent) > 1 else ''}: {listing(absent)}. The call needs: {call}."
        )

    @classmethod
    def unknown(cls, name: str, variables: Iterable[str]) -> Self:
        """Say which array belongs to no variable."""
        known = list(variables)
        return cls(
            f"no variable is named '{name}'; the variables are: {listing(known)}.{suggestion(name, known)}"
        )


class RuleFileNotFoundError(TensorgradError, FileNotFoundError):
    """A rule file that does not exist.

    >>> print(RuleFileNotFoundError.of("my_rule.egg", ["my_rules.egg"]))
    there is no rule file 'my_rule.egg'. Did you mean 'my_rules.egg'?
    """

    @classmethod
    def of(cls, path: str, near: Iterable[str] = ()) -> Self:
        """Say which file was not found; `near` are the rule files that are there."""
        return cls(f"there is no rule file '{path}'.{suggestion(path, near)}")


class RuleError(TensorgradError, ValueError):
    """A rule, or a rule file, that cannot be used.

    >>> print(RuleError("my_rules.egg: the rule 'fuse' has no name."))
    my_rules.egg: the rule 'fuse' has no name.
    """


class RuleFileError(RuleError):
    """A rule file that cannot be read.

    >>> print(RuleFileError.of("rules", "it is a folder. Name the files in it"))
    'rules' cannot be read as a rule file: it is a folder. Name the files in it.
    """

    @classmethod
    def of(cls, path: object, problem: str) -> Self:
        """Say which file cannot be read, and why."""
        return cls(f"{str(path)!r} cannot be read as a rule file: {ended(problem)}")


class RuleSyntaxError(RuleError):
    """A mistake in the writing of a rule file: parentheses, names, sorts, unknown words.

    >>> print(RuleSyntaxError.at("mine.egg", 3, "a closing parenthesis too many"))
    mine.egg:3: a closing parenthesis too many.
    """

    @classmethod
    def at(cls, file: str, line: int, problem: str) -> Self:
        """Say in which line of which file the mistake is."""
        return cls(f"{file}:{line}: {ended(problem)}")


class ForbiddenRuleError(RuleError):
    """A rule file that does more than state rules. Nothing of it has been run.

    >>> print(ForbiddenRuleError.at("mine.egg", 3, "'output' writes a file"))
    mine.egg:3: 'output' writes a file. A rule file states rules and nothing else; nothing of it was run.
    """

    @classmethod
    def at(cls, file: str, line: int, problem: str) -> Self:
        """Say what stands in which line of which file."""
        return cls(
            f"{file}:{line}: {problem}. A rule file states rules and nothing else; nothing of it was run."
        )


class EndlessRuleError(RuleError):
    """Rules that go on and on: each makes what they match again.

    >>> issubclass(EndlessRuleError, RuleError)
    True
    """

    @classmethod
    def of(cls, ruleset: str, matches: Mapping[str, int]) -> Self:
        """Say in which ruleset, and which rules matched most.

        >>> print(EndlessRuleError.of("recognise", {"double": 70000, "once": 3}))
        the rules of recognise do not come to an end. Most often matched: double ×70000, once ×3. A rule \
that makes what it matches again belongs into the ruleset search, which has a budget.
        """
        most = sorted(matches.items(), key=lambda item: (-item[1], item[0]))[:3]
        counts = ", ".join(f"{name} ×{count}" for name, count in most)
        return cls(
            f"the rules of {ruleset} do not come to an end. Most often matched: {counts}. A rule that makes "
            "what it matches again belongs into the ruleset search, which has a budget."
        )


class LostTermError(RuleError):
    """A program of which the rules have left nothing.

    >>> print(LostTermError.of())
    the rules leave nothing of a term that is needed. A directed rule replaces what it matches: its right side
    must not contain its left side, nor be turned back by another rule. Try it without your rule files, or
    with their rules in search.
    """

    @classmethod
    def of(cls, fired: Collection[str] = ()) -> Self:
        """Say what rules of a user can do that has this effect, and which of them have matched.

        >>> "Of yours mine.egg:1 have matched." in str(LostTermError.of(["mine.egg:1"]))
        True
        """
        yours = f" Of yours {listing(fired)} have matched." if fired else ""
        return cls(
            "the rules leave nothing of a term that is needed. A directed rule replaces what it matches: its "
            f"right side must not contain its left side, nor be turned back by another rule.{yours} Try it "
            "without your rule files, or with their rules in search."
        )


class ForkedProcessError(TensorgradError, RuntimeError):
    """A plan was asked for in a process that was forked after one was made.

    >>> issubclass(ForkedProcessError, RuntimeError)
    True
    """

    @classmethod
    def of(cls) -> Self:
        """Say why it cannot work, and how it can.

        >>> "spawn" in str(ForkedProcessError.of())
        True
        """
        return cls(
            "this process was forked from one that had made a plan, and the engine's threads are not copied "
            'by a fork: it would wait for ever. Start processes with multiprocessing.get_context("spawn"), '
            "or make the first plan after the fork."
        )


class MissingExtraError(TensorgradError, ImportError):
    """An optional package that is not installed.

    >>> print(MissingExtraError.of("torch", "torch", "plan.code('torch') runs"))
    plan.code('torch') runs only with the package torch. Install it: pip install 'tensorgrad_eg[torch]'
    """

    @classmethod
    def of(cls, package: str, extra: str, what: str) -> Self:
        """Say what needs which package, and the extra that installs it."""
        return cls(
            f"{what} only with the package {package}. Install it: pip install 'tensorgrad_eg[{extra}]'"
        )


class BackendError(TensorgradError, ValueError):
    """A backend that does not exist.

    >>> print(BackendError.of("pytorch", ["numpy", "torch"]))
    there is no backend 'pytorch'; the backends are: numpy, torch. Did you mean 'torch'?
    """

    @classmethod
    def of(cls, name: str, known: Iterable[str]) -> Self:
        """Say which backend does not exist, and which do."""
        choices = sorted(known)
        return cls(
            f"there is no backend '{name}'; the backends are: {listing(choices)}.{suggestion(name, choices)}"
        )


class OptionError(TensorgradError, ValueError):
    """An option with a value that it does not take.

    >>> print(OptionError.of("extract", "exakt", ["exact", "greedy"]))
    extract='exakt' is no option; it can be: exact, greedy. Did you mean 'exact'?
    """

    @classmethod
    def of(cls, option: str, value: object, known: Iterable[str]) -> Self:
        """Say which option has which value, and what it could be."""
        choices = sorted(known)
        hint = suggestion(str(value), choices)
        return cls(f"{option}={value!r} is no option; it can be: {listing(choices)}.{hint}")


class TimeLimitError(TensorgradError, TimeoutError):
    """A phase without which there is no program has not ended within its time.

    >>> issubclass(TimeLimitError, TimeoutError)
    True
    """

    @classmethod
    def of(cls, phase: str, seconds: float, progress: str = "", advice: str = "") -> Self:
        """Say which phase, how far it came, and what helps.

        >>> print(TimeLimitError.of("differentiation", 2.0, "3 of 5 levels are done"))
        differentiation did not end in 2 seconds: 3 of 5 levels are done. There is no program without it: \
give it more time, as in seconds=10.
        """
        found = f"{phase} did not end in {seconds:g} seconds" + (f": {progress}" if progress else "")
        more = f"give it more time, as in seconds={max(10, round(5 * seconds))}"
        return cls(f"{found}. There is no program without it: {more}{', or ' + advice if advice else ''}.")


class AssumptionError(TensorgradError, ValueError):
    """A fact that does not fit the variable it is about, or that no expression can use.

    >>> print(AssumptionError.unknown("symetric", ["positive", "symmetric"]))
    there is no fact 'symetric'; the facts are: positive, symmetric. Did you mean 'symmetric'?
    >>> print(AssumptionError.absent("positive(X)", "X", ["A", "x"]))
    positive(X) is about a variable that the expressions do not contain; their variables are: A, x.
    Did you mean 'x'?
    """

    @classmethod
    def unknown(cls, kind: str, known: Iterable[str]) -> Self:
        """Say which fact does not exist, and which do."""
        choices = sorted(known)
        hint = suggestion(kind, choices)
        return cls(f"there is no fact '{kind}'; the facts are: {listing(choices)}.{hint}")

    @classmethod
    def absent(cls, fact: str, name: str, variables: Iterable[str]) -> Self:
        """Say which variable is in none of the expressions, and which are."""
        known = list(variables)
        hint = suggestion(name, known)
        return cls(
            f"{fact} is about a variable that the expressions do not contain; "
            f"their variables are: {listing(known)}.{hint}"
        )

    @classmethod
    def edges(cls, kind: str, count: int, tensor: str, given: Iterable[str], example: str) -> Self:
        """Say how many edges a fact is about, and how it is written.

        >>> print(AssumptionError.edges("one_hot", 1, "Y[b,c]", [], "one_hot(Y, 'c')"))
        one_hot is a fact about one edge, but of Y[b,c] it was given none. Name it, as in one_hot(Y, 'c').
        """
        many = ("no edge", "one edge", "two edges")[count]
        found = list(given)
        fix = f"Name {'it' if count == 1 else 'them'}, as in" if count else "Write"
        return cls(
            f"{kind} is a fact about {many}, but of {tensor} it was given {listing(found)}. {fix} {example}."
        )


class CheckError(TensorgradError, AssertionError):
    """A plan that does not compute what it should: it is refused, never returned.

    >>> print(CheckError.of("output 0", "autograd", 0.3, 1e-9))
    output 0 differs from autograd by 0.3 (relative), more than 1e-09: this is a bug, please report
    the expression.
    """

    @classmethod
    def of(cls, what: str, reference: str, error: float, tolerance: float) -> Self:
        """Say what differs from what, by how much."""
        return cls(
            f"{what} differs from {reference} by {error:.3g} (relative), more than {tolerance:.3g}: "
            "this is a bug, please report the expression."
        )


class PlanFileError(TensorgradError, ValueError):
    """A file that holds no plan, or a damaged one.

    >>> print(PlanFileError.damaged("step t1 reads 'A', which is neither an input nor an earlier step"))
    this plan is damaged: step t1 reads 'A', which is neither an input nor an earlier step.
    """

    @classmethod
    def damaged(cls, problem: str) -> Self:
        """Say what is wrong with a plan in a file."""
        return cls(f"this plan is damaged: {ended(problem)}")


class PlanFileNotFoundError(PlanFileError, FileNotFoundError):
    """A plan file that does not exist.

    >>> print(PlanFileNotFoundError.of("plam.json", ["plan.json"]))
    there is no plan file 'plam.json'. Did you mean 'plan.json'?
    """

    @classmethod
    def of(cls, path: object, near: Iterable[str] = ()) -> Self:
        """Say which file was not found; `near` are the files that are there."""
        return cls(f"there is no plan file {str(path)!r}.{suggestion(str(path), near)}")


class WriteError(TensorgradError, OSError):
    """A file that cannot be written.

    >>> print(WriteError.of("plans", IsADirectoryError()))
    'plans' cannot be written: it is a folder. Name a file in it.
    >>> print(WriteError.of("plans/plan.json", FileNotFoundError()))
    'plans/plan.json' cannot be written: there is no folder 'plans'. Make it first.
    """

    @classmethod
    def of(cls, path: object, error: Exception) -> Self:
        """Say which file cannot be written, why, and what to do."""
        if isinstance(error, IsADirectoryError):
            problem = "it is a folder. Name a file in it"
        elif isinstance(error, FileNotFoundError):
            problem = f"there is no folder {str(PurePath(str(path)).parent)!r}. Make it first"
        else:
            problem = str(getattr(error, "strerror", None) or error)
        return cls(f"{str(path)!r} cannot be written: {ended(problem)}")


class WrongPlanError(CheckError):
    """A plan that was refused: it does not compute what it was made for, as an unsound rule would have it.

    `where` is the smallest sub-expression whose plan is wrong, `rules` are the rules involved, and `fallback`
    is the program that the search started from, a plan, if that is right.

    >>> how = "differs by 0.3 (relative) at n=2"
    >>> print(WrongPlanError.refused("result", how, "sin(x[n])", ["mine.egg: swap"], "plan"))
    the plan for result is wrong: it differs by 0.3 (relative) at n=2. The smallest part that comes out wrong
    is sin(x[n]), and the rules involved are: mine.egg: swap. Leave these out; error.fallback is the program
    that the search started from, which is right.
    """

    where: str = ""
    rules: tuple[str, ...] = ()
    fallback: object = None

    @classmethod
    def refused(cls, what: str, how: str, where: str, rules: Iterable[str], fallback: object) -> Self:
        """Say what is wrong, where it begins, which rules are involved, and what there is instead."""
        named = tuple(rules)
        offer = (
            "error.fallback is the program that the search started from, which is right."
            if fallback is not None
            else "no program is right: the rules of differentiation or of the normal form are involved."
        )
        error = cls(
            f"the plan for {what} is wrong: it {how}. The smallest part that comes out wrong is {where}, and "
            f"the rules involved are: {listing(named)}. Leave these out; {offer}"
        )
        error.where, error.rules, error.fallback = where, named, fallback
        return error


class RendererError(TensorgradError, RuntimeError):
    """No program that can draw a picture was found, or it failed.

    >>> print(RendererError("nothing here renders DOT. Install one: pip install graphviz-pure"))
    nothing here renders DOT. Install one: pip install graphviz-pure
    """


class ProgramError(TensorgradError, ValueError):
    """A program that no lowering should have written; the message names the step.

    >>> issubclass(ProgramError, ValueError)
    True
    """


class DetachedPlanError(TensorgradError, RuntimeError):
    """A plan from a file was asked for what only the expressions it was made from can tell.

    >>> print(DetachedPlanError.of("resize"))
    this plan was loaded from a file, which does not hold the expressions that resize() needs. Make the plan
    again with optimize().
    """

    @classmethod
    def of(cls, method: str) -> Self:
        """Say which method needs the expressions."""
        return cls(
            f"this plan was loaded from a file, which does not hold the expressions that {method}() needs. "
            "Make the plan again with optimize()."
        )


class DetailError(TensorgradError, ValueError):
    """A level of detail that there is not.

    >>> print(DetailError.of("step", ["phases", "steps", "all"]))
    detail is 'phases', 'steps' or 'all', not 'step'. Did you mean 'steps'?
    """

    @classmethod
    def of(cls, found: object, known: Iterable[str]) -> Self:
        """Say which levels there are."""
        return cls(f"detail is 'phases', 'steps' or 'all', not {found!r}.{suggestion(str(found), known)}")


class ArgumentError(TensorgradError, ValueError):
    """An argument of the command line that cannot be read.

    >>> issubclass(ArgumentError, ValueError)
    True
    """
