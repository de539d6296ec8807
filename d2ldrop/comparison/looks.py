"""How the lines of variants look: in colour, for colour-blind readers, and in print."""

from __future__ import annotations

COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#8833EE", "#776633")
"""For colour-blind readers: the first five are from Okabe and Ito's palette.

Their other three are too pale for a line on white. The last two come from a search: each has a
contrast of at least 3 with white and with the dark page, as WCAG 2.2 asks of graphics (criterion
1.4.11), and can be told from the others by readers with two or three kinds of cones.
"""
GREY = "#767676"
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 3)))
MARKERS = "os^Dv*P"
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "ooo")
