"""How the lines of variants look: in colour, for colour-blind readers, and in grey."""

from __future__ import annotations

# Okabe and Ito's palette, for colour-blind readers. In print, the line styles differ.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 3)))
MARKERS = "os^Dv*P"
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "ooo")
