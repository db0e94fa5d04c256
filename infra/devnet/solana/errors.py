"""JSON-RPC errors, with the codes and words of a Solana node.

Source: solana `rpc-client-api/src/custom_error.rs`, `transaction-error`, `instruction-error`.
"""

from typing import Any, Final

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
PREFLIGHT_FAILURE: Final = -32002
SIGNATURE_FAILURE: Final = -32003
BLOCK_NOT_AVAILABLE: Final = -32004
UNSUPPORTED_VERSION: Final = -32015
MIN_CONTEXT_SLOT: Final = -32016

_TRANSACTION: Final = {
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "AlreadyProcessed": "This transaction has already been processed",
    "BlockhashNotFound": "Blockhash not found",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "InvalidProgramForExecution": "This program may not be used for executing instructions",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
    "AddressLookupTableNotFound": "Transaction loads an address table account that doesn't exist",
    "InvalidAddressLookupTableIndex": "Transaction address table lookup uses an invalid index",
    "SignatureFailure": "Transaction did not pass signature verification",
}
_INSTRUCTION: Final = {
    "ComputationalBudgetExceeded": "Computational budget exceeded",
    "IllegalOwner": "Provided owner is not allowed",
    "IncorrectProgramId": "incorrect program id for instruction",
    "InsufficientFunds": "insufficient funds for instruction",
    "InvalidAccountData": "invalid account data for instruction",
    "InvalidArgument": "invalid program argument",
    "InvalidInstructionData": "invalid instruction data",
    "MissingRequiredSignature": "missing required signature for instruction",
    "NotEnoughAccountKeys": "insufficient account keys for instruction",
    "ProgramFailedToComplete": "Program failed to complete",
    "UninitializedAccount": "instruction requires an initialized account",
}


class RpcError(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    def as_json(self) -> dict[str, Any]:
        """The `error` object of a reply."""
        body = {"code": self.code, "message": self.message}
        return body if self.data is None else {**body, "data": self.data}


def invalid(message: str) -> RpcError:
    """Bad parameters."""
    return RpcError(INVALID_PARAMS, message)


def words_of(error: Any) -> str:
    """A transaction's error as the node would print it."""
    match error:
        case str():
            return _TRANSACTION.get(error, error)
        case {"InstructionError": [int(index), {"Custom": int(code)}]}:
            return f"Error processing Instruction {index}: custom program error: {code:#x}"
        case {"InstructionError": [int(index), str(name)]}:
            return f"Error processing Instruction {index}: {_INSTRUCTION.get(name, name)}"
        case {"InsufficientFundsForRent": {"account_index": int(index)}}:
            return f"Transaction results in an account ({index}) with insufficient funds for rent"
        case _:
            return str(error)
