"""Sketches beside Apache DataSketches (pip install datasketches numpy).

    python bench/peers/sketches.py build/release/assay build/release/bench/bench_sketch

1. Bytes: KLL sketches of floats and doubles written by either are read by the other and give the same answers.
2. Errors: mean absolute rank error of both over seeds, at the same k.
3. Speed: nanoseconds of processor time for an update and for a question, both in one run, alternating; the ratio is theirs over ours.
"""
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import datasketches
import numpy

SHARES, VALUES = [.01, .3, .5, .99], [-1.0, 0.0, .5, 2.0]
QUESTIONS = ["--json", "-q", "-p", ",".join(map(str, SHARES)), "-r", ",".join(map(str, VALUES))]
KINDS = [(datasketches.kll_doubles_sketch, "datasketches-double", "f64", numpy.float64),
         (datasketches.kll_floats_sketch, "datasketches-float", "f32", numpy.float32)]


def ask(assay, *words):
    return json.loads(subprocess.check_output([assay, "sketch", *words]))


def same_answers(ours, theirs, dtype):
    assert ours["count"] == theirs.n
    assert [a["value"] for a in ours["quantiles"]] == [float(v) for v in theirs.get_quantiles(SHARES, inclusive=True)]
    shares = [theirs.get_rank(dtype(v), True) for v in VALUES]
    assert numpy.allclose([a["share"] for a in ours["ranks"]], shares, atol=1e-14)
    bound = theirs.normalized_rank_error(False) if theirs.is_estimation_mode() else 0
    assert abs(ours["rank_error"] - bound) < 1e-12


def check_bytes(assay, folder):
    for n in (0, 1, 2, 150, 200, 201, 5000, 300000):
        x = numpy.random.default_rng(n).normal(size=n)
        for kind, form, name, dtype in KINDS:
            numbers, theirs_file, ours_file = folder / "x", folder / "theirs", folder / "ours"
            y = x.astype(dtype)
            y.tofile(numbers)
            theirs = kind(200)
            theirs.update(y)
            theirs_file.write_bytes(theirs.serialize())
            if n:
                same_answers(ask(assay, str(theirs_file), *QUESTIONS), theirs, dtype)
            subprocess.check_output([assay, "sketch", "-q", "--type", name, str(numbers), "-o", str(ours_file), "--format", form])
            read = kind.deserialize(ours_file.read_bytes())
            assert read.n == n
            if n:
                same_answers(ask(assay, str(ours_file), *QUESTIONS), read, dtype)
                read.update(y)
                both = kind(200)
                both.merge(read)
                assert both.n == 2 * n and both.get_min_value() == y.min() and both.get_max_value() == y.max()
    print("bytes: read both ways, with the same answers")


def check_errors(assay, folder, n=100000, seeds=30):
    x = numpy.random.default_rng(1).permutation(n).astype(float)
    x.tofile(folder / "x")
    shares = numpy.arange(1, 20) / 20
    truth = numpy.ceil(shares * n) / n
    values = numpy.ceil(shares * n) - 1
    ours, theirs = [], []
    for seed in range(1, seeds + 1):
        words = [str(folder / "x"), "--type", "f64", "-q", "--json", "--seed", str(seed), "-r", ",".join(map(repr, values.tolist()))]
        ours.append([a["share"] for a in ask(assay, *words)["ranks"]] - truth)
        s = datasketches.kll_doubles_sketch(200)
        s.update(x)
        theirs.append([s.get_rank(v, True) for v in values] - truth)
    print("errors of ranks, k = 200, n = %d, %d seeds: spread %.5f, theirs %.5f" % (n, seeds, numpy.std(ours), numpy.std(theirs)))




def time_theirs(kind, y, k):
    n, asked = len(y), 100000
    splits = y.min() + (y.max() - y.min()) * numpy.arange(asked) / asked
    splits = numpy.unique(splits.astype(y.dtype))
    shares = numpy.arange(asked) / asked
    update, ranks, quantiles = [], [], []
    for _ in range(5):
        s = kind(k)
        at = time.process_time()
        s.update(y)
        update.append((time.process_time() - at) / n)
        at = time.process_time()
        s.get_cdf(splits)
        ranks.append((time.process_time() - at) / len(splits))
        s.update(y[0])
        at = time.process_time()
        s.get_quantiles(shares)
        quantiles.append((time.process_time() - at) / asked)
    return {"update": 1e9 * min(update), "ranks": 1e9 * min(ranks), "quantiles": 1e9 * min(quantiles)}


def compare_speed(bench, folder, k=200):
    print("%10s %22s %22s %22s %22s" % ("n", "update, bulk", "update, one by one", "rank", "quantile"))
    for n in (20000, 200000, 2000000, 10000000):
        x = numpy.random.default_rng(n).random(n)
        x.tofile(folder / "x")
        ours = json.loads(subprocess.check_output([bench, str(folder / "x"), str(k)]))
        theirs = time_theirs(datasketches.kll_doubles_sketch, x, k)
        pairs = [(ours["bulk"], theirs["update"]), (ours["single"], theirs["update"]), (ours["ranks"], theirs["ranks"]),
                 (ours["quantiles"], theirs["quantiles"])]
        print("%10d" % n, *("%8.2f/%6.2f ns %5.2fx" % (a, b, b / a) for a, b in pairs))


def main():
    assay, bench = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as name:
        check_bytes(assay, Path(name))
        check_errors(assay, Path(name))
        compare_speed(bench, Path(name))


if __name__ == "__main__":
    main()
