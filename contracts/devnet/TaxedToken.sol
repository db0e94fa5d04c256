// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.0;

import "DevToken.sol";

/// Keeps 2 % of every transfer: who is sent 100 gets 98, and the rest is burned.
contract TaxedToken is DevToken {
    string public constant override name = "Taxed Token";
    string public constant override symbol = "TAXED";

    function _move(address from, address to, uint256 value) internal override {
        uint256 tax = value / 50;
        super._move(from, to, value - tax);
        require(balanceOf[from] >= tax, "balance exceeded");
        balanceOf[from] -= tax;
        totalSupply -= tax;
        emit Transfer(from, address(0), tax);
    }
}
