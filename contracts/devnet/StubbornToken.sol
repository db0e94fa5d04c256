// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.0;

import "DevToken.sol";

/// Refuses every approval, so that no router can ever spend it.
contract StubbornToken is DevToken {
    string public constant override name = "Stubborn Token";
    string public constant override symbol = "STUBBORN";

    function approve(address, uint256) external pure override returns (bool) {
        revert("approval refused");
    }
}
