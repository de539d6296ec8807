"""Suggest the name that a user probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping


def did_you_mean(
    word: str, known: Collection[str], aliases: Mapping[str, str] | None = None
) -> str:
    """The end of an error message, with the most similar name; empty if none is similar.

    >>> did_you_mean("trian", ["train", "data"])
    "; did you mean 'train'?"
    >>> did_you_mean("TF", ["tensorflow"], {"tf": "tensorflow"})
    "; did you mean 'tensorflow'?"
    >>> did_you_mean("swap", ["swap-dropout"])
    "; did you mean 'swap-dropout'?"
    """
    spellings = {name.lower(): name for name in known}
    spellings |= {alias: name for alias, name in (aliases or {}).items() if name in known}
    close = difflib.get_close_matches(word.lower(), spellings, n=1)
    if not close and word:
        close = [spelling for spelling in spellings if spelling.startswith(word.lower())]
    return f"; did you mean {spellings[close[0]]!r}?" if close else ""
