"""Formulas as MathML, which browsers draw themselves: no script, no network, any colour scheme."""

from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

logger = logging.getLogger(__name__)

PARTS = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}


def inline(translator, node):
    """Write a formula into a line."""
    translator.body.append(f'<span class="math">{mathml(node, "inline")}</span>')
    raise nodes.SkipNode


def display(translator, node):
    """Write a formula of its own line, which can be scrolled where the page is narrow."""
    translator.body.append(f'<div class="math display">{mathml(node, "block")}</div>')
    raise nodes.SkipNode


def mathml(node, kind):
    """Return a node's LaTeX as MathML; warn, with its place, where it would be drawn wrongly."""
    written, right = understood(node.astext(), kind)
    if not right:
        logger.warning("latex2mathml does not know all of: %s", node.astext(), location=node)
    return written


def understood(latex, kind):
    """Return MathML, and whether it says what the LaTeX does."""
    try:
        written = convert(latex, display=kind)
        return written, well_formed(latex, written)
    except Exception as error:  # of many kinds
        return str(error), False


def well_formed(latex, written):
    """Tell whether a formula was understood: no command left, each element with its parts."""
    if "\\" in written or "<mi>&</mi>" in written or "\\begin" in latex:
        return False
    if latex.count("{") != latex.count("}"):
        return False
    elements = ElementTree.fromstring(written).iter()
    return all(len(one) == PARTS.get(one.tag.split("}")[-1], len(one)) for one in elements)


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
