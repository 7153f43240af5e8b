"""Source text: one module a backend."""
