"""Fails where a test was skipped for a reason that is not in skips.txt: .ci/check_skips.py JUNIT.XML

A test that is skipped without anybody noticing proves nothing.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def main(report: str) -> int:
    lines = (Path(__file__).parent / "skips.txt").read_text(encoding="utf-8").splitlines()
    known = [line.partition("  # ")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
    skipped = [
        (case.get("classname"), case.get("name"), skip.get("message") or "")
        for case in ET.parse(report).iter("testcase")
        for skip in case.iter("skipped")
    ]
    unknown = [item for item in skipped if not any(reason in item[2] for reason in known)]
    print(f"{len(skipped)} tests skipped, {len(unknown)} of them without leave")
    for module, name, message in unknown:
        print(f"  {module}::{name}: {message}; if that is right, give its reason in .ci/skips.txt")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
