"""Write grafana/dashboards/<uid>.json from every module in grafana/src/dashboards/; run it after changing one.

python grafana/src/build.py             write
python grafana/src/build.py --check     write nothing; exit 1 and say which files are not what their source says
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from pathlib import Path

SOURCES = Path(__file__).parent / "dashboards"
OUTPUT = Path(__file__).parents[1] / "dashboards"


def build() -> dict[Path, str]:
    """Return the text of each dashboard's file."""
    sys.path.insert(0, str(Path(__file__).parent))
    dashboards = [runpy.run_path(str(path))["dashboard"] for path in sorted(SOURCES.glob("*.py"))]
    return {OUTPUT / f"{d.uid}.json": json.dumps(d.to_json(), indent=2, ensure_ascii=False) + "\n" for d in dashboards}


def main() -> int:
    """Parse the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Build Grafana's dashboards from their sources.")
    parser.add_argument("--check", action="store_true", help="write nothing, say what would change")
    check = parser.parse_args().check
    texts = build()
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    stale += sorted(set(OUTPUT.glob("*.json")) - texts.keys())
    if check:
        for path in stale:
            print(f"{path}: not what its source says; run python grafana/src/build.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        if path in texts:
            path.write_text(texts[path])
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
