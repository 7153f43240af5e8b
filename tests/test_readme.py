"""What is written is run: the Python and the commands of the README and of every page of the docs."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest

from tensorgrad_eg.cli import main

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("**/*.md"))]
PAPERS = [*PAGES, *(ROOT / name for name in ("CONTRIBUTING.md", "STYLE.md", "CHANGELOG.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
ANY = "(anything)"  # three dots, where doctest would take them for more of a statement


def name(page: Path) -> str:
    """How a page is called in the output of the tests."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> list[tuple[int, str]]:
    """The fenced blocks in these languages, each with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text[: m.start(2)].count("\n"), m[2]) for m in found if m[1] in languages]


def commands(page: Path) -> list[str]:
    """The commands of the project in a page, without the installation before them."""
    lines = [line for _, text in blocks(page, "bash", "console") for line in text.splitlines()]
    typed = [part.strip().removeprefix("$ ") for line in lines for part in line.split("&&")]
    return [command for command in typed if command.startswith("tensorgrad-eg ")]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of a page runs from top to bottom and prints what the page says."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    monkeypatch.setattr(doctest, "ELLIPSIS_MARKER", ANY)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for line, text in blocks(page, "python"):
        if ">>> " in text:
            # A page has no way to write an empty line of output: what is between examples is layout.
            # A line of three dots after a statement is all of its output, not more of the statement.
            text = re.sub(r"^(>>> .*\n)\.\.\.$", rf"\1{ANY}", text, flags=re.MULTILINE)
            example = doctest.DocTestParser().get_doctest(text, namespace, name(page), str(page), line)
            for each in example.examples:
                each.want = each.want.replace("...", ANY)
            said: list[str] = []
            runner.run(example, out=said.append, clear_globs=False)
            assert not runner.failures, "".join(said)
            namespace = example.globs
        else:
            # Tracebacks then show the line of the page.
            exec(compile("\n" * line + text, str(page), "exec"), namespace)


@pytest.mark.parametrize(
    "command", [pytest.param(c, id=f"{name(p)}: {c[:40]}") for p in PAGES for c in commands(p)]
)
def test_command(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the project that a page shows works as it is written."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)[1:]
    if words[0] == "bench":
        pytest.skip("benchmarks have a step of their own in .ci/run")
    assert main(words) == 0
    drawing = words[words.index("--draw") + 1] if "--draw" in words else None
    assert drawing is None or (tmp_path / drawing).stat().st_size > 500


def test_main_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README's first command prints the gradient, the steps with their rules, the cost and the code."""
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(commands(README)[0])[1:]) == 0
    out = capsys.readouterr().out
    for part in (
        "dW[x,y] = 2 Σ_b",
        "rules/50_reverse.egg",
        "flops",
        "import torch",
        "2 * (X.T @ (X @ W - Y))",
    ):
        assert part in out


def test_test_command() -> None:
    """The README's second command is what .ci/run does."""
    (command,) = [text.strip() for _, text in blocks(README, "bash") if "pytest" in text]
    install, test = command.split(" && ")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert install.replace("pip install", "pip install --quiet") in script
    assert f"\n{test}\n" in script


@pytest.mark.parametrize("page", PAPERS, ids=name)
def test_links(page: Path) -> None:
    """Links within the repository lead somewhere."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
