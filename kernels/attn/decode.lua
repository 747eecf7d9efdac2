-- decode: what can be turned in decode.cu, what of it fits a device, and how the kernel is launched.
-- A value that could not matter in a candidate (a hint on how L2 keeps what no tensor map brings) is illegal unless it is the
-- default, so that one kernel is not timed under two names and every axis can move by itself.

-- Beyond so many packed query rows a problem is no longer one of memory, and the other variants are made for it: of one tile, or of
-- several where the heads have so few rows each that packing them is what fills tiles.
local TILE_ROWS, MOST_ROWS = 64, 512

local function rows(p) return p.h // p.hkv * p.sq end
local function wgmma(c) return c.PRODUCTS == "wgmma" end
local function group_warps(c) return wgmma(c) and 4 or c.BLOCK_M // c.WARP_M end
local function threads(c) return 32 * group_warps(c) * c.GROUPS end

-- What a group may have under way, and the least for all of a CTA. An SM of an H200 gets 32 KB a microsecond at the rate of a
-- copy, 4.25 TB/s: rings of less than half of that are not tried.
local LEAST_UNDER_WAY = 16384
local function ring_bytes(c, p) return 2 * c.STAGES * ceildiv(p.d, 64) * c.BLOCK_N * 128 end

-- The layout in decode_layout.cuh.
local function smem_bytes(c, p)
  local ring = ring_bytes(c, p)
  local part = c.BLOCK_M * (4 * p.d + 24)
  local cluster = c.SPLIT > 1 and c.SPLIT * c.BLOCK_M * (4 * round_up(ceildiv(p.d, c.SPLIT), 4) + 8) or 0
  return c.GROUPS * round_up(math.max(ring, part), 1024) + cluster + (c.COPY == "tma" and 16 * c.STAGES * c.GROUPS or 0)
end

-- Registers that a thread needs at once: Q, O and the scores of its rows, then addresses and what is in flight. Of 174 legal
-- candidates compiled for sm_80, sm_86, sm_89, sm_90a, sm_100 and sm_120 none spilled; those at the limit among them. With wgmma
-- ptxas takes 170 for d = 128 and blocks of 64 keys, 220 for 128; of 181 legal ones for d = 64, 128 and 192 none spilled.
local function registers(c, p)
  if wgmma(c) then return 3 * p.d // 4 + c.BLOCK_N // 2 + 60 end
  return c.WARP_M // 8 * (3 * p.d // 8 + 3 * c.BLOCK_N // 8) + 56
end

-- The largest cluster. Every device that has clusters takes 8 CTAs; 16 are left to data-centre chips.
local function largest_cluster(device)
  if device.cc_number < 90 then return 1 end
  return device.cc_number < 120 and 16 or 8
end

return variant {
  source = "decode.cu",
  about = "few query rows, many keys: query heads packed over their key head, keys split over warps and a cluster",
  min_cc = 80,
  axes = {
    axis { "BLOCK_M", values = { 8, 16, 32, 64 }, default = 8, strategy = "launch",
           about = "packed query rows of a CTA" },
    axis { "WARP_M", values = { 8, 16, 32 }, default = 8, strategy = "instruction",
           about = "packed query rows of a warp; warps of one CTA that have different rows share their keys" },
    axis { "PRODUCTS", values = { "mma", "wgmma" }, default = "mma", strategy = "instruction",
           about = "of one warp, with 8 query rows and more, or of a warp group, with 64, some of which may be empty" },
    axis { "BLOCK_N", values = { 16, 32, 64, 128 }, default = 32, strategy = "memory",
           about = "keys of a step: more mean fewer maxima and waits, fewer fit a ring's slots more often" },
    axis { "GROUPS", values = { 1, 2, 4, 8, 16 }, default = 4, strategy = "launch",
           about = "groups of warps in a CTA that share the keys, each with a ring of its own" },
    axis { "STAGES", values = { 1, 2, 3, 4, 6, 8 }, default = 2, strategy = "memory",
           about = "slots of a group's ring of K and V blocks" },
    axis { "SPLIT", values = { 1, 2, 4, 8, 16 }, default = 4, strategy = "launch",
           about = "CTAs of a cluster that share the keys" },
    axis { "PARTS", values = { 1, 2, 4, 8, 16, 32 }, default = 1, strategy = "launch",
           about = "clusters that share a head's keys, whose results a second kernel adds up" },
    axis { "DEAL", values = { "runs", "turns" }, default = "runs", strategy = "memory",
           about = "blocks of a CTA to its groups: a run each, or by turns" },
    axis { "COPY", values = { "async", "tma" }, default = "tma", strategy = "memory",
           about = "K and V by cp.async of all threads, or by tensor map" },
    axis { "L2_FETCH", values = { 0, 64, 128, 256 }, default = 128, strategy = "l2",
           about = "bytes around an address that a copy may bring into L2" },
    axis { "KV_CACHE", values = { "default", "evict_first" }, default = "default", strategy = "l2",
           about = "hint on how long L2 should keep K and V" },
    axis { "MIN_BLOCKS", values = { 1, 2, 3 }, default = 1, strategy = "launch",
           about = "CTAs an SM that registers must allow (__launch_bounds__)" },
  },

  fits = function(p)
    local few = p.sq <= TILE_ROWS and 8 * p.sq <= p.sk
    if rows(p) > (few and MOST_ROWS or TILE_ROWS) then return false, rows(p) .. " query rows a key head" end
    return true
  end,

  -- What won wherever it was searched (README.md): all rows of a key head in one CTA, or its keys would be read more than once; half
  -- the SMs and not all of them, for 64 CTAs with 128 KB under way each read as fast as 128, and clusters that together want every
  -- SM are not all resident; a second kernel only for what a cluster of 8 cannot do, and where several tiles of rows share many keys, for
  -- products then take every SM; one slot a group, of which several groups take turns. More than 16 rows are multiplied by warp groups
  -- where there are some (decode_wgmma.cuh).
  start = function(p, device)
    local tma, largest = device.cc_number >= 90 and device.cc_number < 120, math.min(largest_cluster(device), 8)
    local c = { BLOCK_M = 8, BLOCK_N = 64, STAGES = 1, DEAL = "turns", COPY = tma and "tma" or "async", SPLIT = 1, PARTS = 1,
                KV_CACHE = tma and "evict_first" or "default" }
    while c.BLOCK_M < rows(p) and c.BLOCK_M < TILE_ROWS do c.BLOCK_M = 2 * c.BLOCK_M end
    c.WARP_M = math.min(c.BLOCK_M, 16)
    local tiles, idle = ceildiv(rows(p), c.BLOCK_M) * p.hkv * p.b, largest > 1 and 4 or 2
    local full = 1  -- CTAs a tile that the SMs hold
    while 2 * full * tiles <= device.sms and full < 32 do full = 2 * full end
    if rows(p) > TILE_ROWS and p.sk >= 1024 * full then c.PARTS = full end
    while c.PARTS == 1 and 2 * c.SPLIT <= largest and 2 * c.SPLIT * tiles <= 7 * device.sms // 8 do c.SPLIT = 2 * c.SPLIT end
    while idle * c.SPLIT * c.PARTS * tiles <= device.sms and c.PARTS < 32 and p.sk >= 1024 * c.SPLIT * c.PARTS do
      c.PARTS = 2 * c.PARTS
    end
    -- Of d = 64 that wants 8 groups: 31.6 us with them, 34.9 with 4 (b=1 h=16 sk=32768); not where CTAs take turns on an SM.
    if tma and p.d == 64 and c.BLOCK_M == c.WARP_M and tiles * c.SPLIT * c.PARTS <= device.sms then c.GROUPS = 8 end
    if device.cc_number == 90 and rows(p) > 16 and p.d % 64 == 0 and p.d <= 192 then
      c.PRODUCTS, c.GROUPS, c.BLOCK_N = "wgmma", 2, p.d <= 128 and 128 or 64
    end
    return c
  end,

  legal = function(c, p, device)
    if c.BLOCK_M > 8 and c.BLOCK_M >= 2 * rows(p) then return false, "half of the rows are empty" end
    if wgmma(c) then
      if device.cc_number ~= 90 then return false, "wgmma is of compute capability 9.0 only" end
      if c.WARP_M ~= 16 or c.BLOCK_N < 64 or c.COPY ~= "tma" or p.d % 64 > 0 then return false, "not what wgmma takes" end
    elseif c.WARP_M > c.BLOCK_M then
      return false, "a warp has more rows than the CTA"
    end
    local n = threads(c)
    if n > 1024 then return false, n .. " threads" end
    if c.MIN_BLOCKS * n > device.threads_sm then return false, "threads of an SM" end
    if group_warps(c) > 1 and c.GROUPS > 8 then return false, "more groups of several warps than named barriers" end

    if c.COPY == "tma" and device.cc_number < 90 then return false, "no tensor maps before sm_90" end
    -- ptxas 13.0 makes calls of the driver from them.
    if c.COPY == "tma" and device.cc_number >= 120 then return false, "tensor maps are not instructions of sm_120" end
    if c.COPY == "async" and c.KV_CACHE ~= "default" then return false, "KV_CACHE without a tensor map" end
    local largest = largest_cluster(device)
    if c.SPLIT > largest then return false, "clusters of " .. largest .. " CTAs at most" end
    local parts = c.SPLIT * c.PARTS
    local ctas = parts * ceildiv(rows(p), c.BLOCK_M) * p.hkv * p.b
    if 4 * ctas <= device.sms and p.sk >= 1024 * parts then return false, ctas .. " CTAs leave most of the device idle" end
    if c.PARTS > 1 and (ctas >= 4 * device.sms or p.sk < 128 * parts) then return false, "more parts than the device has use for" end

    local under_way = c.GROUPS * ring_bytes(c, p)
    if under_way < LEAST_UNDER_WAY then return false, "no more than " .. under_way .. " bytes under way" end
    local bytes = smem_bytes(c, p)
    if bytes > device.smem_block_bytes then return false, bytes .. " bytes of shared memory" end
    if c.MIN_BLOCKS * (bytes + 1024) > device.smem_sm_bytes then return false, "shared memory of an SM" end
    local most = math.min(255, device.regs_sm // (n * c.MIN_BLOCKS) // 8 * 8)
    if registers(c, p) > most then return false, "about " .. registers(c, p) .. " registers of " .. most end
    return true
  end,

  launch = function(c, p)
    local function keys(name)
      if c.COPY == "async" then return name end
      return tensormap { name, dtype = p.dtype, dims = { p.d, p.sk, p.hkv, p.b },
                         strides_bytes = { 2 * p[name .. "_ss"], 2 * p[name .. "_sh"], 2 * p[name .. "_sb"] },
                         box = { 64, c.BLOCK_N, 1, 1 }, swizzle = "128B",
                         l2 = c.L2_FETCH == 0 and "none" or c.L2_FETCH .. "B" }
    end
    local group = ceildiv(p.h, p.hkv)
    local shared, all = c.PARTS > 1, group * p.sq * p.hkv * p.b
    local step = {
      entry = "attn_decode", grid = { c.PARTS * c.SPLIT * ceildiv(group * p.sq, c.BLOCK_M), p.hkv, p.b }, block = { threads(c) },
      cluster = c.SPLIT > 1 and { c.SPLIT, 1, 1 } or nil, smem = smem_bytes(c, p),
      args = { "q", keys("k"), keys("v"), "o", i32(group), i32(p.sq), i32(p.sk), "q_sb", "q_sh", "q_ss",
               "k_sb", "k_sh", "k_ss", "v_sb", "v_sh", "v_ss", "o_sb", "o_sh", "o_ss", "scale", shared and workspace(0) or nil },
    }
    if not shared then return step end
    return {
      workspace = all * c.PARTS * (p.d + 4) * 4,
      step,
      -- Chips with tensor maps have programmatic launch.
      { entry = "attn_decode_merge", grid = { ceildiv(all, 4) }, block = { 128 }, smem = 0, pdl = c.COPY == "tma" or nil,
        args = { workspace(0), "o", "o_sb", "o_sh", "o_ss", i32(group), i32(p.sq), i32(p.hkv), i32(all) } },
    }
  end,
}
