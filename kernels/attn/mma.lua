-- mma: what can be turned in mma.cu, what of it fits a device, and how the kernel is launched.
-- A value that could not matter in a candidate (how to merge when nothing is split) is illegal unless it is the default, so
-- that one kernel is not timed under two names.

-- The layout in mma_layout.cuh.
local function smem_bytes(c, p)
  local row = 2 * p.d
  local q = c.Q_PATH == "global" and 0 or c.BLOCK_M * row
  local ring = 2 * c.STAGES * c.BLOCK_N * row
  local part = c.BLOCK_M * (4 * p.d + 40)
  return q + c.SPLIT_K * (c.SPLIT_K > 1 and math.max(ring, part) or ring)
end

local function threads(c) return 32 * (c.BLOCK_M // c.WARP_M) * c.SPLIT_K end

-- Registers that a thread needs at once: the accumulators of O, those of S with the weights made from them, Q, and the
-- operands and addresses in flight. Fitted to what ptxas spilled of 220 random candidates for sm_90a and sm_89: of those
-- within the limit 6 spill, 8 bytes each on average; of those above it 11 would not. WIDER: what is to be added at the
-- other head dimensions, by 194 more: of the 102 within the limit 5 spill, 16 bytes each; of those above 22 would not. At
-- d = 192 with Q in registers EXP_PLACE=pv decides at the limit: BLOCK_N=64 FIRST_STEP=loop spills in 12 of 12, with
-- EXP_PLACE=block in 1 of 12 (RESCALE, MASK and two shapes of the CTA turned).
local WIDER = {
  [96] = function() return 10 end,
  [192] = function(c)
    return (c.UNROLL == 2 and 34 or 30) + (c.Q_PATH ~= "reload" and c.EXP_PLACE == "pv" and 4 or 0)
  end,
  [256] = function(c)
    local n = c.MASK == "peel" and 14 or 0
    if c.Q_PATH == "reload" then return n - (c.UNROLL == 2 and 4 or 20) end
    return n + (c.UNROLL == 2 and 2 or 0)
  end,
}

local function registers(c, p)
  local strips = c.WARP_M // 16
  local q = c.Q_PATH == "reload" and strips * (p.d // 4 - 8) or strips * p.d // 4
  local n = strips * (p.d // 2 + c.BLOCK_N // 2) + q + (c.BLOCK_N == 16 and 38 or 46)
  if c.UNROLL == 2 then n = n + 8 * (strips + 1) end
  if c.RESCALE == "checked" then n = n + strips * c.BLOCK_N // 4 end  -- weights beside the scores that they are made from
  if c.FIRST_STEP == "peel" then n = n + 4 end
  return n + (WIDER[p.d] and WIDER[p.d](c) or 0)
end

return variant {
  source = "mma.cu",
  about = "tensor cores by mma.sync, keys and values staged by cp.async, keys split over groups of warps",
  min_cc = 80,
  axes = {
    axis { "BLOCK_M", values = { 16, 32, 64, 128 }, default = 32, strategy = "launch",
           about = "query rows of a CTA: few rows give many CTAs, many rows use K and V more often" },
    axis { "WARP_M", values = { 16, 32 }, default = 16, strategy = "instruction",
           about = "query rows of a warp: 32 halve the reads of shared memory and double the registers" },
    axis { "BLOCK_N", values = { 16, 32, 48, 64, 80, 96, 112, 128 }, default = 64, strategy = "memory",
           about = "keys of a step: more mean fewer maxima and waits, and more registers for scores" },
    axis { "SPLIT_K", values = { 1, 2, 4, 8, 16 }, default = 4, strategy = "launch",
           about = "groups of warps in a CTA that share the keys" },
    axis { "STAGES", values = { 1, 2, 3, 4 }, default = 1, strategy = "memory",
           about = "slots of a group's ring of K and V blocks: as many as cover its keys pay one latency" },
    axis { "WAIT", values = { "split", "joint" }, default = "split", strategy = "memory",
           about = "split: wait for V after the softmax; joint: K and V of a block arrive as one" },
    axis { "Q_PATH", values = { "global", "shared", "reload" }, default = "shared", strategy = "memory",
           about = "Q to registers from global memory, or once through shared memory, or from there in each step" },
    axis { "L2_PREFETCH", values = { 0, 64, 128, 256 }, default = 128, strategy = "l2",
           about = "bytes around an address that a copy may bring into L2" },
    axis { "GRID_ORDER", values = { "rows", "heads" }, default = "rows", strategy = "l2",
           about = "CTAs that start together: the row tiles of one head, or one tile of all heads" },
    axis { "TILE_ORDER", values = { "up", "down" }, default = "up", strategy = "launch",
           about = "down: row tiles with the longest causal rows first" },
    axis { "FIRST_STEP", values = { "loop", "peel" }, default = "peel", strategy = "instruction",
           about = "first block in the loop, or in code of its own that rescales nothing" },
    axis { "RESCALE", values = { "always", "moved", "lazy", "checked" }, default = "always", strategy = "instruction",
           about = "rescale O in each step, when a maximum of the warp moved, or when one moved by 2^8; checked: no maximum is " ..
                   "looked for behind the first block, and its weights are computed once more where they are too large" },
    axis { "EXP_POLY", values = { 0, 8, 4 }, default = 0, strategy = "instruction",
           about = "one of so many exponentials by a cubic, on units other than those of ex2; 0: none" },
    axis { "EXP_PLACE", values = { "block", "pv" }, default = "pv", strategy = "instruction",
           about = "exponentials of a whole block before V is waited for, or just before each product that needs them" },
    axis { "MASK", values = { "branch", "peel" }, default = "branch", strategy = "instruction",
           about = "masking: tested in each step, or a second loop for the masked blocks" },
    axis { "UNROLL", values = { 1, 2 }, default = 1, strategy = "instruction",
           about = "steps of the loop over the blocks that are unrolled" },
    axis { "MIN_BLOCKS", values = { 1, 2, 3, 4 }, default = 1, strategy = "launch",
           about = "CTAs an SM that registers must allow (__launch_bounds__)" },
    axis { "OUT_BYTES", values = { 4, 8, 16 }, default = 8, strategy = "memory",
           about = "bytes of one store to O" },
    axis { "PDL", values = { 0, 1 }, default = 0, strategy = "launch",
           about = "1: programmatic dependent launch: set up while the kernel before ends, wait for it, then read" },
  },

  -- Few keys and more tiles of the default's rows than twice the SMs: a warp a tile, with all the keys, of which as few lie beyond the
  -- end as may be (README.md). Else the default is as good a beginning as another.
  start = function(p, device)
    if p.sk > 128 or ceildiv(p.sq, 32) * p.h * p.b <= 2 * device.sms then return {} end
    local c = { BLOCK_M = 16, SPLIT_K = 1, MIN_BLOCKS = 4, BLOCK_N = 128 }
    for _, n in ipairs { 112, 96, 80, 64, 48, 32, 16 } do
      if n >= p.sk then c.BLOCK_N = n end
    end
    return c
  end,

  legal = function(c, p, device)
    if c.WARP_M > c.BLOCK_M then return false, "a warp has more rows than the CTA" end
    local n = threads(c)
    if n > 1024 then return false, n .. " threads" end
    if c.MIN_BLOCKS * n > device.threads_sm then return false, "threads of an SM" end
    if c.BLOCK_M > c.WARP_M and c.SPLIT_K > 8 then return false, "more groups of several warps than named barriers" end
    if c.PDL > 0 and device.cc_number < 90 then return false, "no programmatic dependent launch before sm_90" end

    local bytes = smem_bytes(c, p)
    if bytes > device.smem_block_bytes then return false, bytes .. " bytes of shared memory" end
    if c.MIN_BLOCKS * (bytes + 1024) > device.smem_sm_bytes then return false, "shared memory of an SM" end
    local most = math.min(255, device.regs_sm // (n * c.MIN_BLOCKS) // 8 * 8)
    if registers(c, p) > most then return false, "about " .. registers(c, p) .. " registers of " .. most end

    if c.RESCALE == "checked" and (c.EXP_PLACE ~= "block" or c.FIRST_STEP ~= "peel") then
      return false, "weights that cannot be checked before they are multiplied, or that have no block before them"
    end
    if p.causal == 0 and c.TILE_ORDER ~= "up" then return false, "TILE_ORDER without a causal mask" end
    return true
  end,

  launch = function(c, p)
    local tiles = ceildiv(p.sq, c.BLOCK_M)
    return {
      entry = "attn_mma", grid = c.GRID_ORDER == "heads" and { p.h, tiles, p.b } or { tiles, p.h, p.b },
      block = { threads(c) }, smem = smem_bytes(c, p), pdl = c.PDL > 0 or nil,
      args = { "q", "k", "v", "o", i32(ceildiv(p.h, p.hkv)), i32(p.sq), i32(p.sk), "q_sb", "q_sh", "q_ss",
               "k_sb", "k_sh", "k_ss", "v_sb", "v_sh", "v_ss", "o_sb", "o_sh", "o_ss", "scale" },
    }
  end,
}
