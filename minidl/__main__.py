"""``python -m minidl`` does what the command ``minidl`` does."""

from __future__ import annotations

import sys

from minidl.cli import main

if __name__ == "__main__":
    sys.exit(main())
