"""`iolaus ...` and `python -m iolaus ...`."""

from __future__ import annotations


def main() -> None:
    from iolaus.app import run

    run()


if __name__ == "__main__":
    main()
