"""Look at every built page in a headless browser: wide and narrow, light and dark.

    python docs/browse.py SITE [--pictures FOLDER] [--only PART]

SITE is the folder that Sphinx wrote. A page fails where it scrolls sideways, a picture or a formula
is missing, it asks for something outside the site, or a script fails. Needs Chromium and
``pip install playwright``; with ``--pictures`` each look is kept as a PNG.
"""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

LOOKS = {
    f"{width}-{scheme}": {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    for width in (1280, 390)
    for scheme in ("light", "dark")
}

FAULTS = """() => {
    const faults = [];
    const page = document.documentElement;
    if (page.scrollWidth > window.innerWidth)
        faults.push(`scrolls sideways: ${page.scrollWidth} of ${window.innerWidth} pixels`);
    for (const image of document.images)
        if (!image.complete || image.naturalWidth === 0 || image.width === 0)
            faults.push(`a picture is missing: ${image.getAttribute("src").slice(0, 80)}`);
    for (const formula of document.querySelectorAll("math")) {
        const box = formula.getBoundingClientRect();
        const open = formula.closest("details:not([open])") === null;
        if ((open && box.width * box.height === 0) || formula.querySelector("merror"))
            faults.push(`a formula is not drawn: ${formula.textContent.slice(0, 80)}`);
    }
    return faults;
}"""


def look(browser, site, page, name, pictures):
    """Open one page in one look and return what is wrong with it."""
    context = browser.new_context(**LOOKS[name])
    tab = context.new_page()
    faults = []
    tab.on("pageerror", lambda error: faults.append(f"a script failed: {error}"))
    tab.on("requestfailed", lambda request: faults.append(f"not found: {request.url}"))
    tab.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("file:", "data:"))
            else faults.append(f"asks for {request.url}")
        ),
    )
    tab.goto(page.as_uri())
    tab.evaluate("for (const image of document.images) image.loading = 'eager'")
    tab.wait_for_function("[...document.images].every(image => image.complete)")
    faults += tab.evaluate(FAULTS)
    if pictures:
        flat = "-".join(page.relative_to(site).with_suffix("").parts)
        tab.screenshot(path=pictures / f"{flat}-{name}.png", full_page=True)
    context.close()
    return faults


def main():
    """Look at all pages, print the faults, and return 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--pictures", type=Path, help="where to keep what was seen")
    parser.add_argument("--only", default="", help="pages whose path holds this")
    args = parser.parse_args()
    site = args.site.resolve()
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    pages = [
        page
        for page in sorted(site.rglob("*.html"))
        if args.only in page.relative_to(site).as_posix()
    ]
    if not pages:
        parser.error(f"no page of {site} has {args.only!r} in its path")
    found = 0
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium)
        for page in pages:
            for name in LOOKS:
                for fault in look(browser, site, page, name, args.pictures):
                    found += 1
                    print(f"{page.relative_to(site)} ({name}): {fault}")
    print(f"{len(pages)} pages, {len(LOOKS)} looks each: {found} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
