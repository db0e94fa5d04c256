"""Kalshi as a source of market observations: its WebSocket, with its REST behind it."""
