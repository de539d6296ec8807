"""``python -m d2ldrop``: the command line."""

from d2ldrop.cli import main

if __name__ == "__main__":
    main()
