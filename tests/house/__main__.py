"""`python -m tests.house` is the demo."""

from __future__ import annotations

import sys

from tests.house.demo import main


if __name__ == "__main__":
    sys.exit(main())
