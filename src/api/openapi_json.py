#!/usr/bin/env python3
"""Writes src/api/openapi.json, which the server answers at GET /v1/openapi.json, from docs/openapi.yaml.

Needs python3-yaml, which is why the result is checked in: building Flint needs no Python. A test says when it is stale.
"""

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "docs" / "openapi.yaml"
RESULT = ROOT / "src" / "api" / "openapi.json"


def converted():
    document = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True) + "\n"


if __name__ == "__main__":
    RESULT.write_text(converted(), encoding="utf-8")
