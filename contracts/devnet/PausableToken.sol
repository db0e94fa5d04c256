// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.0;

import "DevToken.sol";

/// Anybody may stop all transfers, and let them go on: a swap then reverts, and later the same bytes succeed.
contract PausableToken is DevToken {
    string public constant override name = "Pausable Token";
    string public constant override symbol = "PAUSABLE";
    bool public paused;

    function pause(bool stop) external {
        paused = stop;
    }

    function _move(address from, address to, uint256 value) internal override {
        require(!paused, "transfers are paused");
        super._move(from, to, value);
    }
}
