-- hopper: what can be turned in hopper.cu, what of it fits a device, and how the kernel is launched.
-- A value that could not matter in a candidate (an order of tiles without a causal mask) is illegal unless it is the
-- default, so that one kernel is not timed under two names and every axis can move by itself.

local function rows(c) return 64 * c.CONSUMERS // c.SPLIT_K end
local function tiles(p, rows) return ceildiv(p.sq, rows) * p.h * p.b end
local function threads(c) return 128 * (c.CONSUMERS + 1) end

-- The layout in hopper_shape.cuh: Q, the rings of K and V, six kinds of barriers, 16 bytes, and a group's part of the results.
local function smem_bytes(c, p)
  local slots, ring = c.AHEAD == 2 and 2 or 1, 2 * c.STAGES * c.BLOCK_N * 2 * p.d
  local parts = c.SPLIT_K > 1 and c.CONSUMERS * 128 * (p.d + 8) or 0
  local told = c.AHEAD == 2 and 56 or 0
  return slots * (rows(c) * 2 * p.d + rows(c) // 4) + ring + 32 * c.STAGES + 16 + parts + told
end

-- Registers of a computing thread, and what it may have: the accumulators of S and O and the weights between them, then
-- addresses, sums and what is in flight in the exponentials. With 24 more than the first three CONSUMERS=3, BLOCK_N=96,
-- D=128 spilled (160 registers), with 32 more CONSUMERS=3, BLOCK_N=128, D=64 did not. At D=256 two groups with
-- OVERLAP=softmax spilled 12 to 128 bytes with blocks of 96 and 112 keys, none with 80. With OVERLAP=none the weights take the
-- place of the scores; not at D=256, where two of these then spilled 8 and 12 bytes. DIAGONAL=half wants 16 more, or
-- ptxas serialises products; so it does in a walk over several tiles, whatever their size.
local function registers(c, p)
  local tight = c.DIAGONAL == "half" or p.d == 256 and c.CONSUMERS > 1 and c.OVERLAP == "softmax"
  local weights = c.OVERLAP == "none" and p.d < 256 and 0 or c.BLOCK_N // 4
  return c.BLOCK_N // 2 + weights + p.d // 2 + (c.Q_PATH == "registers" and p.d // 4 or 0) + (tight and 44 or 28)
end

local function launch_registers(c) return 65536 // (threads(c) * c.MIN_BLOCKS) // 8 * 8 end

local function registers_of(c)
  local producer = c.TAIL == "shared" and 32 or 24
  return math.min((launch_registers(c) * (c.CONSUMERS + 1) - producer) // c.CONSUMERS // 8 * 8, 240)
end

-- Keys that a CTA need not read where it would have a tile of its own, if all CTAs share the tiles; and the least that is worth it.
local LEAST_SPARED = 512
local function spared(p, tiles, ctas) return p.sk * (ctas - tiles) // ctas end

-- Of these sizes of a block, the first with which a group multiplies fewest keys, where `groups` take turns.
local function least_keys(p, groups, sizes)
  local best, least
  for _, n in ipairs(sizes) do
    local keys = ceildiv(ceildiv(p.sk, n), groups) * n
    if not best or keys < least then best, least = n, keys end
  end
  return best
end

return variant {
  source = "hopper.cu",
  about = "wgmma, fed by the copy engine; one producer and up to four computing warp groups",
  min_cc = 90,
  max_cc = 90,
  axes = {
    axis { "CONSUMERS", values = { 1, 2, 3, 4 }, default = 2, strategy = "launch",
           about = "warp groups that compute, 64 query rows each, on the same keys: more use K and V more often" },
    axis { "SPLIT_K", values = { 1, 2 }, default = 1, strategy = "launch",
           about = "groups with the same 64 rows, which take turns at the blocks of keys and add up at the end" },
    axis { "BLOCK_N", values = { 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256 }, default = 128, strategy = "memory",
           about = "keys of a step: more mean fewer maxima and waits, and more registers for scores" },
    axis { "STAGES", values = { 1, 2, 3, 4, 6 }, default = 2, strategy = "memory",
           about = "slots of the ring of K and of the ring of V" },
    axis { "Q_PATH", values = { "shared", "registers" }, default = "shared", strategy = "memory",
           about = "Q of a product from shared memory, or from registers: a third of the reads of shared memory less" },
    axis { "OVERLAP", values = { "none", "softmax" }, default = "softmax", strategy = "instruction",
           about = "softmax: products of the next scores and of the last weights run while the softmax does" },
    axis { "PING_PONG", values = { "none", "products" }, default = "products", strategy = "instruction",
           about = "groups take turns at issuing products, or go as they come" },
    axis { "RESCALE", values = { "always", "moved", "lazy", "checked" }, default = "checked", strategy = "instruction",
           about = "rescale O in each step, when a maximum of the warp moved, or when one moved by 2^8; checked: in blocks without " ..
                   "a mask no maximum is looked for, and scores are computed once more when their weights are too large" },
    axis { "CUBIC_EVERY", values = { 0, 16, 8, 4 }, default = 0, strategy = "instruction",
           about = "every so many-th exponential by a cubic on the multiply-add units; 0: none" },
    axis { "EPILOGUE", values = { "direct", "tma" }, default = "tma", strategy = "memory",
           about = "O from registers by 16-byte stores, or through shared memory by the copy engine" },
    axis { "MIN_BLOCKS", values = { 1, 2, 3 }, default = 1, strategy = "launch",
           about = "CTAs an SM that registers must allow (__launch_bounds__)" },
    axis { "CTAS", values = { 0, 132, 264, 396 }, default = 0, strategy = "launch",
           about = "0: a CTA for each tile; else so many, a multiple of the device's SMs, walk over the tiles" },
    axis { "AHEAD", values = { 0, 1, 2 }, default = 0, strategy = "memory",
           about = "with CTAS, 1: a block of the next tile is copied before its Q, and with direct stores Q as soon as it may; " ..
                   "2: Q has two slots, and the next tile's first scores are computed while this one is stored" },
    axis { "TAIL", values = { "whole", "shared" }, default = "whole", strategy = "launch",
           about = "shared: with CTAS, the tiles that do not fill all of them are shared among all, key by key, and merged" },
    axis { "SECTION", values = { 1, 2, 4, 8, 16, 32, 0 }, default = 1, strategy = "l2",
           about = "heads whose tiles are mixed, row tile by row tile, before the next heads come; 0: all" },
    axis { "TILE_ORDER", values = { "up", "down", "fold" }, default = "down", strategy = "launch",
           about = "down: row tiles with the longest causal rows first; fold: so for half of them, then the shortest first, and " ..
                   "CTAs that walk have one of each in turns" },
    axis { "DIAGONAL", values = { "whole", "half" }, default = "whole", strategy = "instruction",
           about = "of a first block of which a causal group sees at most half, all is multiplied, or half" },
    axis { "KV_CACHE", values = { "default", "evict_last", "evict_first" }, default = "default", strategy = "l2",
           about = "hint on how long L2 should keep K and V" },
    axis { "L2_PROMOTION", values = { "none", "128B", "256B" }, default = "128B", strategy = "l2",
           about = "bytes that the copy engine has L2 fetch at once" },
    axis { "PDL", values = { 0, 1 }, default = 0, strategy = "launch",
           about = "1: programmatic dependent launch: set up while the kernel before ends, wait for it, then read" },
  },

  -- What was fastest by hand (README.md), by what it depends on. Fewer tiles of 64 rows than SMs and many keys: they are shared. Tiles
  -- that half the SMs hold: nothing is said, other variants are for these; that the SMs hold: a CTA of one group each, or of two that
  -- share the keys where these are many or d = 96, in blocks of which a group multiplies fewest keys. Above d = 128 registers decide the
  -- keys of a step. Where two CTAs of one group an SM hold all rows, they do, unless the mask makes them unequal and long; else CTAs walk
  -- over tiles if there are more of these than SMs: three an SM where keys are few, else at d = 64 with three or four groups, by how full
  -- the last round is.
  start = function(p, device)
    local causal, groups = p.causal == 1, tiles(p, 64)
    if groups <= device.sms then
      if device.sms == 132 and spared(p, groups, device.sms) >= 2 * LEAST_SPARED then
        local pair = p.d <= 128 and p.sq > 64 and (not causal or 2 * p.sq <= p.sk)
        return { CONSUMERS = pair and 2 or 1, BLOCK_N = p.d > 128 and 64 or pair and 96 or 128, STAGES = 3, CTAS = device.sms,
                 AHEAD = p.d > 128 and 1 or 2, TAIL = "shared", EPILOGUE = "direct" }
      end
      if 2 * groups <= device.sms then return {} end
      if p.d == 96 then return { SPLIT_K = 2, BLOCK_N = 64, STAGES = 6, EPILOGUE = "direct" } end
      if p.d > 128 or p.sk < 768 then
        return { CONSUMERS = 1, BLOCK_N = p.d == 256 and 64 or 128, STAGES = p.d == 256 and 3 or 2, EPILOGUE = "direct" }
      end
      if p.d == 128 then return { SPLIT_K = 2, EPILOGUE = "direct", STAGES = 2 } end
      if causal then return { SPLIT_K = 2, BLOCK_N = 64, STAGES = 4, EPILOGUE = "direct" } end
      local n = least_keys(p, 2, { 128, 96, 80, 64 })
      return { SPLIT_K = 2, BLOCK_N = n, STAGES = n == 128 and 4 or 6, EPILOGUE = "direct" }
    end
    if p.d > 128 then
      if device.sms ~= 132 or tiles(p, 128) <= device.sms then
        return { BLOCK_N = p.d == 192 and 96 or 64, DIAGONAL = causal and p.d == 192 and "half" or "whole", SECTION = causal and 8 or 1 }
      end
      if p.d == 192 and not causal then return { BLOCK_N = 80, CTAS = device.sms, AHEAD = 2 } end
      return { BLOCK_N = 64, STAGES = p.d == 192 and 3 or 2, CTAS = device.sms, AHEAD = 1, EPILOGUE = "direct",
               TILE_ORDER = causal and "up" or "down" }
    end
    local c = { TILE_ORDER = causal and "fold" or "down" }
    if groups <= 2 * device.sms then
      if device.sms == 132 and causal and p.d == 128 and p.sk >= 768 then
        return { CONSUMERS = 1, STAGES = 3, Q_PATH = "registers", EPILOGUE = "direct", CTAS = device.sms, AHEAD = 2, TILE_ORDER = "fold" }
      end
      c.CONSUMERS, c.MIN_BLOCKS, c.BLOCK_N, c.SECTION = 1, 2, p.d == 64 and not causal and 128 or 64, causal and 0 or 1
      return c
    end
    if p.sk <= (causal and 256 or 128) and p.d == 64 and device.sms == 132 and groups > 3 * device.sms then
      return { CONSUMERS = 1, BLOCK_N = least_keys(p, 1, { 64, 80, 96 }), MIN_BLOCKS = 3, CTAS = 3 * device.sms, AHEAD = 2,
               EPILOGUE = "direct", SECTION = causal and 0 or 1 }
    end
    if p.sk <= 256 then  -- a step or two, of as few keys beyond the end as may be
      c.BLOCK_N = least_keys(p, 1, { 128, 64, 80, 96, 112 })
    elseif p.d == 64 then
      local four, three, pair = 4 * ceildiv(tiles(p, 256), device.sms), 3 * ceildiv(tiles(p, 192), device.sms),
                                2 * ceildiv(groups, 2 * device.sms)  -- groups an SM
      if not causal and device.sms == 132 and three < four and three <= pair then
        return { CONSUMERS = 3, CTAS = device.sms, AHEAD = 2 }
      end
      if not causal and device.sms == 132 and four > 1.2 * pair then
        return { CONSUMERS = 1, MIN_BLOCKS = 2, BLOCK_N = 128, STAGES = 3, CTAS = 2 * device.sms, AHEAD = 2 }
      end
      c.CONSUMERS, c.BLOCK_N, c.STAGES = 4, 64, 4
    end
    if p.d == 96 or p.d == 128 then c.Q_PATH = "registers" end
    if p.d == 128 and causal and p.sk <= 1024 then c.BLOCK_N, c.STAGES = 64, 4 end
    if device.sms == 132 and tiles(p, 64 * (c.CONSUMERS or 2)) > device.sms then c.CTAS, c.AHEAD = device.sms, 2 end
    return c
  end,

  legal = function(c, p, device)
    if device.cc_number ~= 90 then return false, "wgmma is of compute capability 9.0 only" end
    -- What a problem rules out comes first, and by as few axes as it takes: most draws end here, and need not be asked twice.
    local whole = c.TAIL == "whole"
    if whole and c.CTAS > 0 and tiles(p, 64) <= c.CTAS then return false, "a tile for each CTA, and no walk" end
    if c.AHEAD > 0 and c.CTAS == 0 then return false, "AHEAD of tiles that other CTAs have" end
    if not whole and c.CTAS == 0 then return false, "no CTAs that walk, to share tiles" end
    if not whole and p.causal == 1 and tiles(p, 256) > c.CTAS then return false, "no equal tiles for CTAs that walk to share" end
    if p.causal == 0 and c.TILE_ORDER ~= "down" then return false, "TILE_ORDER without a causal mask" end
    if c.DIAGONAL == "half" and (p.causal == 0 or c.CTAS > 0) then return false, "no half of a diagonal block" end
    if c.CTAS > 0 and c.CTAS ~= device.sms * c.MIN_BLOCKS then return false, "CTAS is not what the SMs hold" end
    if c.TILE_ORDER == "fold" and c.CTAS > 0 and c.AHEAD < 2 then return false, "tiles in pairs, of which nobody tells" end
    if c.MIN_BLOCKS * threads(c) > device.threads_sm then return false, "threads of an SM" end
    local bytes = smem_bytes(c, p)
    if bytes > device.smem_block_bytes then return false, bytes .. " bytes of shared memory" end
    if c.MIN_BLOCKS * (bytes + 1024) > device.smem_sm_bytes then return false, "shared memory of an SM" end
    if registers(c, p) > registers_of(c) then
      return false, "about " .. registers(c, p) .. " registers of " .. registers_of(c)
    end
    -- ptxas takes no product whose sums are more than what each thread has at the launch, whatever setmaxnreg deals later: it
    -- asked for 138 with 112 of them and both operands in shared memory.
    if math.max(p.d // 2 + 30, c.BLOCK_N // 2 + 26) > launch_registers(c) then
      return false, "registers at the launch for the sums of one product"
    end
    if c.SPLIT_K > 1 then
      if c.CONSUMERS % 2 > 0 or c.STAGES % 2 > 0 then return false, "groups and slots that two parts of the keys cannot share" end
      if c.CTAS > 0 or c.EPILOGUE == "tma" or c.DIAGONAL == "half" then
        return false, "SPLIT_K with CTAs that walk, half blocks, or stores by the copy engine"
      end
    end
    if c.CONSUMERS == 1 and c.PING_PONG ~= "products" then return false, "one group takes no turns" end
    if c.AHEAD == 2 and c.OVERLAP == "none" then return false, "scores of the next tile while nothing overlaps" end
    if c.DIAGONAL == "half" and (c.OVERLAP == "none" or c.BLOCK_N < 80) then return false, "no half of a diagonal block" end
    if c.CTAS == 0 then return true end
    local n = tiles(p, rows(c))
    if whole and n <= c.CTAS then return false, "a tile for each CTA, and no walk" end
    if not whole then
      if n <= c.CTAS and spared(p, n, c.CTAS) < LEAST_SPARED then return false, "no keys worth sharing" end
      if n > c.CTAS and p.causal == 1 then return false, "no equal tiles for CTAs that walk to share" end
      if c.TILE_ORDER == "fold" then return false, "tiles in pairs, and shared" end
    end
    return true
  end,

  launch = function(c, p)
    local n = tiles(p, rows(c))
    local panel = p.d % 64 == 0 and 64 or 32               -- columns, as in hopper_shape.cuh
    local function map(name, heads, length, box)
      return tensormap { name, dtype = p.dtype, dims = { p.d, length, heads, p.b },
                         strides_bytes = { 2 * p[name .. "_ss"], 2 * p[name .. "_sh"], 2 * p[name .. "_sb"] },
                         box = { panel, box, 1, 1 }, swizzle = panel == 64 and "128B" or "64B", l2 = c.L2_PROMOTION }
    end
    local shared = c.TAIL == "shared"
    local step = {
      entry = "attn_hopper", grid = { shared and c.CTAS or c.CTAS > 0 and min(c.CTAS, n) or n }, block = { threads(c) },
      smem = smem_bytes(c, p), pdl = c.PDL == 1 or nil,
      args = { map("q", p.h, p.sq, 64), map("k", p.hkv, p.sk, c.BLOCK_N), map("v", p.hkv, p.sk, c.BLOCK_N),
               map("o", p.h, p.sq, 16), "o", "o_sb", "o_sh", "o_ss", i32(p.h), i32(p.h * p.b), i32(ceildiv(p.h, p.hkv)),
               i32(p.sq), i32(p.sk), "scale", shared and workspace(0) or nil },
    }
    if not shared then return step end
    return {
      workspace = c.CTAS * 2 * rows(c) * (p.d + 8) * 4,
      step,
      { entry = "attn_hopper_merge", grid = { max(1, n % c.CTAS * rows(c) // 8) }, block = { 256 }, smem = 0, pdl = true,
        args = { workspace(0), "o", "o_sb", "o_sh", "o_ss", i32(p.h), i32(p.h * p.b), i32(ceildiv(p.h, p.hkv)), i32(p.sq), i32(p.sk),
                 "scale" } },
    }
  end,
}
