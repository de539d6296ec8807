"""A matplotlib figure as an SVG element inside an HTML page."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

from d2ldrop.page.drawing import INK, LINE_GID

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
NUMBER = re.compile(r"\d+\.\d{3,}")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
FONT = (re.compile(r"font: ([\d.]+px) [^;]+"), re.compile(r" *font-family: [^;]+;?"))
SPACE = re.compile(r"\s+")


def inline_svg(figure: Figure, prefix: str, attributes: dict[str, str]) -> Markup:
    """The figure as one ``<svg>`` element, transparent, in the page's font and text colour.

    Everything that matplotlib draws with the gid ``line-NAME`` has the attribute
    ``data-line="NAME"``, for scripts and style sheets.

    Args:
        figure: what to draw.
        prefix: begins each id, so that ids are unique if prefixes are.
        attributes: of the ``<svg>`` element, such as a role.
    """
    root = ElementTree.fromstring(_saved(figure, prefix))
    for child in list(root):
        if child.tag in (f"{SVG}metadata", f"{SVG}style"):
            root.remove(child)  # the style would change the whole page
    for defs in root.iter(f"{SVG}defs"):
        for style in defs.findall(f"{SVG}style"):
            defs.remove(style)
    _rewrite(root, prefix)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"fill": "currentColor", **attributes}
    ElementTree.register_namespace("", SVG[1:-1])
    ElementTree.register_namespace("xlink", HREF[1 : HREF.index("}")])
    # ElementTree has escaped all texts.
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _saved(figure: Figure, salt: str) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _rewrite(root: ElementTree.Element, prefix: str) -> None:
    """Shorten the element, replace the ink, and keep only the ids that something refers to."""
    wanted = {element.get(HREF, "#")[1:] for element in root.iter()}
    for element in root.iter():
        wanted |= {name for value in element.attrib.values() for name in REFERENCE.findall(value)}
    for element in root.iter():
        for name, value in element.attrib.items():
            element.set(name, _shortened(REFERENCE.sub(rf"url(#{prefix}-\1)", value)))
        if HREF in element.attrib:
            element.set(HREF, f"#{prefix}-{element.attrib[HREF][1:]}")
        own = element.attrib.pop("id", "")
        if own.startswith(LINE_GID):
            element.set("data-line", own.removeprefix(LINE_GID))
        elif own and own in wanted:
            element.set("id", f"{prefix}-{own}")
        element.tail = None
        if element.tag != f"{SVG}text":
            element.text = None


def _shortened(value: str) -> str:
    value = FONT[1].sub("", FONT[0].sub(r"font-size: \1", value.replace(INK, "currentColor")))
    return SPACE.sub(" ", NUMBER.sub(lambda found: f"{float(found[0]):.2f}", value)).strip()
