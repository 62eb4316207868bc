"""Comparisons of two sets of features [n, D], in double precision (numpy and scipy)."""
import numpy as np
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.special import rel_entr


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


def frechet_sqrtm(f1, f2):
    """The same by the root of the matrix C1 C2, as the first FID code and pytorch-fid have it."""
    C1, C2 = np.cov(f1, rowvar=False), np.cov(f2, rowvar=False)
    root = sqrtm(C1 @ C2)
    mean_term = np.square(f1.mean(axis=0) - f2.mean(axis=0)).sum()
    return mean_term + np.trace(C1) + np.trace(C2) - 2 * np.trace(root).real


def inception_score(p, splits=10, seed=None):
    """exp E KL(p(y|x) || p(y)) over parts of p [n, classes]: mean and deviation of their scores
    [arXiv 1606.03498].  seed: shuffled before, as torch-fidelity does with 2020."""
    n = len(p)
    if seed is not None:
        p = p[np.random.RandomState(seed).permutation(n)]
    parts = [p[s * n // splits:(s + 1) * n // splits] for s in range(splits)]
    scores = [np.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean()) for part in parts]
    return {"mean": np.mean(scores), "deviation": np.std(scores)}


def kernel_distance(x, y, subsets, size, seed):
    """Unbiased MMD^2 with (x.y / D + 1)^3 over subsets [arXiv 1801.01401], from its definition:
    sums over pairs of different points."""
    random, values = np.random.RandomState(seed), []
    size = min(size, len(x), len(y))
    kernel = lambda a, b: (np.einsum("id,jd->ij", a, b) / a.shape[1] + 1) ** 3
    different = ~np.eye(size, dtype=bool)
    for _ in range(subsets):
        a = x[random.choice(len(x), size, replace=False)]
        b = y[random.choice(len(y), size, replace=False)]
        values.append(kernel(a, a)[different].mean() + kernel(b, b)[different].mean()
                      - 2 * kernel(a, b).mean())
    return {"mean": np.mean(values), "deviation": np.std(values),
            "standard_error": np.std(values, ddof=1) / np.sqrt(subsets)}


def share_inside(points, others, k):
    """Share of `points` that lie within the k-th-neighbour radius of some member of `others`."""
    among = cdist(others, others)
    radius = np.sort(among, axis=1)[:, k]  # column 0 is the member itself
    return (cdist(points, others) <= radius).any(axis=1).mean()


def precision_recall(real, fake, k=3):
    """[arXiv 1904.06991]"""
    return {"precision": share_inside(fake, real, k), "recall": share_inside(real, fake, k)}
