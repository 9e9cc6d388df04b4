"""`python -m lmzoo` is `lmzoo`."""

from lmzoo.cli.main import main

main()
