// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.0;

import "DevToken.sol";

/// Stands where USDC stands on mainnet, with its name and its six decimals.
contract DevDollar is DevToken {
    string public constant override name = "USD Coin";
    string public constant override symbol = "USDC";
    uint8 public constant override decimals = 6;
}
