"""The e-graph: terms, rules, derivatives, search, snapshots."""
