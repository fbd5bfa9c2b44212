"""`python -m bench`: every benchmark in a short form; `python -m bench NAME ...` one of them."""

from __future__ import annotations

import runpy
import subprocess
import sys

SHORT = {
    "transport": ["--seconds", "2"],
    "metrics": [],
    "allocate": ["10240"],
    "fleet": ["--nodes", "100", "--latency-ms", "20", "--peers", "4"],
    "ui": [],
    "twin": ["physics"],
    "judges": ["dl365-cpu"],
    "act": ["--seconds", "2"],
    "judge": ["2000", "200"],
    "plan": ["2000"],
    "rollout": ["40"],
    "firmware": ["6"],
    "rotate": ["10", "--kills", "1"],
    "engine": ["200"],
    "trust": ["50"],
    "console": ["--sessions", "12", "--seconds", "2", "--watched", "12"],
    "scale": [],
    "energy": ["run", "--seeds", "0", "--controllers", "iolaus static"],
}


def main() -> int:
    if len(sys.argv) > 1:
        name = sys.argv.pop(1)
        if name not in SHORT:
            sys.stderr.write(f"no benchmark {name!r}; there are: {', '.join(SHORT)}\n")
            return 2
        runpy.run_module(f"bench.{name}", run_name="__main__", alter_sys=True)
        return 0
    worst = 0
    for name, arguments in SHORT.items():
        print(f"== python -m bench {name} {' '.join(arguments)}", flush=True)
        code = subprocess.run([sys.executable, "-m", f"bench.{name}", *arguments]).returncode
        worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
