"""Compile once what the tests call; otherwise every process that runs tests would compile it for itself.

python tests/compile_kernels.py

A kernel that is missing here is compiled by the tests.
"""

import numpy as np
import torch

from poly import cooccurrence, expected_loss, flow, mlp, model, sparsify, tasks, training, untied
from poly.training import minibatch


def main() -> None:
    """Call each compiled function with the types that tests call it with."""
    seeded = torch.Generator().manual_seed(0)
    W = model.init(4, 6, generator=seeded)
    for size in ((4, 6), (128, 256)):
        flow.flow(model.init(*size, generator=seeded), 0.01, t_end=0.02, progress=False)
    sparsify.sparsify(np.array([0.3, 0.7]), 0.1)
    for family in ("gaussian", "bipolar"):
        expected_loss.forces(W, family, 0.1)
    clauses = tasks.clauses(16, 6, generator=seeded)
    cooccurrence.sample(4, cooccurrence.Inputs(p=0.1), batch=2, generator=seeded)
    untied.sample(4, 2, groups=2, batch=2, generator=seeded)
    for kind in (torch.float32, torch.float64):
        training.train(W.to(kind), training.TrainConfig(lr=1e-3, steps=2), generator=seeded, progress=False)
        cooccurrence.train(W.to(kind), cooccurrence.Config(p=0.1, steps=2), generator=seeded)
        network = untied.Network(*(part.to(kind) for part in untied.init(4, 6, generator=seeded)))
        untied.train(network, untied.UntiedConfig(steps=2, active=2), generator=seeded)
        start = mlp.init(16, 6, 6, generator=seeded, dtype=kind)
        stream = tasks.AndStream(clauses.bits, 0.5, d=16, batch=2, generator=seeded)
        minibatch.fit(start, stream, minibatch.FitConfig(lr=1e-3, steps=2), generator=seeded, progress=False)


if __name__ == "__main__":
    main()
