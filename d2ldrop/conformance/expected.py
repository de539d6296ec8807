"""Expected failures: a file in which a backend's author names checks that must fail, and why.

It is TOML. A key is the name of a check, where ``*`` stands for any characters, and the value is
the reason::

    "L1.given_mask[*float16*]" = "the framework rounds float16 twice"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

from d2ldrop.core.suggestions import did_you_mean

Expected = Mapping[str, str]
"""For the name of a check, or a pattern with ``*``: the reason why it fails."""


def read_expected(path: Path) -> dict[str, str]:
    """The expected failures in a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not TOML in UTF-8, or a value is not a reason.
    """
    try:
        lines = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OSError(
            f"the expected failures in {path} cannot be read: {error.strerror or error}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"the expected failures in {path} are not TOML: {error}") from None
    for key, reason in lines.items():
        if isinstance(reason, dict):
            raise ValueError(  # noqa: TRY004 - the file is wrong, not the type of an argument
                f'{path} must have lines such as "L1.given_mask[*]" = "the reason", got the '
                f"table {key!r}: put the name of the check in quotation marks"
            )
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"{path} must give a reason for {key!r}, got {reason!r}")
    return lines


def reason_for(check: str, expected: Expected) -> tuple[str, str] | None:
    """The key that names ``check``, and its reason; None if its failure is not expected."""
    for key, reason in expected.items():
        if _matches(check, key):
            return key, reason
    return None


def check_keys(path: Path, expected: Expected, checks: Collection[str]) -> None:
    """Raise ValueError if a key names no check."""
    for key in expected:
        if not any(_matches(check, key) for check in checks):
            raise ValueError(
                f"{path} names {key!r}, which is no check of this suite{did_you_mean(key, checks)}"
            )


def _matches(check: str, key: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in key.split("*"))
    return re.fullmatch(pattern, check) is not None
