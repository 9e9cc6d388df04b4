"""`python -m lmzoo` is `lmzoo`."""

from lmzoo.commands import main

main()
