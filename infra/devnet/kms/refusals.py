"""What KMS refuses, by the type names clients match on. Source: botocore's service model of KMS."""


class Refused(Exception):
    """One refusal, as KMS would answer it."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status


def invalid(message: str) -> Refused:
    return Refused("ValidationException", message)


def not_found(key_id: str) -> Refused:
    return Refused("NotFoundException", f"{key_id} is not found.")


def disabled(arn: str) -> Refused:
    return Refused("DisabledException", f"{arn} is disabled.")


def wrong_state(arn: str, state: str) -> Refused:
    return Refused("KMSInvalidStateException", f"{arn} is in state {state}.")


def wrong_usage(arn: str, usage: str) -> Refused:
    return Refused("InvalidKeyUsageException", f"{arn} is for {usage}.")


def wrong_key() -> Refused:
    return Refused("IncorrectKeyException", "The key ID in the request does not identify the key that was used.")


def wrong_ciphertext() -> Refused:
    """KMS gives no message here: what is wrong would help only an attacker."""
    return Refused("InvalidCiphertextException", "")


def wrong_signature() -> Refused:
    return Refused("KMSInvalidSignatureException", "")


def dry_run() -> Refused:
    return Refused("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")


def internal(message: str) -> Refused:
    return Refused("KMSInternalException", message, status=500)


def unsigned() -> Refused:
    return Refused("MissingAuthenticationTokenException", "Request is missing Authentication Token")
