"""Landmarks of a video without jitter: the 1 € filter, which rests on still faces and lets moving ones go."""

import numpy as np

from acrloss.arrays import Float

# Weight of the newest step in the running mean of a coordinate's speed.
_SPEED_WEIGHT = 0.4


class OneEuroFilter:
    """Smooths the landmarks of one face from frame to frame (Casiez, Roussel & Vogel, CHI 2012).

    x̂ ← x̂ + α·(x - x̂), α = 1 / (1 + 1 / (2π·cutoff)), cutoff = rest + gain · |speed|, for each coordinate. Lengths are
    shares of the face's size and times are frames, so that one setting suits every face and camera. The defaults leave
    a fifth of the jitter and lag by a fifth of a frame (benchmarks/video.py).
    """

    def __init__(self, rest: float = 0.02, gain: float = 30.0) -> None:
        """
        Args:
            rest: cutoff of a still coordinate, in cycles a frame; lower is smoother.
            gain: how much it rises for a speed of one face size a frame; higher lags less.
        """
        self._rest, self._gain = rest, gain
        self._last: Float | None = None
        self._speed: Float = np.zeros(0)

    def __call__(self, landmarks: Float) -> Float:
        """The smoothed (M, 2) landmarks of the next frame, in pixels."""
        if self._last is None:
            self._last, self._speed = landmarks.astype(np.float64), np.zeros(landmarks.shape)
            return np.array(self._last)
        size = max(float(np.linalg.norm(np.ptp(self._last, axis=0))), 1e-9)
        step = landmarks - self._last
        self._speed = self._speed + _SPEED_WEIGHT * (step / size - self._speed)
        cutoff = self._rest + self._gain * np.abs(self._speed)
        self._last = self._last + step / (1 + 1 / (2 * np.pi * cutoff))
        return np.array(self._last)
