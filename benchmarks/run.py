"""Ratios against the textbook implementation, measured side by side in one run.

    python benchmarks/run.py              everything, about fifteen minutes on two cores
    python benchmarks/run.py --quick      few instances and widths, about three
    python benchmarks/run.py adamw row    only these

Writes ``_build/bench.json`` and keeps there the results of benchmarks that were not run. These machines are shared: a
ratio is the median of repetitions in which both sides take turns, and the seconds beside it say little about another
machine.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import textbook
import torch
from threadpoolctl import threadpool_limits

from poly import cooccurrence, flow, metrics, mlp, model, sparsify, sweep, tasks, training
from poly.flow import dense, rkc
from poly.press.disk import atomic_write
from poly.press.execute.machine import cores
from poly.press.execute.provenance import processor

ROOT = Path(__file__).resolve().parent.parent
L1, STEPS = 1e-3, 7500
Record = dict[str, Any]


def seconds(function: Callable[[], object]) -> float:
    """Return how long one call takes, in seconds."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def start(m: int, instances: int, dtype: torch.dtype = torch.float64, n: int = 256) -> torch.Tensor:
    """Return initial weights, the same in every run."""
    return model.init(n, m, instances=instances, generator=torch.Generator().manual_seed(m), dtype=dtype)


def peak(dtype: torch.dtype, n: int = 256, m: int = 1024) -> float:
    """Return the best rate of matrix products in GFLOP/s: one product on all threads, or one product on each."""
    W, R = start(m, torch.get_num_threads(), dtype), torch.ones(torch.get_num_threads(), n, n, dtype=dtype)
    operations = 2 * n * n * m * len(W)
    together = min(seconds(lambda: torch.matmul(R, W)) for _ in range(20))
    pairs = [(r.numpy(), w.numpy()) for r, w in zip(R, W, strict=True)]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(len(pairs)) as pool:
        apart = min(
            seconds(lambda: list(pool.map(lambda pair: [np.matmul(*pair) for _ in range(10)], pairs))) for _ in range(9)
        )
    return operations / min(together, apart / 10) / 1e9


def adamw(*, quick: bool) -> Record:
    """Time a step of AdamW, ours and the textbook's, in float32, with n = 256, m = 1024 and 16 instances."""
    W, steps = start(1024, 16, torch.float32), 10
    config = training.TrainConfig(lr=1e-3, steps=steps, l1=L1, weight_decay=0.01)
    ours, theirs = [], []
    for _ in range(3 if quick else 5):
        theirs.append(seconds(lambda: textbook.adamw(W, L1, steps)) / steps)
        ours.append(seconds(lambda: training.train(W, config, generator=torch.Generator())) / steps)
    ratio = statistics.median(a / b for a, b in zip(theirs, ours, strict=True))
    # Half of a symmetric product, and a whole one.
    rate = 3 * 256 * 256 * 1024 * 16 / min(ours) / 1e9
    return {
        "ratio": ratio,
        "textbook_step_s": min(theirs),
        "our_step_s": min(ours),
        "share_of_peak_float32": rate / peak(torch.float32),
    }


def dense_flow(*, quick: bool) -> Record:
    """Measure the flow's share of the machine's matrix-product peak, in float64, while most weights live."""
    W, rates, peaks = start(1024, 2 * torch.get_num_threads()), [], []
    for _ in range(5 if quick else 10):
        stages: list[int] = []

        def counted(s: int, stages: list[int] = stages) -> Any:
            stages.append(s)
            return rkc.coefficients(s)

        with mock.patch.object(dense, "coefficients", counted):
            spent = seconds(lambda: flow.flow(W, L1, t_end=20.0))
        # Half of a symmetric product, and a whole one, for every stage and once more at the start.
        rates.append(3 * 256 * 256 * 1024 * (sum(stages) + len(W)) / spent / 1e9)
        peaks.append(peak(torch.float64))
    return {"share_of_peak_float64": max(rates) / max(peaks), "median_share": statistics.median(rates) / max(peaks)}


def f5(*, quick: bool) -> Record:
    """Time F5 (6 settings x 5 instances x 1e5 SGD steps, fresh noise) against a textbook run for each setting."""
    settings = [(family, sigma) for family in ("bipolar", "gaussian") for sigma in (0.07, 0.1, 0.15)]
    W, steps, timed = start(16, 5, n=8), 100_000, 300 if quick else 2000
    draws: dict[str, Callable[..., torch.Tensor]] = {
        "bipolar": lambda shape: torch.randint(2, shape) * 2.0 - 1.0,
        "gaussian": torch.randn,
    }

    def settings_of(steps: int) -> list[training.TrainConfig]:
        return [training.TrainConfig(optimizer="sgd", lr=0.02, steps=steps, noise=f, sigma=s) for f, s in settings]  # type: ignore[arg-type]

    def run(steps: int) -> object:
        return training.train(W.expand(6, *W.shape), settings_of(steps), generator=torch.Generator().manual_seed(0))

    run(1)
    pairs = []
    for _ in range(1 if quick else 3):
        theirs = sum(seconds(lambda f=f, s=s: textbook.sgd(W, draws[f], s, timed)) for f, s in settings)  # type: ignore[misc]
        pairs.append((theirs / timed * steps, seconds(lambda: run(steps))))
    return {
        "ratio": statistics.median(a / b for a, b in pairs),
        "textbook_s": min(a for a, _ in pairs),
        "our_s": min(b for _, b in pairs),
    }


def exponents(*, quick: bool) -> Record:
    """Fit the exponents of n and m in the time of an AdamW step; in the number of operations they are 2 and 1."""

    def step(n: int, m: int) -> float:
        W, steps = start(m, 2 * torch.get_num_threads(), torch.float32, n), 10
        config = training.TrainConfig(lr=1e-3, steps=steps, l1=L1)
        return min(seconds(lambda: training.train(W, config, generator=torch.Generator())) for _ in range(4)) / steps

    def slope(sizes: list[int], times: list[float]) -> float:
        return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])

    features, widths = [128, 256, 512, 1024], [512, 1024, 2048, 4096]
    by_n, by_m = [step(n, 2048) for n in features], [step(256, m) for m in widths]
    ours = {"n": slope(features, by_n), "m": slope(widths, by_m)}
    return {**ours, "theory": {"n": 2, "m": 1}, "seconds_by_n": by_n, "seconds_by_m": by_m}


def cuda(*, quick: bool) -> Record:
    """Time F2 by AdamW on a CUDA device, float32: 16 widths x 16 instances x 7500 steps, and the share of its peak."""
    if not torch.cuda.is_available():
        return {"skipped": "no CUDA device on this machine"}
    widths, steps = ([256, 4096], 200) if quick else (list(range(256, 4097, 256)), STEPS)
    config = training.TrainConfig(lr=1e-3, steps=steps, l1=L1, weight_decay=0.01)
    spent, shares, counts = [], [], []
    for m in widths:
        W = start(m, 16, torch.float32).cuda()
        R = torch.ones(16, 256, 256, device="cuda")

        def products(R: torch.Tensor = R, W: torch.Tensor = W) -> None:
            for _ in range(20):
                R @ W
            torch.cuda.synchronize()

        def run(W: torch.Tensor = W) -> torch.Tensor:
            W = training.train(W, config, generator=torch.Generator()).W
            torch.cuda.synchronize()
            return W

        products()
        best = 2 * 256 * 256 * m * 16 * 20 / min(seconds(products) for _ in range(5))
        ends: list[torch.Tensor] = []
        spent.append(seconds(lambda ends=ends: ends.append(run())))  # type: ignore[misc]
        shares.append(4 * 256 * 256 * m * 16 * steps / spent[-1] / best)
        counts.append(float(metrics.polysemantic_neurons(ends[0]).double().mean()))
        print(
            f"  m = {m}: {spent[-1]:.1f} s, {100 * shares[-1]:.0f} % of the peak, mean count {counts[-1]:.1f}",
            flush=True,
        )
    return {"our_s": sum(spent), "widths": widths, "shares_of_peak": shares, "mean_counts": counts}


def settle(*, m: int, generator: torch.Generator) -> dict[str, Any]:
    """Run one network of figure F2 by our flow to its end; return the count and the seconds that it took."""
    ends: list[torch.Tensor] = []
    W = model.init(256, m, generator=generator)
    spent = seconds(lambda: ends.append(flow.flow(W, L1).W))
    return {"count": metrics.polysemantic_neurons(ends[0]).item(), "seconds": spent}


def f2(*, quick: bool) -> Record:
    """Time F2 by our flow to its end against 7500 textbook AdamW steps, extrapolated from some steps at every width."""
    widths = [256, 1024, 4096] if quick else list(range(256, 4097, 256))
    instances, timed = (2, 2) if quick else (16, 10)
    theirs = dict.fromkeys(widths, 0.0)

    def textbooks() -> None:
        for m in widths:
            W = start(m, 16, torch.float32)
            theirs[m] += seconds(lambda W=W: textbook.adamw(W, L1, timed)) / timed * STEPS / 2  # type: ignore[misc]

    tables: list[sweep.Table] = []
    sweep.sweep(settle, {"m": [16]}, seeds=2, progress=False)  # the processes start
    textbooks()
    ours = seconds(lambda: tables.append(sweep.sweep(settle, {"m": widths}, seeds=instances))) * 16 / instances
    textbooks()
    by_width = tables[0].groupby("m")
    return {
        "ratio": sum(theirs.values()) / ours,
        "textbook_s": sum(theirs.values()),
        "our_s": ours,
        "widths": widths,
        "textbook_s_by_width": list(theirs.values()),
        "our_s_by_network": by_width.seconds.mean().tolist(),
        "mean_counts": by_width["count"].mean().tolist(),
    }


def row(*, quick: bool) -> Record:
    """Time one row, m = 1e5, λ = 1e-5, until one weight is left, against a numpy loop that drops dead weights."""
    w0 = np.sort(np.abs(np.random.default_rng(0).normal(size=100_000)) * 0.9 / 100_000**0.5)[::-1].copy()

    def loop() -> None:
        w = w0
        while w.size > 1:
            w = w + 0.5 * ((1 - w @ w) * w - 1e-5)
            w = w[w > 0]

    sparsify.sparsify(w0, 1e-5)
    pairs = [
        (seconds(loop), min(seconds(lambda: sparsify.sparsify(w0, 1e-5)) for _ in range(5)))
        for _ in range(1 if quick else 3)
    ]
    return {
        "ratio": statistics.median(a / b for a, b in pairs),
        "loop_s": statistics.median(a for a, _ in pairs),
        "our_s": statistics.median(b for _, b in pairs),
    }


def memory(*, quick: bool) -> Record:
    """Measure the peak memory of a flow of 16 instances at m = 2048, in a new process, in units of its weights."""
    size = 16 * 256 * 2048 * 8
    # The high-water mark of this very process: ru_maxrss would start with the parent's.
    code = (
        "import re, sys; sys.path.insert(0, 'benchmarks'); import run; from poly import flow; "
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]); "
        "flow.flow(run.start(64, 1), 1e-3, t_end=1.0); flow.flow(run.start(256, 1), 1e-3, t_end=1.0); "
        "before = peak(); W = run.start(2048, 16); "
        f"flow.flow(W, 1e-3, t_end={5.0 if quick else 40.0}); print(peak() - before)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {"ratio": int(found.stdout) * 1024 / size, "weights_bytes": size}


def fit(*, quick: bool) -> Record:
    """Time steps on minibatches for many small networks, against torch.nn one by one and against the products alone."""
    result: Record = {}
    bits = tasks.clauses(generator=torch.Generator().manual_seed(0)).bits
    steps = 100 if quick else 400

    def streams(number: int) -> list[tasks.AndStream]:
        return [tasks.AndStream(bits, 0.1, generator=torch.Generator().manual_seed(s)) for s in range(number)]

    for m, networks in ((8, 64), (16, 64), (64, 16), (128, 16)):
        starts = mlp.init(
            32, m, 16, instances=(networks,), generator=torch.Generator().manual_seed(0), dtype=torch.float32
        )
        config = training.FitConfig(lr=3e-3, steps=steps)
        x, y = (torch.from_numpy(part) for part in streams(1)[0].draw(64))
        pairs = []
        for _ in range(2 if quick else 5):
            theirs = textbook.minibatch(m, x, y) / len(x)
            sources, began = streams(networks), time.perf_counter()
            training.fit(starts, sources, config, generator=torch.Generator())
            own = time.perf_counter() - began
            pairs.append((theirs, own / networks / steps, products(m, networks) / networks))
        result[f"ratio_{m}"] = statistics.median(a / b for a, b, _ in pairs)
        result[f"our_step_{m}_s"] = min(b for _, b, _ in pairs)
        result[f"share_of_products_{m}"] = statistics.median(c / b for _, b, c in pairs)
    return result


def audit_layer(*, quick: bool) -> Record:
    """Audit a layer of 512 units by 10 groups and 10,000 examples, in a separate process: seconds and memory."""
    examples = 1000 if quick else 10_000
    code = (
        "import re, time, torch; from poly import audit; "
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]); "
        "g = torch.Generator().manual_seed(0); torch.manual_seed(0); "
        f"x = torch.randn({examples}, 64, generator=g); y = torch.relu(x[:, :10] + x[:, 10:20]); "
        "model = torch.nn.Sequential(torch.nn.Linear(64, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10)).eval(); "
        "before, began = peak(), time.perf_counter(); "
        "audit.layer(model, '1', x, y, lambda o, t: (o - t).square(), progress=False); "
        "print(time.perf_counter() - began, peak() - before)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    elapsed, kilobytes = found.stdout.split()
    return {"our_s": float(elapsed), "memory_gb": int(kilobytes) * 1024 / 1e9, "examples": examples}


def meetings(*, quick: bool) -> Record:
    """Time a step, in float32, of networks with 32 features and 32 neurons on inputs in which features meet."""
    steps, W = 200 if quick else 1000, start(32, 16, torch.float32, n=32)
    config = cooccurrence.Config(p=1 / 32, steps=steps, l1=L1)
    pairs = []
    for _ in range(3 if quick else 7):
        theirs = seconds(lambda: textbook.meetings(W[0], 1 / 32, L1, steps)) / steps
        ours = seconds(lambda: cooccurrence.train(W, config, generator=torch.Generator())) / steps / len(W)
        pairs.append((theirs, ours))
    return {"ratio": statistics.median(a / b for a, b in pairs), "our_step_s": min(b for _, b in pairs)}


def products(m: int, networks: int) -> float:
    """Return the time of a step's five matrix products for all networks, batched by torch, in float32."""
    x, hidden, error = (torch.rand(networks, 256, width) for width in (32, m, 16))
    W1, W2 = torch.rand(networks, 32, m), torch.rand(networks, m, 16)

    def step() -> None:
        for _ in range(10):
            _ = x @ W1, hidden @ W2, hidden.mT @ error, error @ W2.mT, x.mT @ hidden

    return min(seconds(step) for _ in range(5)) / 10


BENCHMARKS: dict[str, Callable[..., Record]] = {
    function.__name__: function
    for function in (adamw, dense_flow, f2, f5, row, memory, exponents, fit, meetings, audit_layer, cuda)
}


def main() -> None:
    """Run the benchmarks that the command line names; print and store their results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help=f"of {', '.join(BENCHMARKS)}; default all")
    parser.add_argument("--quick", action="store_true", help="fewer widths, instances and repetitions")
    options = parser.parse_args()
    flow.flow(start(64, 1, n=64), 0.1, t_end=1.0)  # compiles
    flow.flow(start(256, 1), 0.1, t_end=1.0)
    tiny = training.TrainConfig(lr=1e-3, steps=1)
    for dtype in (torch.float32, torch.float64):
        training.train(start(8, 1, dtype, n=4), tiny, generator=torch.Generator())
    results: Record = {
        "machine": {
            "processor": processor(),
            "cores": cores(),
            "threads": torch.get_num_threads(),
            "peak_gflops_float32": peak(torch.float32),
            "peak_gflops_float64": peak(torch.float64),
        },
    }
    target = ROOT / "_build" / "bench.json"
    kept = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else {}
    results = {**kept, **results}
    for name in options.names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name].__doc__}", flush=True)
        results[name] = BENCHMARKS[name](quick=options.quick) | {"quick": options.quick}
        shown = results[name].get("skipped") or ", ".join(
            f"{key} {value:.3g}" for key, value in results[name].items() if isinstance(value, float)
        )
        print(f"  {shown}", flush=True)
    atomic_write(target, json.dumps(results, indent=1))
    print(f"written {target}; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


if __name__ == "__main__":
    main()
