"""`python -m tensorgrad_eg` is the command `tensorgrad-eg`."""

from tensorgrad_eg.cli import run

if __name__ == "__main__":
    run()
