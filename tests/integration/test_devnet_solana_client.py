"""An ordinary client, solana-py as published, finds an ordinary node. Time runs here."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import websockets
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed, Finalized
from solana.rpc.core import RPCException
from solana.rpc.models import TokenAccountOpts, TxOpts
from solana.rpc.websocket_api import SolanaWsClient
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.rpc.responses import RpcSignatureResponse, SignatureNotification
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from infra.chains.solana.addresses import USDC_MINT
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import SEND, Wallet

POLL_S = 0.02
CONFIRMED_FIRST = TxOpts(preflight_commitment=Confirmed)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolanaNode]:
    with solana_node(tmp_path_factory.mktemp("solana"), slot_ms=20) as running:
        yield running


async def test_a_client_is_given_money_sends_it_on_and_reads_it_back(node: SolanaNode) -> None:
    payer, to = Keypair(), Keypair().pubkey()
    async with AsyncClient(node.rpc_url) as client:
        airdrop = (await client.request_airdrop(payer.pubkey(), 10**9)).value
        await client.confirm_transaction(airdrop, Confirmed, sleep_seconds=POLL_S)
        latest = (await client.get_latest_blockhash(Confirmed)).value
        move = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=10**8))
        message = MessageV0.try_compile(payer.pubkey(), [move], [], latest.blockhash)
        sent = VersionedTransaction(message, [payer])
        assert (await client.get_fee_for_message(message, Confirmed)).value == 5000
        simulated = (await client.simulate_transaction(sent, commitment=Confirmed, sig_verify=True)).value
        assert simulated.err is None
        signature = (await client.send_transaction(sent, CONFIRMED_FIRST)).value
        await client.confirm_transaction(
            signature, Finalized, POLL_S, last_valid_block_height=latest.last_valid_block_height
        )
        for encoding in ("json", "base64", "jsonParsed"):
            landed = (await client.get_transaction(signature, encoding, max_supported_transaction_version=0)).value
            assert landed is not None
            meta = landed.transaction.meta
            assert meta is not None
            assert meta.fee == 5000
            assert [a - b for a, b in zip(meta.post_balances, meta.pre_balances, strict=True)][:2] == [
                -(10**8) - 5000,
                10**8,
            ]
        assert (await client.get_balance(to)).value == 10**8
        (newest, oldest) = (await client.get_signatures_for_address(payer.pubkey())).value
        assert (newest.signature, oldest.signature) == (signature, airdrop)
        with pytest.raises(RPCException):
            await client.send_transaction(sent, CONFIRMED_FIRST)


async def test_a_client_reads_token_accounts(node: SolanaNode) -> None:
    owner = Keypair().pubkey()
    node.give_tokens(owner, USDC_MINT, 1_500_000)
    async with AsyncClient(node.rpc_url) as client:
        only = TokenAccountOpts(mint=USDC_MINT)
        (parsed,) = (await client.get_token_accounts_by_owner_json_parsed(owner, only)).value
        (raw,) = (await client.get_token_accounts_by_owner(owner, only)).value
        assert (await client.get_token_account_balance(parsed.pubkey)).value.ui_amount_string == "1.5"
        assert int.from_bytes(raw.account.data[64:72], "little") == 1_500_000
        many = (await client.get_multiple_accounts([parsed.pubkey, Keypair().pubkey()])).value
        assert [account is None for account in many] == [False, True]


async def test_a_client_is_told_over_websocket_when_its_signature_is_final(node: SolanaNode) -> None:
    wallet = Wallet(node)
    async with AsyncClient(node.rpc_url) as client, SolanaWsClient(node.ws_url) as socket:
        message = MessageV0.try_compile(
            wallet.address,
            [transfer(TransferParams(from_pubkey=wallet.address, to_pubkey=Keypair().pubkey(), lamports=10**7))],
            [],
            wallet.blockhash("confirmed"),
        )
        sent = VersionedTransaction(message, [wallet.key])
        subscribed = await socket.signature_subscribe(signature=sent.signatures[0], commitment=Finalized)
        await client.send_transaction(sent, CONFIRMED_FIRST)
        told = await socket.recv()
        assert isinstance(told, SignatureNotification)
        assert told.subscription == subscribed.subscription_id
        assert isinstance(told.result.value, RpcSignatureResponse)
        assert told.result.value.err is None
        status = (await client.get_signature_statuses([sent.signatures[0]])).value[0]
        assert status is not None
        assert status.confirmations is None


async def test_slots_and_account_changes_arrive_over_websocket_until_unsubscribed(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    async with websockets.connect(node.ws_url) as socket:

        async def ask(method: str, *params: Any) -> Any:
            call = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
            await socket.send(json.dumps(call))
            while True:
                heard = json.loads(await socket.recv())
                if heard.get("id") == method:
                    return heard["result"]

        slots = await ask("slotSubscribe")
        told = [json.loads(await socket.recv())["params"]["result"] for _ in range(3)]
        assert [later["parent"] for later in told[1:]] == [earlier["slot"] for earlier in told[:-1]]
        assert await ask("slotUnsubscribe", slots) is True
        assert await ask("slotUnsubscribe", slots) is False
        await ask("accountSubscribe", str(to), {"commitment": "confirmed", "encoding": "base64"})
        node.call("sendTransaction", wallet.sign_transfer(to, 10**7), SEND)
        heard = json.loads(await socket.recv())
        assert heard["method"] == "accountNotification"
        assert heard["params"]["result"]["value"]["lamports"] == 10**7


def test_a_batch_is_answered_call_by_call(node: SolanaNode) -> None:
    calls = [
        {"jsonrpc": "2.0", "id": 7, "method": "getHealth"},
        {"jsonrpc": "2.0", "id": 8, "method": "getTea"},
    ]
    good, bad = httpx.post(node.rpc_url, json=calls, timeout=30).json()
    assert (good["id"], good["result"]) == (7, "ok")
    assert (bad["id"], bad["error"]["code"]) == (8, -32601)
