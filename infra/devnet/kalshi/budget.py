"""How many reads a second: the exchange's token bucket."""

from collections.abc import Callable

COST = 10  # tokens per request. Source: https://docs.kalshi.com/getting_started/rate_limits


class Budget:
    """A bucket that holds one second's worth of tokens and refills continuously."""

    def __init__(self, tokens_per_s: int, clock_s: Callable[[], float]) -> None:
        self.tokens_per_s = tokens_per_s
        self._clock_s = clock_s
        self._left = float(tokens_per_s)
        self._seen_s = clock_s()

    def spend(self) -> bool:
        """Take the price of one request, or say that there is too little left."""
        now_s = self._clock_s()
        self._left = min(self.tokens_per_s, self._left + (now_s - self._seen_s) * self.tokens_per_s)
        self._seen_s = now_s
        if self._left < COST:
            return False
        self._left -= COST
        return True
