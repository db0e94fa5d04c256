; jupiter-pool: a two-vault constant-product pool that answers to Jupiter v6's
; route, route_v2, shared_accounts_route and shared_accounts_route_v2.
; A local stand-in for tests; it is NOT the program of Jupiter. See README.md.

; -- scratch on the heap (zeroed by the VM), offsets from r9 = 0x300000000
.equ ACCTS,  0x400            ; up to 255 pointers to account records
.equ PDA,    0x200            ; derived pool authority (32 bytes)
.equ BUMP,   0x220
.equ ID,     0x228
.equ SEEDS,  0x230            ; 3 x {addr,len}
.equ SIGNER, 0x260            ; {addr of SEEDS, 3}
.equ INSTR,  0x270            ; SolInstruction
.equ METAS,  0x298            ; 3 x SolAccountMeta
.equ DATA,   0x2c8            ; Transfer: tag 3, amount u64
.equ DATA1,  0x2c9
.equ INFOS,  0x2d8            ; 3 x SolAccountInfo (56 bytes each)
.equ LEN,    0x380            ; length of the instruction data
.equ AMT,    0x388
.equ QUOTED, 0x390
.equ SLIP,   0x398
.equ OUT,    0x3a0
.equ PROG,   0x3a8            ; address of the program id
.equ ASEEDS, 0xc00            ; 3 x {addr,len}
.equ AKEY,   0xc30            ; derived associated account
.equ ABUMP,  0xc50
; the eight accounts in use, in the order of a layout row below
.equ TOKIN,  0x3c0
.equ TOKOUT, 0x3c8
.equ USER,   0x3d0
.equ SRC,    0x3d8
.equ DST,    0x3e0
.equ AUTH,   0x3e8
.equ VIN,    0x3f0
.equ VOUT,   0x3f8

.rodata
; account index of: token program in, token program out, user authority, user
; source, user destination, pool authority, vault in, vault out; then: optional
; destination (255 = none), accounts needed, bytes of `id`, 1 = v2 argument order
row_route:     .byte 0, 0, 1, 2, 3, 9, 10, 11, 4, 12, 0, 0
row_route_v2:  .byte 5, 6, 0, 1, 2, 10, 11, 12, 7, 13, 0, 1
row_shared:    .byte 0, 0, 2, 3, 6, 1, 4, 5, 255, 13, 1, 0
row_shared_v2: .byte 8, 9, 1, 2, 5, 0, 3, 4, 255, 12, 1, 1
token_key:     .byte 6, 221, 246, 225, 215, 101, 161, 147, 217, 203, 225, 70, 206, 235, 121, 172, 28, 180, 133, 237, 95, 91, 55, 145, 58, 140, 245, 133, 126, 255, 0, 169
ata_key:       .byte 140, 151, 37, 143, 78, 36, 137, 241, 187, 61, 16, 41, 20, 142, 13, 131, 11, 90, 19, 153, 218, 255, 16, 132, 4, 142, 123, 216, 219, 233, 248, 89
seed:          .ascii "authority"
log_route:     .ascii "Instruction: Route"
log_route_v2:  .ascii "Instruction: RouteV2"
log_shared:    .ascii "Instruction: SharedAccountsRoute"
log_shared_v2: .ascii "Instruction: SharedAccountsRouteV2"
log_slip:      .ascii "AnchorError occurred. Error Code: SlippageToleranceExceeded. Error Number: 6001. Error Message: Slippage tolerance exceeded."

.text
.globl entrypoint
entrypoint:
  lddw r9, 0x300000000
  ldxdw r7, [r1+0]            ; r7 = number of accounts
  jgt r7, 255, e_keys
  mov64 r8, r1
  add64 r8, 8                 ; r8 = cursor
  mov64 r6, r9                ; r6 = next slot of ACCTS
  mov64 r4, 0
walk:
  jge r4, r7, walked
  ldxb r2, [r8+0]
  jne r2, 255, dup
  stxdw [r6+ACCTS], r8
  ldxdw r2, [r8+80]           ; data length
  add64 r8, r2
  add64 r8, 10335             ; 88 header + 10240 growth + 7, then round down
  and64 r8, -8
  add64 r8, 8                 ; rent epoch
  ja next
dup:                          ; a repeated account: 1 byte index, 7 bytes padding
  lsh64 r2, 3
  add64 r2, r9
  ldxdw r3, [r2+ACCTS]
  stxdw [r6+ACCTS], r3
  add64 r8, 8
next:
  add64 r6, 8
  add64 r4, 1
  ja walk

walked:
  ldxdw r5, [r8+0]
  stxdw [r9+LEN], r5
  mov64 r6, r8
  add64 r6, 8                 ; r6 = instruction data
  mov64 r2, r6
  add64 r2, r5
  stxdw [r9+PROG], r2         ; the program id follows the data
  jlt r5, 8, e_data
  ldxdw r3, [r6+0]
  lddw r2, 0x2aade37a97cb17e5
  jeq r3, r2, is_route
  lddw r2, 0x14afc431ccfa64bb
  jeq r3, r2, is_route_v2
  lddw r2, 0x819cd641339b20c1
  jeq r3, r2, is_shared
  lddw r2, 0xe9d8fe7c935398d1
  jeq r3, r2, is_shared_v2
  mov64 r0, 101               ; anchor: fallback not found
  exit
is_route:
  lddw r8, row_route
  lddw r1, log_route
  mov64 r2, 18
  ja known
is_route_v2:
  lddw r8, row_route_v2
  lddw r1, log_route_v2
  mov64 r2, 20
  ja known
is_shared:
  lddw r8, row_shared
  lddw r1, log_shared
  mov64 r2, 32
  ja known
is_shared_v2:
  lddw r8, row_shared_v2
  lddw r1, log_shared_v2
  mov64 r2, 34
known:                        ; r8 = layout row
  call sol_log_
  ldxb r2, [r8+9]
  jlt r7, r2, e_keys

  mov64 r4, 0                 ; resolve the eight accounts
resolve:
  mov64 r2, r8
  add64 r2, r4
  ldxb r2, [r2+0]
  lsh64 r2, 3
  add64 r2, r9
  ldxdw r3, [r2+ACCTS]
  mov64 r2, r4
  lsh64 r2, 3
  add64 r2, r9
  stxdw [r2+TOKIN], r3
  add64 r4, 1
  jlt r4, 8, resolve

  ldxb r2, [r8+8]             ; optional destination token account
  jeq r2, 255, args
  lsh64 r2, 3
  add64 r2, r9
  ldxdw r7, [r2+ACCTS]
  mov64 r1, r7
  add64 r1, 8
  ldxdw r2, [r9+PROG]
  call same_key               ; the program's own id stands for "none"
  jne r0, 0, args
  stxdw [r9+DST], r7

args:
  ldxb r2, [r8+10]
  ldxdw r5, [r9+LEN]
  mov64 r4, r6
  add64 r4, 8
  jeq r2, 0, no_id
  jlt r5, 9, e_data
  ldxb r3, [r6+8]
  stxb [r9+ID], r3
no_id:
  add64 r4, r2                ; r4 = first argument after `id`
  ldxb r3, [r8+11]
  jne r3, 0, args_v2
  add64 r2, 31                ; 8 + 4 (vec length) + 19 (trailing arguments)
  jlt r5, r2, e_data
  ldxw r2, [r4+0]             ; steps in the route plan
  ldxdw r4, [r9+PROG]
  sub64 r4, 19                ; the plan is skipped: arguments are the tail
  ldxb r3, [r4+18]            ; platform_fee_bps u8
  ja scalars
args_v2:
  add64 r2, 34                ; 8 + 22 + 4
  jlt r5, r2, e_data
  ldxw r2, [r4+22]
  ldxw r3, [r4+18]            ; platform_fee_bps u16, positive_slippage_bps u16
scalars:
  jeq r2, 0, e_empty
  jne r3, 0, e_fee
  ldxdw r2, [r4+0]
  stxdw [r9+AMT], r2
  ldxdw r2, [r4+8]
  stxdw [r9+QUOTED], r2
  ldxh r2, [r4+16]
  jgt r2, 10000, e_slip
  stxdw [r9+SLIP], r2

  ldxdw r2, [r9+USER]
  ldxb r2, [r2+1]
  jeq r2, 0, e_signer

  ldxdw r1, [r9+TOKIN]        ; only the token program may see the pool's signature
  add64 r1, 8
  lddw r2, token_key
  call same_key
  jeq r0, 0, e_token
  ldxdw r1, [r9+TOKOUT]
  add64 r1, 8
  lddw r2, token_key
  call same_key
  jeq r0, 0, e_token

  lddw r2, seed               ; pool authority = PDA of "authority", id
  stxdw [r9+0x230], r2
  stdw [r9+0x238], 9
  mov64 r2, r9
  add64 r2, ID
  stxdw [r9+0x240], r2
  stdw [r9+0x248], 1
  mov64 r2, r9
  add64 r2, BUMP
  stxdw [r9+0x250], r2
  stdw [r9+0x258], 1
  mov64 r1, r9
  add64 r1, SEEDS
  stxdw [r9+SIGNER], r1
  stdw [r9+0x268], 3
  mov64 r2, 2
  ldxdw r3, [r9+PROG]
  mov64 r4, r9
  add64 r4, PDA
  mov64 r5, r9
  add64 r5, BUMP
  call sol_try_find_program_address
  jne r0, 0, e_auth
  ldxdw r1, [r9+AUTH]
  add64 r1, 8
  mov64 r2, r9
  add64 r2, PDA
  call same_key
  jeq r0, 0, e_auth

  ldxdw r6, [r9+VIN]          ; each vault is the authority's associated account
  ldxdw r8, [r9+VOUT]
  mov64 r1, r6
  call is_ata
  jeq r0, 0, e_vault
  mov64 r1, r8
  call is_ata
  jeq r0, 0, e_vault
  mov64 r1, r6
  add64 r1, 88                ; mint
  mov64 r2, r8
  add64 r2, 88
  call same_key
  jne r0, 0, e_mints

  ; x = amount - ceil(amount * 30 / 10000), without overflow
  ldxdw r1, [r9+AMT]
  mov64 r2, r1
  div64 r2, 10000
  mov64 r3, r2
  mul64 r3, 10000
  mov64 r4, r1
  sub64 r4, r3                ; amount mod 10000
  mul64 r4, 30
  add64 r4, 9999
  div64 r4, 10000
  mul64 r2, 30
  add64 r2, r4                ; fee
  sub64 r1, r2                ; x
  ; out = reserve_out * x / (reserve_in + x), rounded down
  ldxdw r7, [r6+152]          ; 88 + 64: reserve_in
  add64 r7, r1
  jlt r7, r1, e_calc          ; carry
  jeq r7, 0, e_calc
  ldxdw r2, [r8+152]
  call mul128
  mov64 r2, r0
  mov64 r3, r7
  call div128
  stxdw [r9+OUT], r0

  mov64 r7, 0                 ; user -> vault in, user's own authority
  ldxdw r1, [r9+SRC]
  mov64 r2, r6
  ldxdw r3, [r9+USER]
  ldxdw r4, [r9+TOKIN]
  ldxdw r5, [r9+AMT]
  call transfer
  mov64 r7, 1                 ; vault out -> user, one set of signer seeds
  mov64 r1, r8
  ldxdw r2, [r9+DST]
  ldxdw r3, [r9+AUTH]
  ldxdw r4, [r9+TOKOUT]
  ldxdw r5, [r9+OUT]
  call transfer

  ; slippage: out * 10000 >= quoted * (10000 - slippage_bps), both 128 bits
  ldxdw r1, [r9+OUT]
  mov64 r2, 10000
  call mul128
  mov64 r6, r1
  mov64 r7, r0
  ldxdw r1, [r9+QUOTED]
  mov64 r2, 10000
  ldxdw r3, [r9+SLIP]
  sub64 r2, r3
  call mul128
  jgt r6, r1, enough
  jlt r6, r1, e_slippage
  jlt r7, r0, e_slippage
enough:
  mov64 r1, r9
  add64 r1, OUT
  mov64 r2, 8
  call sol_set_return_data
  mov64 r0, 0
  exit

; errors: anchor's own codes below 6000, Jupiter's from 6000
e_data:
  mov64 r0, 102
  exit
e_keys:
  mov64 r0, 3005
  exit
e_signer:
  mov64 r0, 3010
  exit
e_empty:
  mov64 r0, 6000
  exit
e_slippage:
  lddw r1, log_slip
  mov64 r2, 124
  call sol_log_
  mov64 r0, 6001
  exit
e_calc:
  mov64 r0, 6002
  exit
e_fee:
  mov64 r0, 6003
  exit
e_slip:
  mov64 r0, 6004
  exit
e_token:
  mov64 r0, 6014
  exit
e_mints:
  mov64 r0, 6018
  exit
e_auth:
  mov64 r0, 6020
  exit
e_vault:
  mov64 r0, 6025
  exit

; r0 = 1 if the 32 bytes at r1 and r2 are equal
same_key:
  mov64 r0, 0
  ldxdw r3, [r1+0]
  ldxdw r4, [r2+0]
  jne r3, r4, differs
  ldxdw r3, [r1+8]
  ldxdw r4, [r2+8]
  jne r3, r4, differs
  ldxdw r3, [r1+16]
  ldxdw r4, [r2+16]
  jne r3, r4, differs
  ldxdw r3, [r1+24]
  ldxdw r4, [r2+24]
  jne r3, r4, differs
  mov64 r0, 1
differs:
  exit

; r0 = 1 if record r1 is the pool authority's associated account for its mint
is_ata:
  mov64 r6, r1
  mov64 r2, r9
  add64 r2, PDA
  stxdw [r9+0xc00], r2
  stdw [r9+0xc08], 32
  lddw r2, token_key
  stxdw [r9+0xc10], r2
  stdw [r9+0xc18], 32
  add64 r1, 88                ; mint
  stxdw [r9+0xc20], r1
  stdw [r9+0xc28], 32
  mov64 r1, r9
  add64 r1, ASEEDS
  mov64 r2, 3
  lddw r3, ata_key
  mov64 r4, r9
  add64 r4, AKEY
  mov64 r5, r9
  add64 r5, ABUMP
  call sol_try_find_program_address
  mov64 r1, r6
  add64 r1, 8
  mov64 r2, r9
  add64 r2, AKEY
  call same_key
  exit

; r1:r0 = r1 * r2
mul128:
  mov64 r3, r1
  lsh64 r3, 32
  rsh64 r3, 32                ; a low
  rsh64 r1, 32                ; a high
  mov64 r4, r2
  lsh64 r4, 32
  rsh64 r4, 32                ; b low
  rsh64 r2, 32                ; b high
  mov64 r0, r3
  mul64 r0, r4                ; low * low
  mul64 r3, r2                ; a low * b high
  mul64 r4, r1                ; a high * b low
  mul64 r1, r2                ; high * high
  mov64 r5, r0
  rsh64 r5, 32
  add64 r3, r5
  mov64 r5, r3
  rsh64 r5, 32
  add64 r1, r5
  lsh64 r3, 32
  rsh64 r3, 32
  add64 r4, r3
  mov64 r5, r4
  rsh64 r5, 32
  add64 r1, r5
  lsh64 r4, 32
  lsh64 r0, 32
  rsh64 r0, 32
  or64 r0, r4
  exit

; r0 = r1:r2 / r3, for r1 < r3
div128:
  mov64 r4, 64
bit:
  mov64 r5, r1
  rsh64 r5, 63
  lsh64 r1, 1
  mov64 r0, r2
  rsh64 r0, 63
  or64 r1, r0
  lsh64 r2, 1
  jne r5, 0, take
  jlt r1, r3, skip
take:
  sub64 r1, r3
  or64 r2, 1
skip:
  sub64 r4, 1
  jne r4, 0, bit
  mov64 r0, r2
  exit

; token Transfer: r1 from, r2 to, r3 authority, r4 token program (records),
; r5 amount, r7 sets of signer seeds (0 or 1). Does not return on failure.
transfer:
  stb [r9+DATA], 3
  stxdw [r9+DATA1], r5
  add64 r4, 8
  stxdw [r9+0x270], r4        ; program id
  mov64 r0, r9
  add64 r0, METAS
  stxdw [r9+0x278], r0
  stdw [r9+0x280], 3
  mov64 r0, r9
  add64 r0, DATA
  stxdw [r9+0x288], r0
  stdw [r9+0x290], 9
  mov64 r6, r9
  add64 r6, METAS
  mov64 r8, r9
  add64 r8, INFOS
  mov64 r4, 0x0001            ; writable, not signer
  call account
  mov64 r1, r2
  add64 r6, 16
  add64 r8, 56
  call account
  mov64 r1, r3
  add64 r6, 16
  add64 r8, 56
  mov64 r4, 0x0100            ; signer, not writable
  call account
  mov64 r1, r9
  add64 r1, INSTR
  mov64 r2, r9
  add64 r2, INFOS
  mov64 r3, 3
  mov64 r4, r9
  add64 r4, SIGNER
  mov64 r5, r7
  call sol_invoke_signed_c
  exit

; fill one SolAccountMeta at r6 and one SolAccountInfo at r8 from record r1
account:
  mov64 r0, r1
  add64 r0, 8
  stxdw [r6+0], r0            ; key
  stxh [r6+8], r4             ; byte 8 writable, byte 9 signer
  stxdw [r8+0], r0
  add64 r0, 64
  stxdw [r8+8], r0            ; lamports, at 72
  ldxdw r5, [r1+80]
  stxdw [r8+16], r5           ; data length
  add64 r0, 16
  stxdw [r8+24], r0           ; data, at 88
  sub64 r0, 48
  stxdw [r8+32], r0           ; owner, at 40
  stdw [r8+40], 0             ; rent epoch
  ldxb r5, [r1+1]
  stxb [r8+48], r5            ; signer
  ldxb r5, [r1+2]
  stxb [r8+49], r5            ; writable
  ldxb r5, [r1+3]
  stxb [r8+50], r5            ; executable
  exit
