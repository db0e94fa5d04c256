"""How often a part that dies is started again, and after what pause."""

from collections import defaultdict, deque

MOST = 5  # within the window; more often than that it will not live, and only fills its log
WINDOW_S = 60.0
FIRST_PAUSE_S = 0.2  # doubled with each restart in the window, so 6 s in all before it is given up


class Restarts:
    """Counts restarts by name."""

    def __init__(self) -> None:
        self._begun: defaultdict[str, deque[float]] = defaultdict(deque)

    def pause_s(self, name: str, now_s: float) -> float | None:
        """How long to wait before the next start, which is counted; None when there shall be none."""
        begun = self._begun[name]
        while begun and begun[0] <= now_s - WINDOW_S:
            begun.popleft()
        if len(begun) >= MOST:
            return None
        begun.append(now_s)
        return FIRST_PAUSE_S * 2.0 ** (len(begun) - 1)
