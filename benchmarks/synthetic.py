"""Synthetic faces a minute on one core: whole pictures, and landmarks alone. Run: python benchmarks/synthetic.py"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import time

import cv2

from acrloss.formats.synthetic import generate
from acrloss.synthetic import DEFAULT_SIZE, render


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--size", type=int, default=DEFAULT_SIZE)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    render(0, 0, options.size)  # makes what is made once
    # Clock and processor time differ where other programs use the machine.
    clock, processor = time.perf_counter(), time.process_time()
    for index in range(options.count):
        render(1, index, options.size)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"pictures of {options.size} px: {60 * options.count / clock:.0f} a minute by the clock,", end=" ")
    print(f"{60 * options.count / processor:.0f} a minute of processor time ({1e3 * processor / options.count:.1f} ms)")
    clock = time.perf_counter()
    generate(options.count, 1, options.size)
    print(f"landmarks alone: {60 * options.count / (time.perf_counter() - clock):.0f} a minute by the clock")


if __name__ == "__main__":
    main()
