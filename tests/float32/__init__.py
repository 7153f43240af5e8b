"""Plans in float32 against eager torch and exact derivatives: `python -m tests.float32` runs all."""
