"""The one way to reach Temporal: the same data converter and tracing for client, workers and replayers."""

from temporalio.client import Client, TLSConfig
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.contrib.pydantic import pydantic_data_converter

from infra.config import Settings


async def connect(settings: Settings) -> Client:
    """Connect lazily checked: a server that is away raises RuntimeError here, at once."""
    tls: TLSConfig | bool = bool(settings.temporal_api_key)
    if settings.temporal_tls_cert_file and settings.temporal_tls_key_file:
        tls = TLSConfig(
            client_cert=settings.temporal_tls_cert_file.read_bytes(),
            client_private_key=settings.temporal_tls_key_file.read_bytes(),
        )
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=settings.temporal_api_key.get_secret_value() if settings.temporal_api_key else None,
        tls=tls,
        data_converter=pydantic_data_converter,
        interceptors=[TracingInterceptor()],
    )
