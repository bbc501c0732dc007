"""The documentation site, built by Sphinx with MyST (CONTRIBUTING.md has the command)."""

import re
from importlib.metadata import version as installed_version

project = "minidl"
author = "the minidl authors"
copyright = "2026 the minidl authors"
version = release = installed_version("minidl")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
# Signatures name these, rather than spell out what they stand for.
aliases = ("Array", "ArrayLike", "Arrays", "Data", "Pullback", "Shape")
autodoc_type_aliases = {name: name for name in aliases}
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
napoleon_google_docstring = False

html_theme = "furo"
html_title = f"minidl {release}"


def tidy_signature(_app, _what, _name, _object, _options, arguments, result):
    """Show an alias inside another type by its name, where autodoc shows its own wrapper."""
    return tuple(
        text and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text)
        for text in (arguments, result)
    )


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-process-signature", tidy_signature)
