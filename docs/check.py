"""Check a built site: every link inside it leads somewhere, and every public name has its place.

    python docs/check.py SITE

SITE is the folder that Sphinx wrote. Links to other sites are not followed.
"""

import argparse
import importlib
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

PACKAGES = (
    "minidl",
    "minidl.augment",
    "minidl.data",
    "minidl.explain",
    "minidl.initializers",
    "minidl.models",
    "minidl.plotting",
    "minidl.schedules",
)


class Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note an element's targets and its name."""
        given = dict(attrs)
        self.links += [given[name] for name in ("href", "src") if given.get(name)]
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}


def broken_links(site):
    """Yield (page, link) for each link within the site that leads nowhere."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            missing = not target.is_file()
            if missing or (target in pages and not known(pages[target], parts.fragment)):
                yield path.relative_to(site), link


def known(page, fragment):
    """Tell whether a page has the anchor that a link names, if it names one."""
    return not fragment or unquote(fragment) in page.anchors


def public_names():
    """Yield the full name of all that users may import."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        own = [name for name, value in vars(module).items() if defined_in(value, package)]
        for name in getattr(module, "__all__", own):
            if f"{package}.{name}" not in PACKAGES:
                yield f"{package}.{name}"


def defined_in(value, package):
    """Tell whether a module without ``__all__`` defines a public value itself."""
    name = getattr(value, "__name__", "_")
    return getattr(value, "__module__", "") == package and not name.startswith("_")


def missing_names(site):
    """Return the public names that the reference leaves out."""
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]  # behind four lines of text
    entries = [line.split(" ", 2) for line in zlib.decompress(packed).decode().splitlines()]
    documented = {name for name, kind, _ in entries if kind.startswith("py:")}
    return [name for name in public_names() if name not in documented]


def main():
    """Print what is wrong, and return 1 where something is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    site = parser.parse_args().site.resolve()
    faults = [f"{page}: {link} leads nowhere" for page, link in broken_links(site)]
    faults += [f"{name} is not in the reference" for name in missing_names(site)]
    print("\n".join([*faults, f"{len(list(site.rglob('*.html')))} pages, {len(faults)} faults"]))
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
