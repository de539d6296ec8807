"""An exception of a backend is one sentence, whatever its message is."""

from __future__ import annotations

import pytest

from d2ldrop.conformance.raised import described


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message today")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("a\n  b"), "ValueError: a b ("),
        (ValueError(), "ValueError: no message ("),
        (ValueError("x" * 500), f"ValueError: {'x' * 399}… ("),
        (UnreadableError(), "UnreadableError: <exception str() failed> ("),
    ],
    ids=["two lines", "empty", "long", "unreadable"],
)
def test_any_message_fits_a_sentence(error: Exception, expected: str) -> None:
    with pytest.raises(type(error)) as caught:
        raise error
    place, sentence = described(error, caught.tb, "numpy")
    assert place == "contract"
    assert sentence.startswith(f"the check ended with {expected}")
