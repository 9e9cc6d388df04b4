"""Run lmzoo from a checkout: `python cli.py compare` is `lmzoo compare`."""

from lmzoo.commands import main

if __name__ == "__main__":
    main()
