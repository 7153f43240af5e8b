"""Rule files that have to be refused: a name, the text, and what the message says.

`CANARY` stands for the path of a file that the test looks at afterwards.
"""

from __future__ import annotations

SEARCH = ':ruleset search :name "mine")'
RIGHT = '(rewrite (apply "sin" a) (apply "cos" a) :ruleset search :name "right")\n'

#: Files that would do something else than state rules.
DOING: dict[str, tuple[str, str]] = {
    "Python in a value": (
        """(let $x (py-eval "open('CANARY', 'w')" (py-dict) (py-dict)))""",
        r"mine.egg:1: \$x can be a number or a set of edges, and no term",
    ),
    "Python as a command": ("""(py-exec "open('CANARY', 'w')")""", "mine.egg:1: 'py-exec' runs Python"),
    "Python on a right side": (
        f"""(rewrite (apply "sin" a) (scale (py-eval "open('CANARY', 'w')") a) {SEARCH}""",
        "'py-eval' runs Python",
    ),
    "Python in a condition": (
        f"""(rewrite (apply "sin" a) a :when ((= x (py-eval "open('CANARY', 'w')"))) {SEARCH}""",
        "'py-eval' runs Python",
    ),
    "Python in an action": (
        f"""(rule ((= e (apply "sin" a))) ((py-exec "open('CANARY', 'w')" (py-dict) (py-dict))) {SEARCH}""",
        "'py-exec' runs Python",
    ),
    "Python over the terms of a sum": (
        "(rule ((= e (add es ts))) ((union e (add es "
        f'(unstable-multiset-map (unstable-fn "py-eval") ts)))) {SEARCH}',
        r'\(unstable-multiset-map \(unstable-fn "constructor" …\) terms\) is needed',
    ),
    "Python deep within": (
        f"""(rewrite (apply "sin" a) (scale (* $2 (+ $1 (py-eval "open('CANARY', 'w')"))) a) {SEARCH}""",
        "'py-eval' runs Python",
    ),
    "an object of Python": (f'(rewrite (apply "sin" a) (py-object 1) {SEARCH}', "'py-object' runs Python"),
    "a call of Python": (
        f'(rewrite (apply "sin" a) (py-call $1 a) {SEARCH}',
        "'py-call' runs Python",
    ),
    "a file is written": ('(output "CANARY" "import os")', "mine.egg:1: 'output' writes a file"),
    "a file is read": (
        '(relation rd (String))\n(input rd "/etc/hostname")',
        "mine.egg:2: 'input' reads a file",
    ),
    "another file": ('(include "/etc/hostname")', "'include' reads a file"),
    "a function is printed into a file": (
        '(print-function scale 10 :file "CANARY")',
        "'print-function' prints, or writes a file",
    ),
    "statistics are printed into a file": ('(print-stats :file "CANARY")', "'print-stats' prints"),
    "a size is printed": ("(print-size)", "'print-size' prints"),
    "a term is extracted": ('(extract (apply "sin" (number $1)))', "'extract' prints a term"),
    "an extraction in a rule": (
        f'(rule ((= e (apply "sin" a))) ((extract e)) {SEARCH}',
        "'extract' prints a term",
    ),
    "a panic": ('(panic "stop")', "'panic' ends the search"),
    "a panic in a rule": (
        f'(rule ((= e (apply "sin" a))) ((panic "stop")) {SEARCH}',
        "'panic' ends the search",
    ),
    "a question": ("(check (= 1 1))", "'check' is a question"),
    "a question that fails": ("(fail (check (= 1 2)))", "'fail' is a question"),
    "rules are run": ("(run 10)", "'run' runs rules"),
    "a schedule": ("(run-schedule (saturate (run search)))", "'run-schedule' runs rules"),
    "a state is kept": ("(push)", "'push' changes the state of the engine"),
    "a state is dropped": ("(pop)", "'pop' changes the state of the engine"),
    "an option": ("(set-option interactive_mode 1)", "'set-option' changes the state of the engine"),
    "a simplification": ("(simplify (run search) 1)", "'simplify' changes the state"),
    "combined rulesets": (
        "(unstable-combined-ruleset both search normalise)",
        "'unstable-combined-ruleset' is an instrument",
    ),
    "a command of another version": ("(launch-missiles)", "'launch-missiles' begins no rule"),
    "a fact outside of a rule": ('(positive "x")', "'positive' states a fact outside of any rule"),
    "an equation outside of a rule": ("(union (number $1) (number $2))", "'union' makes two terms equal"),
    "a value outside of a rule": ('(set (symbol "i") "j")', "'set' states a value outside"),
    "a ruleset of one's own": ("(ruleset mine)", "'ruleset' makes a ruleset, which nothing would run"),
    "a sort of one's own": ("(sort Pairs (Set i64))", "'sort' makes a sort. Those there are: "),
    "a datatype": ("(datatype Mine (One))", "'datatype' makes a sort"),
    "a deletion outside of a rule": ("(delete (number $1))", "'delete' deletes terms outside"),
}

#: Files whose rules would take away what others need.
HARMFUL: dict[str, tuple[str, str]] = {
    "a term is deleted": (
        '(rule ((= e (apply "sin" a))) ((delete (apply "sin" a))) :ruleset normalise :name "mine")',
        r'\(delete \(apply "sin" a\)\) takes away what other rules need',
    ),
    "a term is deleted in the search": (
        f'(rule ((= e (apply "sin" a))) ((union e (apply "cos" a)) (delete (apply "sin" a))) {SEARCH}',
        "takes away what other rules need",
    ),
    "another term is deleted": (
        '(rule ((= e (scale q (apply "sin" a)))) ((union e a) (delete (apply "sin" a))) '
        ':ruleset normalise :name "mine")',
        "takes away what other rules need",
    ),
    "a fact of the project is deleted": (
        '(rule ((consumers r a es)) ((delete (consumers r a es))) :ruleset differentiate :name "mine")',
        "takes away what other rules need",
    ),
    "a term is subsumed": (
        f'(rule ((= e (apply "sin" a))) ((subsume (apply "sin" a))) {SEARCH}',
        "'subsume' hides terms that other rules need",
    ),
    "a rewrite that subsumes": (
        f'(rewrite (apply "sin" a) (apply "cos" a) :subsume {SEARCH}',
        "'subsume' hides terms that other rules need",
    ),
    "free edges are set": (
        '(rule ((= e (apply "sin" a))) ((set (free e) (set-empty))) :ruleset analysis :name "mine")',
        "'free' is set by the project's own rules only",
    ),
    "sizes are set": (
        '(rule ((= n (size i))) ((set (size i) 1.0)) :ruleset volumes :name "mine")',
        "'size' is set by the project's own rules only",
    ),
    "derivatives are steered": (
        '(rule ((= e (apply "sin" a))) ((opens "d" e)) :ruleset differentiate :name "mine")',
        "'opens' is what the project's own rules tell each other",
    ),
    "terms are built where facts are gathered": (
        '(rule ((= e (apply "sin" a))) ((total (apply "sin" e) "i" $1)) :ruleset analysis :name "mine")',
        "analysis gathers facts, and builds no terms",
    ),
    "a rewrite where facts are gathered": (
        '(rewrite (apply "sin" a) (apply "sin" (scale $2 a)) :ruleset analysis :name "mine")',
        "analysis gathers facts; rewrites stand in search or normalise",
    ),
    "an equation where facts are gathered": (
        '(rule ((= e (apply "sin" a))) ((union e a)) :ruleset analysis :name "mine")',
        "analysis gathers facts; equations stand in search",
    ),
    "a root is declared": ("(function root (String) Tensor :merge old)", "'root' cannot be declared"),
    "a node is declared": ("(relation node (i64))", "'node' cannot be declared"),
    "a function of the project is declared": (
        "(function free (Tensor) Edges :merge old)",
        "'free' is already declared in 10_edges.egg:6",
    ),
    "a constructor of the project is declared": (
        "(constructor scale (BigRat Tensor) Tensor)",
        r"'scale' is already declared in 00_language.egg:\d+",
    ),
    "a computation is declared": ("(relation set-union (Tensor))", "'set-union' cannot be declared"),
    "a command is declared": ("(relation py-eval (String))", "'py-eval' cannot be declared"),
}

#: Files with a mistake.
MISTAKEN: dict[str, tuple[str, str]] = {
    "an empty form": ("()", r"mine.egg:1: \(\) is empty"),
    "an empty form among rules": (RIGHT + "\n()", r"mine.egg:3: \(\) is empty"),
    "a form of forms": ("((rewrite))", r"\(\(rewrite\)\) is empty, or does not begin with a name"),
    "many parentheses": ("(" * 5000 + ")" * 5000, "mine.egg:1: forms are nested more than 100 deep"),
    "a deep pattern": (
        f"(rewrite {'(scale $2 ' * 2000}a{')' * 2000} a {SEARCH}",
        "forms are nested more than 100 deep",
    ),
    "an open form": ('(rewrite (apply "sin" a)', "mine.egg:1: this form is never closed"),
    "a parenthesis too many": (RIGHT + ")", "mine.egg:2: a closing parenthesis too many"),
    "an open text": ('(rewrite (apply "sin a)', "a quotation mark is never closed"),
    "a backslash": (r'(rewrite (apply "si\"n" a) a)', "has a backslash"),
    "a word outside": ("rewrite", "'rewrite' stands outside a form"),
    "a wrong ruleset": (
        '(rewrite (apply "sin" a) (apply "cos" a) :ruleset serach :name "mine")',
        r"there is no ruleset 'serach', the rule would never run; .*Did you mean 'search'\?",
    ),
    "no ruleset": (
        '(rewrite (apply "sin" a) (apply "cos" a) :name "mine")',
        "this rule has no ruleset, and would never run; add :ruleset",
    ),
    "no name": (
        '(rewrite (apply "sin" a) (apply "cos" a) :ruleset search)',
        'this rule has no name; add :name "what it says"',
    ),
    "a name that is no text": (
        '(rewrite (apply "sin" a) (apply "cos" a) :ruleset search :name mine)',
        "this rule has no name",
    ),
    "an empty name": (
        '(rewrite (apply "sin" a) (apply "cos" a) :ruleset search :name "")',
        "this rule has no name",
    ),
    "a name of the project's": (
        '(rewrite (apply "sin" a) (apply "cos" a) :ruleset search :name "commutativity")',
        'a rule named "commutativity" is already in 60_associate.egg; choose another name',
    ),
    "a name twice": (RIGHT + RIGHT, 'mine.egg:2: a rule named "right" is already in mine.egg'),
    "a name that differs in a hyphen": (
        RIGHT.replace("right", "to the right") + RIGHT.replace("right", "to-the-right"),
        'a rule named "to the right" is already in mine.egg',
    ),
    "a name of the engine's": (RIGHT.replace("right", "load-1"), 'the engine uses the name "load-1" itself'),
    "an unknown constructor": (
        f'(rewrite (aply "sin" a) a {SEARCH}',
        r"there is no constructor, function or relation 'aply' before this line\. Did you mean 'apply'\?",
    ),
    "an unknown constructor on the right": (
        f'(rewrite (apply "sin" a) (sine a) {SEARCH}',
        "there is no constructor, function or relation 'sine'",
    ),
    "an operand too few": (
        f"(rewrite (scale a) a {SEARCH}",
        r"\(scale a\) has 1 operand, but scale takes 2: BigRat Tensor",
    ),
    "an operand too many": (
        f'(rewrite (apply "sin" a a) a {SEARCH}',
        "has 3 operands, but apply takes 2: String Tensor",
    ),
    "a tensor for a number": (
        f'(rewrite (apply "sin" a) (scale a a) {SEARCH}',
        "a is a Tensor where a BigRat is needed",
    ),
    "a text for a tensor": (f'(rewrite (apply "sin" a) "a" {SEARCH}', '"a" is a String where a Tensor'),
    "a variable from nowhere": (
        f'(rewrite (apply "sin" a) (apply "cos" b) {SEARCH}',
        "b stands for nothing: it is in what the rule makes, and not in what it looks for",
    ),
    "a value from nowhere": (f"(rewrite (scale $3 a) a {SEARCH}", r"there is no value '\$3'; there are: "),
    "a variable as left side": (f"(rewrite a (scale $1 a) {SEARCH}", "its left side a term in parentheses"),
    "a set as left side": (
        f"(rewrite (set-union m k) (number $1) {SEARCH}",
        r"\(set-union m k\) is no term that a rule could look for",
    ),
    "a function as left side": (f"(rewrite (free a) (number $1) {SEARCH}", "is no term that a rule could"),
    "a rule that says nothing": (
        '(rewrite (apply "sin" a) (apply "sin" a) :ruleset normalise :name "mine")',
        "the two sides of this rule are the same",
    ),
    "both ways where one is deleted": (
        '(birewrite (apply "sin" a) (apply "cos" a) :ruleset normalise :name "mine")',
        "normalise replaces the left side; birewrite stands in search",
    ),
    "a fraction over zero": (
        f"(rewrite (scale q a) (scale (bigrat (bigint 1) (bigint 0)) a) {SEARCH}",
        r"\(bigrat \(bigint 1\) \(bigint 0\)\) divides by zero",
    ),
    "a division by zero": (
        f"(rewrite (scale q a) (scale (/ q $0) a) {SEARCH}",
        r"\(/ q \$0\) divides by zero",
    ),
    "a fraction over what may be zero": (
        f'(rewrite (scale q (apply "sin" a)) (scale (bigrat (bigint 1) (numer q)) a) {SEARCH}',
        "the denominator has to be a number",
    ),
    "a rule without conditions": (f"(rule () ((union (number $1) (number $2))) {SEARCH}", "has conditions"),
    "a rule without actions": (f'(rule ((= e (apply "sin" a))) () {SEARCH}', "has conditions and actions"),
    "a word as a condition": (f"(rule (e) ((union e e)) {SEARCH}", "e is no condition"),
    "a condition as a term": (
        f'(rewrite (apply "sin" a) (scale (< $1 $2) a) {SEARCH}',
        r"\(< \$1 \$2\) is a condition, and no term",
    ),
    "an unknown option": (
        '(rewrite (apply "sin" a) a :priority 3 :ruleset search :name "mine")',
        ":priority is no option of a rewrite: :when, :ruleset, :name are",
    ),
    "an option twice": (
        '(rewrite (apply "sin" a) a :ruleset search :ruleset search :name "mine")',
        ":ruleset is there twice",
    ),
    "a relation of unknown sorts": ("(relation even (Matrix))", "there is no sort Matrix; there are: "),
    "a constructor of something else": (
        "(constructor mine (Tensor) Edges)",
        r"a constructor is declared as \(constructor name \(Sort …\) Tensor\)",
    ),
    "a function without a merge": (
        "(function mine (Tensor) i64 :no-merge)",
        r"a function is declared as \(function name \(Sort …\) Sort :merge M\)",
    ),
    "a merge that computes": (
        "(function mine (Tensor) i64 :merge (/ old new))",
        "merges nothing: it may use ",
    ),
    "a value that is there": ("(let $1 (bigint 3))", r"\$1 has a value already"),
    "a function read where terms are built": (
        f'(rewrite (apply "sin" a) (softmax (free a) a) {SEARCH}',
        r"\(free a\) cannot be read where terms are built; read it in the conditions",
    ),
    "a term taken out of a sum that is built": (
        f'(rule ((= e (apply "sin" a))) '
        f'((union e (add (set-empty) (multiset-remove (multiset-of (apply "cos" a)) a)))) {SEARCH}',
        "may have no value, and cannot be computed of terms that the rule builds",
    ),
    "texts that double": (
        '(relation name (String))\n(rule ((name n)) ((name (+ n n))) :ruleset analysis :name "mine")',
        r"mine.egg:2: \(\+ n n\) puts texts together, which would soon be endless",
    ),
    "lists that double": (
        '(relation list (Axes))\n(rule ((list n)) ((list (vec-append n n))) :ruleset analysis :name "mine")',
        "there is no constructor, function or relation 'vec-append'",
    ),
    "a file that is no text": ("(rewrite \0)", "characters that cannot be printed"),
}
