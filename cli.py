"""Run lmzoo from a checkout: `python cli.py compare` is `lmzoo compare`."""

from lmzoo.cli.main import main

if __name__ == "__main__":
    main()
