"""``python -m d2ldrop``: the command line."""

from d2ldrop.cli.main import main

if __name__ == "__main__":
    main()
