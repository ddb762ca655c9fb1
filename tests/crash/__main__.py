"""The long run: `python -m tests.crash --kills 500 [--seed N] [--minutes M]`.

Two universes at a time, each with a database, a Telegram and a seed of its own, until there were so
many kills or the time is over. A universe that fails is run again, alone, by `--universe SEED`.
"""

import argparse
import os
import random
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context

from tests.crash.universe import Figures, outcome_of

KILLS = 20  # a universe


def long_run(seed: str, kills: int, minutes: float) -> int:
    """Run universes side by side, and return how many failed."""
    began, total, failed, number = time.monotonic(), Figures(), 0, 0
    running: dict[Future[Figures | str], str] = {}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        while True:
            in_time = time.monotonic() - began < 60 * minutes
            while in_time and len(running) < 2 and number * KILLS < kills:
                running[pool.submit(outcome_of, f"{seed}/{number}", KILLS)] = f"{seed}/{number}"
                number += 1
            if not running:
                break
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                name, result = running.pop(done), done.result()
                passed = time.monotonic() - began
                if isinstance(result, str):
                    failed += 1
                    print(f"{passed:6.0f} s  {name} FAILED\n{result}", flush=True)
                    continue
                total += result
                print(
                    f"{passed:6.0f} s  {name}: {result.kills.total()} kills,"
                    f" {result.finished.total()} conversations; {total.kills.total()} kills in all",
                    flush=True,
                )
    print(f"\nseed {seed}, {(time.monotonic() - began) / 60:.1f} minutes\n{total}")
    print(f"universes that broke a promise: {failed}")
    return failed


def main() -> None:
    """Read the command line."""
    reader = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    reader.add_argument("--kills", type=int, default=500)
    reader.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)))
    reader.add_argument("--minutes", type=float, default=24 * 60)
    reader.add_argument("--universe", help="the seed of one universe, as a failing run prints it")
    given = reader.parse_args()
    os.environ["PTB_TIMEDELTA"] = "true"
    if given.universe:
        result = outcome_of(given.universe, given.kills)
        print(result)
        sys.exit(isinstance(result, str))
    print(f"seed {given.seed}", flush=True)
    sys.exit(bool(long_run(given.seed, given.kills, given.minutes)))


if __name__ == "__main__":
    main()
