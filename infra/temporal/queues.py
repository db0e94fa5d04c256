"""Task queues. `SIGNER` is served only by the signer process, the only one that may use keys."""

EXECUTIONS = "tripwire-executions"
SIGNER = "tripwire-signer"
