"""Makes one wallet: its key in the signer, its row in the book."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.create_wallet import CreateWalletKey
    from domain.wallets import NewWallet
    from workflows.options import SIGN


@workflow.defn(name="CreateWallet")
class CreateWallet:
    @workflow.run
    async def run(self, wallet: NewWallet) -> str:
        """The new wallet's address."""
        return await workflow.execute_activity_method(CreateWalletKey.run, wallet, summary=wallet.chain, **SIGN)
