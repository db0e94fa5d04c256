"""Make a wallet's key, in the signer: the only process in which a plain key ever exists."""

from collections.abc import Mapping

from temporalio import activity

from domain.chains import CUSTODIANS, chain
from domain.errors import NotFound
from domain.wallets import NewWallet
from infra.custody.protocol import Custodian
from infra.db.wallets import Wallets


class CreateWalletKey:
    def __init__(self, wallets: Wallets, custodians: Mapping[str, Custodian]) -> None:
        self._wallets = wallets
        self._custodians = custodians

    @activity.defn(name="create_wallet_key")
    async def run(self, wallet: NewWallet) -> str:
        """The address of the wallet's key; a key is made only if the book has none.

        Two tries at once make two keys, and the book's primary key lets one of them be the wallet's.
        Errors: SIGNING_UNAVAILABLE (retried), KEY_ACCESS_DENIED (final).
        """
        try:
            return (await self._wallets.find(wallet.owner_id, wallet.id)).address
        except NotFound:
            where = chain(wallet.chain)
            name = CUSTODIANS[where.family]
            key = await self._custodians[name].create(wallet.id, wallet.owner_id, where.family)
            added = await self._wallets.add(wallet.id, wallet.owner_id, where, key.address, name, key.sealed)
            return added.address
