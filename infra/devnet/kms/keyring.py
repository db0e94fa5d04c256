"""The keys inside moto: found by any of their names, and kept in a file, since moto itself forgets.

The file holds plain key material: it stands for the hardware, and is fit for development alone.
"""

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from moto.kms.models import Grant, Key, KmsBackend, kms_backends
from moto.kms.utils import generate_private_key

from infra.devnet.kms import refusals
from infra.devnet.state import write_private

ACCOUNT = "123456789012"  # the account moto files everything under
PLAIN_FIELDS = (  # of moto's Key: what is JSON already
    "id",
    "arn",
    "creation_date",
    "account_id",
    "region",
    "policy",
    "key_usage",
    "key_state",
    "description",
    "enabled",
    "multi_region",
    "key_rotation_status",
    "origin",
    "key_manager",
    "key_spec",
    "rotations",
)


class Keyring:
    """Every key of every region, and the file that outlives the process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        if file.exists():
            for saved in json.loads(file.read_bytes())["keys"]:
                _restore(saved)

    def find(self, region: str, key_id: str) -> Key:
        """By id, ARN, alias or alias ARN.

        Errors: NotFoundException.
        """
        backend = self.backend(region)
        if "alias/" in key_id:
            alias = backend.get_alias_name(key_id)
            for key in backend.keys.values():
                if alias in key.aliases:
                    return key
            raise refusals.not_found(key_id)  # AWS's own aliases too: moto would make such a key unasked
        try:
            return backend.keys[backend.get_key_id(key_id)]
        except KeyError:
            raise refusals.not_found(key_id) from None

    def sealed_with(self, region: str, blob: bytes) -> Key:
        """The key a ciphertext names in its head, as moto writes it.

        Errors: InvalidCiphertextException.
        """
        key = self.backend(region).keys.get(blob[:36].decode("ascii", "replace"))
        if key is None:
            raise refusals.wrong_ciphertext()
        return key

    def save(self) -> None:
        """Write all keys down; whoever asked for a change is answered after this only."""
        keys = [_saved(backend, key) for backend in kms_backends[ACCOUNT].values() for key in backend.keys.values()]
        write_private(self._file, json.dumps({"keys": keys}, indent=1).encode())

    @staticmethod
    def backend(region: str) -> KmsBackend:
        return kms_backends[ACCOUNT][region]


def _saved(backend: KmsBackend, key: Key) -> dict[str, Any]:
    asymmetric = key.key_usage == "SIGN_VERIFY" or key.key_spec.startswith("RSA")
    return {
        **{name: getattr(key, name) for name in PLAIN_FIELDS},
        "multi_region_configuration": getattr(key, "multi_region_configuration", None),
        "deletion_date": key.deletion_date.isoformat() if key.deletion_date else None,
        "key_material": base64.b64encode(key.key_material).decode(),
        "private_key": _pem(key) if asymmetric else None,  # moto makes a useless one for the others
        "aliases": list(key.aliases),
        "tags": backend.list_resource_tags(key.id)["Tags"],
        "grants": [vars(grant) for grant in key.grants.values()],
    }


def _pem(key: Key) -> str:
    private = cast(Any, key.private_key).private_key
    return cast(bytes, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())).decode()


def _restore(saved: dict[str, Any]) -> None:
    backend = Keyring.backend(saved["region"])
    key = cast(Any, Key.__new__(Key))  # its constructor would draw new material
    for name in PLAIN_FIELDS:
        setattr(key, name, saved[name])
    if saved["multi_region_configuration"]:
        key.multi_region_configuration = saved["multi_region_configuration"]
    key.deletion_date = datetime.fromisoformat(saved["deletion_date"]) if saved["deletion_date"] else None
    key.key_material = base64.b64decode(saved["key_material"])
    key.private_key = None
    if saved["private_key"]:
        key.private_key = generate_private_key(key.key_spec)
        key.private_key.private_key = load_pem_private_key(saved["private_key"].encode(), password=None)
    key.grants = {grant["id"]: _grant(grant) for grant in saved["grants"]}
    key.aliases = {}
    backend.keys[key.id] = key
    for alias in saved["aliases"]:
        backend.create_alias(key.id, alias)
    backend.tagger.tag_resource(key.id, saved["tags"])


def _grant(saved: dict[str, Any]) -> Grant:
    grant = cast(Grant, Grant.__new__(Grant))
    vars(grant).update(saved)
    return grant
