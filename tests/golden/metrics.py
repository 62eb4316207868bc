"""Comparisons of two sets of features [n, D], in double precision (numpy and scipy)."""
import numpy as np
from scipy.spatial.distance import cdist


def frechet(f1, f2):
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), unbiased covariances [arXiv 1706.08500].

    With centred features X, C = X^T X / (n - 1), the eigenvalues of C1 C2 are the squares of the
    singular values of X1 X2^T / sqrt((n1 - 1)(n2 - 1)): no root of a matrix is needed, and
    singular covariances lose no digits."""
    m1, m2 = f1.mean(axis=0), f2.mean(axis=0)
    X1, X2 = (f1 - m1) / np.sqrt(len(f1) - 1), (f2 - m2) / np.sqrt(len(f2) - 1)
    mean_term, trace_1, trace_2 = (np.square(x).sum() for x in (m1 - m2, X1, X2))
    cross_term = np.linalg.svd(X1 @ X2.T, compute_uv=False).sum()
    return {"distance": mean_term + trace_1 + trace_2 - 2 * cross_term, "mean_term": mean_term,
            "trace_1": trace_1, "trace_2": trace_2, "cross_term": cross_term}


def share_inside(points, others, k):
    """Share of `points` that lie within the k-th-neighbour radius of some member of `others`."""
    among = cdist(others, others)
    radius = np.sort(among, axis=1)[:, k]  # column 0 is the member itself
    return (cdist(points, others) <= radius).any(axis=1).mean()


def precision_recall(real, fake, k=3):
    """[arXiv 1904.06991]"""
    return {"precision": share_inside(fake, real, k), "recall": share_inside(real, fake, k)}
