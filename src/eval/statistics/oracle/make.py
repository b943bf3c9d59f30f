"""Writes expected.csv: values from other statistics libraries that the tests of this module compare with.

    pip install scipy==1.17.1 statsmodels==0.15.0 evalstats==0.3.3
    python make.py > expected.csv

A row is a kind, its input, and its output; numbers are separated by spaces. Run it again only to add rows.
"""

import numpy as np
import statsmodels.api as sm
from evalstats.core.resampling import smooth_bootstrap_means_1d, tango_scc_paired_ci
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint


def row(kind, given, found):
    words = lambda values: " ".join(v if isinstance(v, str) else repr(v) if isinstance(v, int) else format(v, ".15g") for v in values)
    print(f"{kind},{words(given)},{words(found)}")


def distributions():
    for x in [-8.0, -3.2, -1.0, 0.0, 0.5, 1.96, 4.0]:
        row("normal_cdf", [x], [stats.norm.cdf(x)])
    for p in [1e-9, 0.0025, 0.025, 0.2, 0.5, 0.8416, 0.975, 0.9999]:
        row("normal_quantile", [p], [stats.norm.ppf(p)])
    for degrees in [1.0, 2.0, 9.0, 63.0, 1999.0, 100000.0]:
        for x in [-4.5, -2.0, 0.7]:
            row("t_cdf", [x, degrees], [stats.t.cdf(x, degrees)])
        for p in [0.0025, 0.025, 0.8, 0.995]:
            row("t_quantile", [p, degrees], [stats.t.ppf(p, degrees)])


def rates():
    for passed, scored in [(0, 1), (1, 1), (0, 10), (10, 10), (62, 64), (49, 64), (33, 64), (7, 200), (599, 600), (5000, 20000)]:
        for alpha in [0.05, 0.01]:
            low, high = proportion_confint(passed, scored, alpha=alpha, method="wilson")
            row("wilson", [passed, scored, alpha], [float(low), float(high)])


def pairs():
    tables = [(0, 0, 1), (1, 0, 1), (0, 0, 64), (2, 4, 64), (4, 2, 64), (0, 5, 64), (5, 0, 64), (0, 4, 64), (10, 10, 64),
              (0, 64, 64), (64, 0, 64), (1, 62, 64), (3, 17, 50), (0, 1, 20), (8, 1, 20), (25, 41, 200), (12, 30, 500),
              (40, 90, 1000), (300, 360, 5000), (7, 0, 7)]
    for b, c, n in tables:
        challenger, baseline = np.zeros(n), np.zeros(n)
        challenger[:b], baseline[b:b + c] = 1, 1
        for alpha in [0.05, 0.05 / 3]:
            row("tango", [b, c, n, alpha], tango_scc_paired_ci(challenger, baseline, alpha, c=0.125))
    for b, c in [(0, 1), (0, 4), (0, 5), (5, 0), (1, 5), (2, 4), (4, 2), (8, 1), (9, 2), (17, 3), (25, 41), (41, 60), (120, 90), (700, 611)]:
        exact = mcnemar([[0, b], [c, 0]], exact=True).pvalue
        row("mid_p", [b, c], [exact - stats.binom.pmf(min(b, c), b + c, 0.5)])


def clusters():
    rng = np.random.default_rng(11)
    for sizes, kind in [([3] * 12, "repeats"), ([1, 2, 5, 3, 1, 8, 2, 2, 4, 1, 6], "scores"), ([2] * 10, "differences"), ([1] * 15, "scores"), ([4, 9], "differences"), ([1, 2, 3] * 7, "differences")]:
        keys = np.repeat(np.arange(len(sizes)), sizes)
        shared = rng.normal(0, 0.2, len(sizes))[keys]
        if kind == "repeats":
            values = (rng.random(len(keys)) < 0.6 + shared).astype(float)
        elif kind == "scores":
            values = np.clip(0.7 + shared + rng.normal(0, 0.1, len(keys)), 0, 1).round(3)
        else:
            values = np.clip(shared / 2 + rng.normal(0, 0.1, len(keys)), -1, 1).round(3)
        fit = sm.OLS(values, np.ones(len(keys))).fit(cov_type="cluster", cov_kwds={"groups": keys}, use_t=True)
        for alpha in [0.05, 0.01]:
            low, high = fit.conf_int(alpha)[0]
            given = [alpha] + [f"{k}:{v:g}" for k, v in zip(keys, values)]
            row("cluster", given, [fit.params[0], fit.bse[0], low, high, fit.pvalues[0]])


def many_scores():
    for n, step, top in [(2001, 37, 101), (6000, 11, 257)]:
        values = (np.arange(n) * step % top) / (top - 1)
        low, high = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
        row("t_interval", [n, step, top], [low, high])


def bootstraps():
    """One million resamples: their own error is a tenth of that of the 10,000 under test. The standard deviation is the unit for errors."""
    rng = np.random.default_rng(5)
    samples = [np.clip(rng.normal(0.7, 0.15, 20), 0, 1), rng.choice([0.25, 0.5, 0.75, 1.0], 64, p=[0.1, 0.1, 0.2, 0.6]),
               rng.beta(5, 1, 30), rng.choice([0.0, 0.0, 0.0, 0.5, -0.5, 1.0], 40), rng.normal(-0.05, 0.2, 25),
               rng.choice([0.1, -0.9], 50, p=[0.9, 0.1]), np.array([0.2, 0.9])]
    for values in samples:
        values = values.round(3)
        means = np.concatenate([smooth_bootstrap_means_1d(values, 50_000, rng) for _ in range(20)])
        for alpha in [0.05, 0.05 / 3]:
            low, high = np.percentile(means, [50 * alpha, 100 - 50 * alpha])
            row("bootstrap", [alpha] + [f"{v:g}" for v in values], [low, high, means.std()])


def power():
    z, q = stats.norm.ppf(0.975), stats.norm.ppf(0.8)
    needed = lambda share, delta: (z * share**0.5 + q * (share - delta**2)**0.5) ** 2 / delta**2
    for b, c, n in [(2, 4, 64), (10, 8, 64), (0, 0, 200), (30, 20, 200), (60, 55, 1000)]:
        share = (b + c + 1) / (n + 2)
        delta = brentq(lambda d: needed(max(share, d), d) - n, 1e-6, 1)
        row("detectable", [b, c, n], [delta, np.ceil(needed(max(share, 0.05), 0.05))])
        for drop in [0.0, 0.03125, 0.05, 0.1]:
            disagree, rate = np.arange(n + 1), 0.0
            for m in disagree:
                losses = np.arange(m + 1)
                beyond = 2 * losses - m > n * drop + 1e-9
                rate += stats.binom.pmf(m, n, share) * stats.binom.pmf(losses, m, 0.5)[beyond].sum()
            row("false_trip", [b, c, n, drop], [rate])


for part in [distributions, rates, pairs, clusters, many_scores, bootstraps, power]:
    part()
