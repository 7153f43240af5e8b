"""Every rule is used, and every e-node that it leads to equals its class."""

from __future__ import annotations

from functools import lru_cache

import pytest
from rules_corpus import CORPUS, OPENED, POLES, SIZES

import tensorgrad_eg as tg
from tensorgrad_eg.expr.walk import symbols
from tensorgrad_eg.rules import rule_files, rules_of
from tensorgrad_eg.verify import check_snapshot, snapshots


@lru_cache
def planned(name: str) -> tg.Plan:
    """The plan for one entry of the corpus."""
    entry = (CORPUS | POLES)[name]
    wanted = list(entry) if isinstance(entry, list) else [entry]
    sizes = {s: n for s, n in SIZES.items() if s in symbols(wanted)}
    return tg.optimize(wanted, sizes, numerics="fast" if name in OPENED else "safe")


@pytest.mark.parametrize("name", CORPUS)
def test_every_node_equals_its_class(name: str) -> None:
    """In all e-graphs of an entry every e-node equals its class, and the plan equals its expressions."""
    plan = planned(name)
    plan.check()
    for phase, snapshot in snapshots(plan.search.derived, plan.search.searched):  # type: ignore[union-attr]
        assert check_snapshot(snapshot) == [], phase


def test_every_rule_is_used() -> None:
    """No rule stands in the files that no entry of the corpus uses, so all of them are checked above."""
    used = {name for entry in CORPUS | POLES for name in planned(entry).report.matches}
    rules = [
        rule
        for rule in rules_of(rule_files())
        if rule.file not in ("80_facts.egg", "81_definite.egg", "90_print.egg")
    ]
    assert [f"{rule.file}:{rule.line}: {rule.name}" for rule in rules if rule.name not in used] == []
