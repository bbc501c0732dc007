"""The documentation site, built by Sphinx with MyST-NB (CONTRIBUTING.md has the command).

Pages with ``file_format: mystnb`` at their head are executed, in a kernel of their own each.
"""

import logging
import os
import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "minidl"
author = "the minidl authors"
copyright = "2026 the minidl authors"
version = release = installed_version("minidl")

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "sphinx_copybutton", "mathml"]
exclude_patterns = ["_build", "jupyter_execute"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

# Executed pages: a cell that fails, or that warns, fails the build.
nb_execution_mode = "force"
nb_execution_timeout = 240
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_output_stderr = "warn"
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"

autodoc_member_order = "bysource"
# Signatures name these, rather than spell out what they stand for.
aliases = ("Array", "ArrayLike", "Arrays", "Data", "Pullback", "Shape")
autodoc_type_aliases = {name: name for name in aliases}
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
numpydoc_show_class_members = False
copybutton_selector = "div.highlight-ipython3 pre, div.highlight-python pre, div.highlight-sh pre"
copybutton_prompt_text = ">>> "

html_theme = "furo"
html_title = f"minidl {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]

PICTURES = """\
c = get_config()
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.rc = {
    "figure.figsize": (7, 3),
    "figure.dpi": 72,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": "cycler('color', ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#767676'])",
    "image.cmap": "gray",
}
c.InlineBackend.print_figure_kwargs = {"bbox_inches": None}
c.IPKernelApp.log_level = "ERROR"
"""


def set_up_kernels():
    """Tell the kernels how pictures look: sharp at any size, on white, in plotting's colours."""
    settings = HERE / "_build" / "ipython"
    profile = settings / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_config.py").write_text(PICTURES, encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(settings)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the small products of pages gain none
    logging.getLogger("traitlets").setLevel(logging.WARNING)  # which tells of every page otherwise


def tidy_signature(_app, _what, _name, _object, _options, arguments, result):
    """Show an alias inside another type by its name, where autodoc shows its own wrapper."""
    return tuple(
        text and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text)
        for text in (arguments, result)
    )


def skip_fields(_app, _what, _name, item, _skip, _options):
    """Leave out a named tuple's fields, of which nothing is known but their places."""
    return True if type(item).__name__ == "_tuplegetter" else None


def setup(app):
    """Called by Sphinx."""
    set_up_kernels()
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-signature", tidy_signature)
