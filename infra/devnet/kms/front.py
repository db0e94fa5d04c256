"""KMS over moto, with what moto does otherwise than AWS put right before and after it.

Put right: strict encryption context, key states, key usage, the key a ciphertext must belong to, `DryRun`,
`MessageType: DIGEST`, refusals by their true type, and memory. Left as moto has it: key policies, grants
and quotas are stored at most, never enforced.
"""

import base64
import binascii
import hashlib
import json
import re
import threading
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.kms.models import Key
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.test import Client

from infra.devnet.kms import refusals
from infra.devnet.kms.keyring import Keyring

JsonObject = dict[str, Any]

USAGE = {  # what a key must be for; all of these leave no trace, so a dry run may run them
    "Encrypt": "ENCRYPT_DECRYPT",
    "Decrypt": "ENCRYPT_DECRYPT",
    "ReEncrypt": "ENCRYPT_DECRYPT",
    "GenerateDataKey": "ENCRYPT_DECRYPT",
    "GenerateDataKeyWithoutPlaintext": "ENCRYPT_DECRYPT",
    "Sign": "SIGN_VERIFY",
    "Verify": "SIGN_VERIFY",
    "GenerateMac": "GENERATE_VERIFY_MAC",
    "VerifyMac": "GENERATE_VERIFY_MAC",
}
DRY_RUN_REFUSED_UNTRIED = {"CreateGrant", "RetireGrant", "RevokeGrant"}  # moto would change something
CHANGES_A_KEY = {  # refused while it awaits deletion, but for the one that takes that back
    "CancelKeyDeletion",
    "CreateAlias",
    "CreateGrant",
    "DisableKey",
    "DisableKeyRotation",
    "EnableKey",
    "EnableKeyRotation",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
    "UpdateAlias",
    "UpdateKeyDescription",
}
DELETION_DAYS = range(7, 31)  # Source: AWS KMS API reference, ScheduleKeyDeletion
LONGEST_MESSAGE = 4096  # bytes. Source: AWS KMS API reference, Sign
LONGEST_CIPHERTEXT = 6144  # bytes. Source: AWS KMS API reference, Decrypt
DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "ECDSA_SHA_256": hashes.SHA256(),
    "ECDSA_SHA_384": hashes.SHA384(),
    "ECDSA_SHA_512": hashes.SHA512(),
}


class Front:
    """Answers one request at a time: moto's dictionaries and our file know no concurrency."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._moto = Client(create_backend_app("kms"))
        self._turn = threading.Lock()

    def answer(self, operation: str, authorization: str | None, body: bytes) -> JsonObject:
        """The answer to one operation.

        Errors: Refused.
        """
        if not authorization:
            raise refusals.unsigned()
        region = _region(authorization)
        try:
            asked = json.loads(body or b"{}")
        except ValueError:
            raise refusals.Refused("SerializationException", "") from None
        if not isinstance(asked, dict):
            raise refusals.Refused("SerializationException", "")
        with self._turn:
            return self._answer(operation, region, authorization, asked)

    def _answer(self, operation: str, region: str, authorization: str, asked: JsonObject) -> JsonObject:
        key = self._checked_key(operation, region, asked)
        if key is not None and asked.get("KeyId") == key.arn:
            asked["KeyId"] = key.id  # moto finds a key by its ARN in some operations only
        dry_run = bool(asked.pop("DryRun", False))
        if dry_run and operation in DRY_RUN_REFUSED_UNTRIED:
            raise refusals.dry_run()
        if operation == "Sign" and key is not None:
            answered = _signed(key, asked)
        elif operation == "Verify" and key is not None:
            answered = _verified(key, asked)
        else:
            answered = self._by_moto(operation, authorization, _prepared(operation, asked))
        if dry_run and operation in USAGE:
            raise refusals.dry_run()
        if operation not in USAGE and not operation.startswith(("Describe", "Get", "List")):
            self._save()
        return _completed(operation, key, answered)

    def _checked_key(self, operation: str, region: str, asked: JsonObject) -> Key | None:
        """The key the operation is about, if there is one and it may be used for it."""
        key: Key | None = None
        if operation in {"Decrypt", "ReEncrypt"}:
            key = self._keyring.sealed_with(region, _ciphertext(asked))
            named = asked.get("SourceKeyId" if operation == "ReEncrypt" else "KeyId")
            if named and self._keyring.find(region, named) is not key:
                raise refusals.wrong_key()
            if operation == "ReEncrypt":
                _usable(self._keyring.find(region, str(asked.get("DestinationKeyId"))), operation)
        elif named := asked.get("KeyId") or asked.get("TargetKeyId"):
            key = self._keyring.find(region, str(named))
        elif operation in USAGE or operation == "GetPublicKey":
            raise refusals.invalid("KeyId is missing")
        if key is None:
            return None
        if operation in USAGE or operation == "GetPublicKey":
            _usable(key, operation)
            return key
        pending = key.key_state == "PendingDeletion"
        if pending != (operation == "CancelKeyDeletion") and operation in CHANGES_A_KEY:
            raise refusals.wrong_state(key.arn, key.key_state)
        return key

    def _by_moto(self, operation: str, authorization: str, asked: JsonObject) -> JsonObject:
        headers = {"X-Amz-Target": f"TrentService.{operation}", "Authorization": authorization}
        kind = "application/x-amz-json-1.1"
        try:
            answer = self._moto.post("/", data=json.dumps(asked), headers=headers, content_type=kind)
        except NotImplementedError:
            raise refusals.Refused("UnknownOperationException", "") from None
        answered = json.loads(answer.get_data() or b"null") or {}
        if answer.status_code != 200:
            message = str(answered.get("message") or answered.get("Message") or "")
            raise refusals.Refused(answered.get("__type", "KMSInternalException"), message, answer.status_code)
        return cast(JsonObject, answered)

    def _save(self) -> None:
        try:
            self._keyring.save()
        except OSError as error:
            raise refusals.internal(f"the keys could not be written down: {error}") from error


def _region(authorization: str) -> str:
    """From the signature's scope: AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/kms/aws4_request, ..."""
    scope = re.search(r"Credential=[^/]+/\d+/([a-z0-9-]+)/kms/", authorization)
    if scope is None:
        raise refusals.Refused("IncompleteSignatureException", "The Authorization header names no scope.")
    return scope[1]


def _usable(key: Key, operation: str) -> None:
    if key.key_state == "Disabled":
        raise refusals.disabled(key.arn)
    if key.key_state != "Enabled":
        raise refusals.wrong_state(key.arn, key.key_state)
    if operation == "GetPublicKey":
        if key.key_spec == "SYMMETRIC_DEFAULT" or key.key_spec.startswith("HMAC"):
            raise refusals.Refused("UnsupportedOperationException", f"{key.arn} has no public half.")
    elif key.key_usage != USAGE[operation]:
        raise refusals.wrong_usage(key.arn, key.key_usage)


def _prepared(operation: str, asked: JsonObject) -> JsonObject:
    """The request as moto is to see it."""
    asked = dict(asked)
    for name in ("EncryptionContext", "SourceEncryptionContext", "DestinationEncryptionContext"):
        if name in asked:
            asked[name] = _sealed(asked[name])
    if operation == "CreateKey":
        asked.setdefault("KeyUsage", "ENCRYPT_DECRYPT")
    if operation == "ScheduleKeyDeletion" and asked.get("PendingWindowInDays", 30) not in DELETION_DAYS:
        raise refusals.invalid("PendingWindowInDays must be from 7 to 30")
    return asked


def _sealed(context: object) -> dict[str, str]:
    """A context that moto, which joins names and values without a mark between, cannot mistake."""
    if not isinstance(context, dict) or not all(isinstance(value, str) for value in context.values()):
        raise refusals.Refused("SerializationException", "an encryption context maps strings to strings")
    if not context:
        return {}
    exact = json.dumps(context, sort_keys=True, separators=(",", ":")).encode()
    return {"sealed": hashlib.sha256(exact).hexdigest()}


def _completed(operation: str, key: Key | None, answered: JsonObject) -> JsonObject:
    """The answer with the fields moto leaves out or gets wrong."""
    if operation in {"Encrypt", "Decrypt"}:
        return {**answered, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    if operation == "GetPublicKey" and key is not None:
        return {**answered, "KeyId": key.arn, "KeySpec": key.key_spec}
    return answered


def _ciphertext(asked: JsonObject) -> bytes:
    blob = _blob(asked, "CiphertextBlob")
    if not 1 <= len(blob) <= LONGEST_CIPHERTEXT:
        raise refusals.invalid(f"CiphertextBlob must have 1 to {LONGEST_CIPHERTEXT} bytes")
    return blob


def _blob(asked: JsonObject, name: str) -> bytes:
    try:
        return base64.b64decode(str(asked[name]), validate=True)
    except KeyError:
        raise refusals.invalid(f"{name} is missing") from None
    except binascii.Error:
        raise refusals.Refused("SerializationException", f"{name} is not base64") from None


def _signed(key: Key, asked: JsonObject) -> JsonObject:
    message, algorithm, prehashed = _to_sign(key, asked)
    if prehashed is None:
        signature = key.private_key.sign(message, algorithm)
    else:
        signature = _curve_key(key).sign(message, ec.ECDSA(prehashed))
    encoded = base64.b64encode(signature).decode()
    return {"KeyId": key.arn, "Signature": encoded, "SigningAlgorithm": algorithm}


def _verified(key: Key, asked: JsonObject) -> JsonObject:
    message, algorithm, prehashed = _to_sign(key, asked)
    signature = _blob(asked, "Signature")
    if prehashed is None:
        valid = key.private_key.verify(message, signature, algorithm)
    else:
        try:
            _curve_key(key).public_key().verify(signature, message, ec.ECDSA(prehashed))
            valid = True
        except InvalidSignature:
            valid = False
    if not valid:
        raise refusals.wrong_signature()
    return {"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm}


def _to_sign(key: Key, asked: JsonObject) -> tuple[bytes, str, Prehashed | None]:
    """Message, algorithm, and how it is hashed already, if it is."""
    message = _blob(asked, "Message")
    algorithm = str(asked.get("SigningAlgorithm"))
    if algorithm not in key.signing_algorithms:
        raise refusals.wrong_usage(key.arn, f"{key.signing_algorithms}, not {algorithm}")
    kind = asked.get("MessageType", "RAW")
    if kind == "RAW":
        if not 1 <= len(message) <= LONGEST_MESSAGE:
            raise refusals.invalid(f"Message must have 1 to {LONGEST_MESSAGE} bytes")
        return message, algorithm, None
    digest = DIGESTS.get(algorithm)
    if kind != "DIGEST" or digest is None:
        raise refusals.Refused("UnsupportedOperationException", f"{kind} with {algorithm} is not built here.")
    if len(message) != digest.digest_size:
        raise refusals.invalid(f"Digest is invalid length for algorithm {algorithm}.")
    return message, algorithm, Prehashed(digest)


def _curve_key(key: Key) -> ec.EllipticCurvePrivateKey:
    return cast(ec.EllipticCurvePrivateKey, cast(Any, key.private_key).private_key)
