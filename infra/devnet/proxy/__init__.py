"""Fault proxies: they stand before an upstream of the product, in the event loop of whoever orders the faults."""
