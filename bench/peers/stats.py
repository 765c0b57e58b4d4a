#!/usr/bin/env python3
"""Assay's statistics against scipy, statsmodels, scikit-learn and krippendorff, over random inputs (with ties, gaps, few items).

    python3 bench/peers/stats.py build/release/bench/bench_statistics [--cases 40] [--seed 1]

needs numpy, scipy, statsmodels, scikit-learn and krippendorff. For each family the largest difference, relative to 1 or to the
peer's figure where that is larger; exits 1 where one is above its limit. Where a peer has no such function (DeLong, Bradley-Terry,
two-sided permutation p by absolute difference) it is written here from its definition.
"""
import argparse
import itertools
import json
import math
import subprocess
import sys
import warnings

import krippendorff
import numpy as np
import scipy.optimize
import scipy.stats
import statsmodels.api as sm
from sklearn.calibration import _sigmoid_calibration
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import fleiss_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower, TTestPower
from statsmodels.stats.proportion import proportion_confint

warnings.filterwarnings("ignore")


def correlation(draw):
    n = int(draw.integers(3, 60))
    x, y = draw.normal(size=n), draw.normal(size=n)
    y = y + draw.uniform(0, 2) * x
    if draw.uniform() < .6:
        x, y = np.round(2 * x), np.round(2 * y)
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    tied = len(set(x)) < n or len(set(y)) < n
    spearman = scipy.stats.spearmanr(x, y)
    p, q = spearman.pvalue, scipy.stats.kendalltau(x, y, method="asymptotic" if tied else "exact").pvalue
    if n <= 6:  # all orders
        ranks = scipy.stats.rankdata(x), scipy.stats.rankdata(y)
        s0 = abs(np.dot(ranks[0] - (n + 1) / 2, ranks[1] - (n + 1) / 2))
        tau = lambda b: sum(np.sign(x[i] - x[j]) * np.sign(b[i] - b[j]) for i in range(n) for j in range(i))
        orders = [np.array(o) for o in itertools.permutations(range(n))]
        p = np.mean([abs(np.dot(ranks[0] - (n + 1) / 2, ranks[1][o] - (n + 1) / 2)) >= s0 - 1e-9 for o in orders])
        q = np.mean([abs(tau(y[o])) >= abs(tau(y)) for o in orders])
    elif n <= 9:
        return None  # exact here, by many orders; the tests have examples
    return dict(x=list(x), y=list(y)), [spearman.statistic, p, scipy.stats.kendalltau(x, y).statistic, q, np.corrcoef(x, y)[0, 1]]


def proportion(draw):
    n = int(draw.integers(1, 300))
    k, p = int(draw.integers(0, n + 1)), float(draw.uniform(.05, .95))
    b, c = int(draw.integers(0, 30)), int(draw.integers(0, 30))
    m = b + c
    mid = 1.0 if m == 0 else 2 * scipy.stats.binom.cdf(min(b, c), m, .5) - scipy.stats.binom.pmf(min(b, c), m, .5)
    if b == c and m:
        mid = 1 - scipy.stats.binom.pmf(b, m, .5)
    wilson, exact = proportion_confint(k, n, method="wilson"), proportion_confint(k, n, method="beta")
    exact = (0 if k == 0 else exact[0], 1 if k == n else exact[1])
    return dict(k=k, n=n, p=p, b=b, c=c), [*wilson, *exact, scipy.stats.binomtest(k, n, p).pvalue, mcnemar([[0, b], [c, 0]], exact=True).pvalue, mid]


def multiple(draw):
    p = draw.uniform(size=int(draw.integers(1, 30))) ** 2
    return dict(p=list(p)), [*multipletests(p, method="holm")[1], *multipletests(p, method="fdr_bh")[1]]


def delong(x, y, kind):
    def parts(s):
        wins = (s[kind][:, None] > s[~kind][None, :]) + .5 * (s[kind][:, None] == s[~kind][None, :])
        return wins.mean(), wins.mean(1), wins.mean(0)
    (a, ap, an), (b, bp, bn) = parts(x), parts(y)
    cov = lambda u, v: np.cov(u, v)[0, 1] / len(u)
    var = lambda p, q, r, s: cov(p, r) + cov(q, s)
    d = var(ap, an, ap, an) + var(bp, bn, bp, bn) - 2 * var(ap, an, bp, bn)
    return [a, math.sqrt(var(ap, an, ap, an)), a - b, math.sqrt(d), 2 * scipy.stats.norm.sf(abs(a - b) / math.sqrt(d))]


def roc(draw):
    n = int(draw.integers(8, 200))
    kind = draw.uniform(size=n) < .4
    x = draw.normal(size=n) + kind
    y = .5 * x + draw.normal(size=n)
    if draw.uniform() < .5:
        x, y = np.round(x), np.round(y)
    if kind.sum() < 2 or (~kind).sum() < 2:
        return None
    expected = delong(x, y, kind)
    return (dict(x=list(x), y=list(y), kind=[bool(k) for k in kind]), expected) if expected[3] > 1e-9 else None


def forecast(draw):
    n = int(draw.integers(10, 300))
    p = np.round(draw.uniform(size=n), int(draw.integers(1, 6)))
    right = draw.uniform(size=n) < p ** 1.5
    at = list(np.linspace(0, 1, 23))
    if right.all() or not right.any():
        return None
    bins, gap = np.minimum((p * 10).astype(int), 9), 0
    for b in range(10):
        if (bins == b).any():
            gap += abs(p[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
    iso = IsotonicRegression(out_of_bounds="clip").fit(p, right.astype(float)).predict(at)
    # scikit-learn stops at its default tolerance: the same loss, minimised to the end, is the peer.
    a, b = _sigmoid_calibration(p, right.astype(int))
    high, low = (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2)
    t = np.where(right, high, low)
    loss = lambda v: (np.logaddexp(0, v[0] * p + v[1]) - (1 - t) * (v[0] * p + v[1])).sum()
    best = scipy.optimize.minimize(loss, [a, b], method="BFGS", options=dict(gtol=1e-9)).x
    return dict(x=list(p), right=[bool(r) for r in right], at=at), [gap, np.mean((p - right) ** 2), *iso, *(1 / (1 + np.exp(best[0] * np.array(at) + best[1])))]


def agreement(draw):
    raters, units, categories = int(draw.integers(2, 6)), int(draw.integers(4, 30)), int(draw.integers(2, 6))
    truth = draw.integers(1, categories + 1, size=units)
    ratings = np.array([[t if draw.uniform() < .6 else draw.integers(1, categories + 1) for t in truth] for _ in range(raters)], dtype=float)
    full = ratings.astype(int) - 1
    ratings[draw.uniform(size=ratings.shape) < .2] = np.nan
    if len(set(ratings[~np.isnan(ratings)])) < 2 or not ((~np.isnan(ratings)).sum(0) > 1).any():
        return None
    alphas = [krippendorff.alpha(reliability_data=ratings, level_of_measurement=s, value_domain=sorted(set(ratings[~np.isnan(ratings)]))) for s in ("nominal", "ordinal", "interval", "ratio")]
    table = np.zeros((categories, categories))
    counts = np.zeros((units, categories))
    for u in range(units):
        table[full[0, u], full[1, u]] += 1
        for r in range(raters):
            counts[u, full[r, u]] += 1
    return (dict(ratings=[None if math.isnan(v) else v for v in ratings.ravel()], raters=raters, categories=categories, table=list(table.ravel()), counts=list(counts.ravel())),
            [*alphas, cohen_kappa_score(full[0], full[1]), fleiss_kappa(counts)])


def logit(draw):
    n, k = int(draw.integers(40, 400)), int(draw.integers(1, 5))
    x = draw.normal(size=(n, k)) * draw.uniform(.01, 100, size=k)
    y = draw.uniform(size=n) < 1 / (1 + np.exp(-(x / x.std(0)).sum(1) * draw.uniform(0, 2)))
    try:
        fit = sm.Logit(y.astype(float), sm.add_constant(x)).fit(disp=0, method="newton", maxiter=200, tol=1e-13)
    except Exception:
        return None
    if not fit.mle_retvals["converged"] or np.abs(fit.fittedvalues).max() > 25:
        return None
    return dict(x=list(x.ravel()), y=[bool(v) for v in y], features=k), [0, *np.column_stack([fit.params, fit.bse, fit.pvalues]).ravel()]


def separated(draw):
    n = int(draw.integers(6, 60))
    x = draw.normal(size=(n, 2))
    y = x @ np.array([1, -2]) > draw.normal() * .3
    quasi = draw.uniform() < .5
    if quasi:  # the second feature is 0 but for some of one kind; the first one overlaps
        y = draw.uniform(size=n) < .5
        x[:, 1] = np.where(y & (draw.uniform(size=n) < .3), 1., 0.)
        overlap = lambda s: s.sum() > 1
        inside = x[:, 1] == 0
        if not (x[:, 1] > 0).any() or not (overlap(y & inside) and overlap(~y & inside)):
            return None
        a, b = x[inside & y, 0], x[inside & ~y, 0]
        if a.min() >= b.max() or b.min() >= a.max():
            return None
    elif y.all() or not y.any():
        return None
    return dict(what="logit", x=list(x.ravel()), y=[bool(v) for v in y], features=2), [1 if quasi else 2] + [math.nan] * 9


def ratings(draw):
    players = int(draw.integers(2, 7))
    strength = draw.normal(size=players)
    games = []
    for i in range(players):
        for j in range(i):
            for _ in range(int(draw.integers(2, 20))):
                games.append((i, j, float(draw.uniform() < 1 / (1 + math.exp(strength[j] - strength[i])))))
    rows = np.zeros((len(games), players))
    for g, (i, j, _) in enumerate(games):
        rows[g, i], rows[g, j] = 1, -1
    won = np.zeros((players, players), dtype=bool)
    for i, j, r in games:
        won[(i, j) if r else (j, i)] = True
    if scipy.sparse.csgraph.connected_components(won, connection="strong")[0] > 1:
        return None
    fit = sm.Logit(np.array([r for _, _, r in games]), rows[:, 1:]).fit(disp=0, method="newton", maxiter=200, tol=1e-13)
    return dict(games=[v for g in games for v in g], players=players), [1, *np.column_stack([fit.params, fit.bse]).ravel()]


def power(draw):
    n, d = int(draw.integers(3, 100)), float(draw.uniform(.2, 1.5))
    p1, p2 = draw.uniform(.05, .45), draw.uniform(.5, .95)
    za, zb, p = scipy.stats.norm.isf(.025), scipy.stats.norm.isf(.2), (p1 + p2) / 2
    shares = (za * math.sqrt(2 * p * (1 - p)) + zb * math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))) ** 2 / (p1 - p2) ** 2
    size = lambda t: next(m for m in itertools.count(2) if t.power(d, m, .05) >= .8)
    powers = TTestIndPower().power(d, n, .05), TTestPower().power(d, n, .05)
    if any(map(math.isnan, powers)):  # scipy's noncentral t gives up far out
        return None
    return dict(n=n, d=d, p1=p1, p2=p2), [*powers, size(TTestIndPower()), size(TTestPower()), math.ceil(shares)]


def permutation(draw):
    x, y = draw.normal(size=int(draw.integers(1, 8))) + 1, draw.normal(size=int(draw.integers(1, 8)))
    if draw.uniform() < .5:
        x, y = np.round(x), np.round(y)
    both, n = np.concatenate([x, y]), len(x)
    far = [abs(both[list(c)].mean() - np.delete(both, list(c)).mean()) >= abs(x.mean() - y.mean()) - 1e-9 for c in itertools.combinations(range(len(both)), n)]
    signs = [abs(np.dot(s, x)) >= abs(x.sum()) - 1e-9 for s in itertools.product([1, -1], repeat=n)]
    return dict(x=list(x), y=list(y)), [np.mean(far), np.mean(signs)]


def power_law(draw):
    n = int(draw.integers(6, 15))
    x = np.sort(10 ** draw.uniform(3, 8, size=n))
    y = (1.5 + 200 * x ** -draw.uniform(.2, .6)) * np.exp(.01 * draw.normal(size=n))
    lx, ly = np.log(x), np.log(y)
    line = sm.OLS(ly, sm.add_constant(lx)).fit()
    bent = sm.OLS(ly, np.column_stack([np.ones(n), lx - lx.mean(), (lx - lx.mean()) ** 2])).fit()
    middle = lx.mean()

    def loss(v):
        r = np.logaddexp(v[0] - v[1] * (lx - middle), v[2]) - ly
        return scipy.special.huber(1e-3, r).mean() * 1e3
    best = min((scipy.optimize.minimize(loss, [ly.mean(), b, e], method="Nelder-Mead", options=dict(maxiter=20000, maxfev=20000, xatol=1e-10, fatol=1e-14))
                for b in (.1, .3, .6, 1) for e in (-3, 0, ly.min() - .05)), key=lambda r: r.fun)
    low, high = line.conf_int()[1]
    return dict(what="power-law", x=list(x), y=list(y)), [line.params[1], low, high, bent.params[2], bent.pvalues[2], best.fun / 1e3]


def similarity(draw):
    k = int(draw.integers(2, 9))
    p, q = draw.dirichlet(np.full(k, .5)), draw.dirichlet(np.full(k, .5))
    return dict(x=list(p), y=list(q)), [scipy.spatial.distance.jensenshannon(p, q, base=2)]


# limit: of the largest difference. The last family's peer is a simplex search, which may stop short of ours, never ours of it.
FAMILIES = [(correlation, 1e-9), (proportion, 1e-7), (multiple, 1e-12), (roc, 1e-9), (forecast, 1e-5), (agreement, 1e-9), (logit, 1e-6),
            (separated, 1e-9), (ratings, 1e-6), (power, 1e-8), (permutation, 1e-12), (similarity, 1e-7), (power_law, 1e-6)]


def distance(family, ours, theirs):
    if isinstance(ours, dict):
        return math.inf
    worst = 0
    for i, (a, b) in enumerate(zip(ours, theirs)):
        a = math.nan if a is None else a
        if math.isnan(a) or math.isnan(b):
            worst = max(worst, 0 if math.isnan(a) and math.isnan(b) else math.inf)
        elif family is power_law and i == 5:  # the loss: lower is better
            worst = max(worst, (a - b) / max(b, 1e-12))
        else:
            worst = max(worst, abs(a - b) / max(1, abs(b)))
    return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    good = True
    for number, (family, limit) in enumerate(FAMILIES):
        draw = np.random.default_rng([options.seed, number])
        cases = []
        while len(cases) < options.cases:
            case = family(draw)
            if case is not None:
                cases.append(({"what": family.__name__, **case[0]}, [float(v) for v in case[1]]))
        lines = "\n".join(json.dumps(c, default=float) for c, _ in cases) + "\n"
        answers = subprocess.run([options.program], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
        distances = [distance(family, json.loads(a), t) for a, (_, t) in zip(answers, cases)]
        worst = max(distances)
        good &= worst <= limit and len(answers) == len(cases)
        print(f"{family.__name__:12} {len(cases):4} cases, largest difference {worst:.1e} (limit {limit:.0e}){'' if worst <= limit else '  <- ABOVE'}")
        if worst > limit:
            at = distances.index(worst)
            print(json.dumps(cases[at][0], default=float)[:600], answers[at][:300], cases[at][1], sep="\n", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
