"""The real book, as the integration tests have it."""

from tests.integration.conftest import book, postgres_url

__all__ = ["book", "postgres_url"]
