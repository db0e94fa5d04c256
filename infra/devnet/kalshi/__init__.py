"""A stand-in for Kalshi's Trade API v2: its REST, its WebSocket, its signatures, and a door to move it."""
