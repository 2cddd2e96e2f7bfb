import numpy as np
import torch

from flow.reference import f64, start
from poly import flow
from poly.flow import dense, sparse


def test_the_dense_phase_is_the_same_flow() -> None:
    """Compare the flow of 2¹⁵ weights by matrix products with the same flow by lists."""
    W = start(64, 512)
    found = flow.flow(W, 0.02, t_end=1.5, tol=1e-5).W
    lists, t, h = W.numpy().copy(), np.zeros(1), np.full(1, 1e-2)
    sparse.advance(lists, 0.02, 1e-5, t, h, 1.5, sparse.NEVER, np.zeros(1, np.bool_))
    assert found.count_nonzero() > dense._LEAST_DENSITY * W.numel()
    torch.testing.assert_close(found, torch.from_numpy(lists), rtol=0, atol=1e-3)


def test_no_result_depends_on_the_number_of_threads() -> None:
    W = start(64, 512, instances=2)
    ends = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        ends.append(flow.flow(W, 0.02, t_end=20.0).W)
    torch.set_num_threads(1)
    assert torch.equal(*ends)


def test_steps_that_overflow_fail_in_matrices_too() -> None:
    W = 1e-25 * start(64, 512)
    end = flow.flow(W, 0.0, t_end=100.0).W
    torch.testing.assert_close(end.norm(dim=-1), torch.ones(1, 64, dtype=f64), rtol=0, atol=1e-6)
