"""How the embedded world reaches its own key service, and the one key the product wraps with."""

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

ALIAS = "alias/tripwire"
REGION = "eu-central-1"
CREDENTIALS = {  # signed with, as boto3 insists; nobody checks them, and none of a real account may be used
    "AWS_ACCESS_KEY_ID": "devnet",
    "AWS_SECRET_ACCESS_KEY": "devnet",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}
CALL_TIMEOUT_S = 10  # local; moto draws a key of 2048 bits on CreateKey, which takes up to a second


def client(endpoint: str) -> "KMSClient":
    """boto3 as everybody has it, with one try per call."""
    return boto3.client(
        "kms",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(connect_timeout=CALL_TIMEOUT_S, read_timeout=CALL_TIMEOUT_S, retries={"total_max_attempts": 1}),
    )


def ensure_key(endpoint: str) -> str:
    """The ARN of the world's wrapping key; found by its alias, since CreateKey has no idempotency token."""
    kms = client(endpoint)
    try:
        return kms.describe_key(KeyId=ALIAS)["KeyMetadata"]["Arn"]
    except ClientError as refusal:
        if refusal.response["Error"]["Code"] != "NotFoundException":
            raise
    made = kms.create_key(Description="wraps every data key of the embedded world")["KeyMetadata"]
    kms.create_alias(AliasName=ALIAS, TargetKeyId=made["KeyId"])
    return made["Arn"]
