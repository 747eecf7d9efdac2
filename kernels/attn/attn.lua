-- Attention forward: o[b,h,i,:] = sum_j softmax_j(scale * q[b,h,i,:] . k[b,h/g,j,:]) * v[b,h/g,j,:], g = h / hkv.
-- This file says what a problem of the family is: dimensions, tensors, tolerances, the reference, the baselines, the
-- named problems and the variants. It contains no tuning: axes and launch geometry stand beside each kernel.
-- Causal masks are aligned to the bottom right: query i sees the keys j <= i + sk - sq.

-- Where all rows would be more than 2^26 scores, the reference answers one row, drawn anew each time, of each group of so many
-- neighbours. Groups are no larger than the smallest tile of query rows, so a tile that is wrong is met in every check.
local function rows_apart(p)
  local apart = 1
  while apart < 16 and p.b * p.h * p.sq * p.sk // apart > 1 << 26 do apart = apart * 2 end
  return math.min(apart, p.sq)
end

-- A reference's launch, or that of its entry which answers some rows only, by what the oracle put into the workspace.
local function sampled(launch)
  return function(p, out_dtype)
    local all, apart = launch(p, out_dtype), rows_apart(p)
    if apart == 1 then return all end
    all.entry, all.grid[1] = all.entry .. "_some", ceildiv(p.sq, apart)
    table.insert(all.args, i32(apart))
    table.insert(all.args, workspace(0))
    return { workspace = 256, all }
  end
end

-- Element strides of the layouts, outermost first: batch, head, sequence. The last dimension (d) is contiguous.
local function strides(p, heads, rows)
  if p.layout == "bshd" then return rows * heads * p.d, p.d, heads * p.d end
  return heads * rows * p.d, rows * p.d, p.d
end

-- Problems without a name get one that says what they are: "b=4 h=32 hkv=8 sq=1 sk=4096 d=128 dtype=bf16 causal=1" is
-- b4h32kv8-q1k4096-d128-bf16-causal, and with sk = sq it would be -s4096.
local function named(problems)
  local list = {}
  for name, problem in pairs(problems) do
    if type(name) == "number" then
      local v = {}
      for dim, value in problem:gmatch("(%w+)=(%w+)") do v[dim] = value end
      name = "b" .. v.b .. "h" .. v.h .. (v.hkv and "kv" .. v.hkv or "") ..
             (v.sk and "-q" .. v.sq .. "k" .. v.sk or "-s" .. v.sq) .. "-d" .. v.d ..
             (v.dtype and "-" .. v.dtype or "") .. (v.causal and "-causal" or "")
      problem = { problem }
    end
    list[name] = problem
  end
  return list
end

return family {
  name = "attn",
  about = "attention forward",

  -- Run-time dimensions, in the order in which a problem is written. A default may be a number or another dimension.
  dims = {
    dim { "b",   min = 1, max = 65535, default = 1, about = "batch" },
    dim { "h",   min = 1, max = 65535, about = "query heads" },
    dim { "hkv", min = 1, max = 65535, default = "h", about = "key and value heads; divides h" },
    dim { "sq",  min = 1, max = 1 << 20, about = "query rows" },
    dim { "sk",  min = 1, max = 1 << 20, default = "sq", about = "key rows" },
    dim { "d",   values = { 64, 96, 128, 192, 256 }, fixed = true, about = "head dimension" },
  },
  -- Flags are always fixed into the machine code, except `layout`, which only chooses the strides.
  flags = {
    flag { "dtype",  values = { "f16", "bf16" }, default = "f16", fixed = true, about = "element type of q, k, v, o" },
    flag { "causal", values = { 0, 1 }, default = 0, fixed = true, about = "1: mask keys after the diagonal" },
    flag { "layout", values = { "bhsd", "bshd" }, default = "bhsd", about = "order of the dimensions in memory" },
  },
  valid = function(p)
    if p.h % p.hkv ~= 0 then return false, "hkv must divide h" end
    return true
  end,

  -- Arguments beside the tensors. 64-bit strides in elements, then the softmax scale.
  derived = function(p)
    local r = { scale = f32(1.0 / math.sqrt(p.d)) }
    for _, t in ipairs { { "q", p.h, p.sq }, { "k", p.hkv, p.sk }, { "v", p.hkv, p.sk }, { "o", p.h, p.sq } } do
      local sb, sh, ss = strides(p, t[2], t[3])
      r[t[1] .. "_sb"], r[t[1] .. "_sh"], r[t[1] .. "_ss"] = i64(sb), i64(sh), i64(ss)
    end
    return r
  end,

  -- shape and stride are in elements; role is "in" or "out". Every element of an output is compared.
  tensors = function(p)
    local function t(name, role, heads, rows)
      return tensor { name, role = role, dtype = p.dtype, shape = { p.b, heads, rows, p.d },
                      stride = { p[name .. "_sb"], p[name .. "_sh"], p[name .. "_ss"], 1 }, align = 16 }
    end
    return { t("q", "in", p.h, p.sq), t("k", "in", p.hkv, p.sk), t("v", "in", p.hkv, p.sk), t("o", "out", p.h, p.sq) }
  end,

  -- Work for the roofline: two products of 2*d operations for each visible (query, key) pair; every tensor moved once.
  flops = function(p)
    local pairs_visible = p.sq * p.sk
    if p.causal == 1 then
      local full = math.max(0, p.sk - p.sq)                       -- keys that every query sees
      local n = math.min(p.sq, p.sk)
      pairs_visible = full * p.sq + n * (n + 1) // 2
    end
    return 4 * p.b * p.h * pairs_visible * p.d
  end,
  bytes = function(p) return 2 * p.d * p.b * (2 * p.h * p.sq + 2 * p.hkv * p.sk) end,

  -- reference.cu: `attn_reference` writes o in float64; `attn_plain` is the plain same-dtype implementation (float32
  -- accumulation, weights and output rounded to the dtype) whose error sets the scale. Both take the same arguments, o with
  -- its strides in elements, a CTA for each query row, and no memory that grows with the number of keys. Sampled rows are
  -- drawn by what the oracle puts at the beginning of the workspace.
  reference = {
    source = "reference.cu",
    launch = sampled(function(p, out_dtype)
      return { entry = out_dtype == "f64" and "attn_reference" or "attn_plain",
               grid = { p.sq, p.h, p.b }, block = { math.max(128, p.d) }, smem = 0,
               args = { "q", "k", "v", "o", i32(p.h), i32(p.hkv), i32(p.sq), i32(p.sk), "q_sb", "q_sh", "q_ss",
                        "k_sb", "k_sh", "k_ss", "v_sb", "v_sh", "v_ss", "o_sb", "o_sh", "o_ss", "scale" } }
    end),
  },

  -- A candidate's error may be at most `ratio` times that of attn_plain plus `floor` times the RMS of the output;
  -- its RMS error at most `rel_rms` times the RMS of the output; and max_abs where a problem states it. An element may
  -- always be off by two roundings of itself and a tenth, the weight's and the output's: where one key decides, attn_plain
  -- makes only the second, for its largest weight is 1, while a kernel whose maximum lags makes both (one honest candidate
  -- of 1500 with d = 128 missed the other limits so). `sampled`: the share of the rows that the reference answers.
  tolerance = function(p)
    local apart, f16 = rows_apart(p), p.dtype == "f16"
    return { ratio = 2.0, floor = f16 and 2e-3 or 1.6e-2, rel_rms = f16 and 2e-3 or 1.2e-2,
             rounding = 2.2 * (f16 and 2^-11 or 2^-8), sampled = apart > 1 and 1 / apart or nil }
  end,

  problems = named {
    seed        = { "b=1 h=8 sq=512 sk=512 d=64 dtype=f16 causal=0", max_abs = 2e-3 },
    ["seed-bf16"]   = { "b=1 h=8 sq=512 sk=512 d=64 dtype=bf16 causal=0" },
    ["seed-causal"] = { "b=1 h=8 sq=512 sk=512 d=64 dtype=f16 causal=1" },
    d128        = { "b=1 h=8 sq=512 sk=512 d=128 dtype=f16 causal=0" },
    gqa         = { "b=2 h=16 hkv=4 sq=512 sk=512 d=64 dtype=f16 causal=0" },
    ragged      = { "b=1 h=8 sq=1000 sk=777 d=64 dtype=f16 causal=0" },
    short       = { "b=1 h=8 sq=128 sk=128 d=64 dtype=f16 causal=0" },
    long        = { "b=1 h=8 sq=1024 sk=1024 d=64 dtype=f16 causal=0" },
    longer      = { "b=1 h=8 sq=4096 sk=4096 d=64 dtype=f16 causal=0" },
    decode      = { "b=8 h=32 hkv=8 sq=1 sk=4096 d=128 dtype=f16 causal=0" },
    decode4     = { "b=4 h=32 hkv=8 sq=1 sk=4096 d=128 dtype=f16 causal=0" },
    decode16    = { "b=16 h=32 hkv=8 sq=1 sk=4096 d=128 dtype=f16 causal=0" },
    decode1long = { "b=1 h=32 hkv=8 sq=1 sk=16384 d=128 dtype=f16 causal=0" },

    -- up to 1024 keys
    "b=1 h=8 sq=256 d=64",
    "b=1 h=8 sq=1024 d=64 causal=1",
    "b=1 h=8 sq=1024 d=64 dtype=bf16",
    "b=2 h=12 sq=384 d=64",
    "b=4 h=16 sq=512 d=64",
    "b=1 h=32 sq=512 d=128 causal=1",
    "b=1 h=32 sq=512 d=128 dtype=bf16 causal=1",
    "b=4 h=32 hkv=8 sq=1024 d=128 dtype=bf16 causal=1",
    "b=4 h=16 hkv=1 sq=1024 d=64",
    -- lengths that no tile divides
    "b=16 h=12 sq=77 d=64",
    "b=16 h=12 sq=77 d=64 causal=1",
    "b=16 h=12 sq=197 d=64",
    "b=1 h=16 sq=1000 d=64",
    "b=1 h=16 sq=1000 d=128 causal=1",
    "b=1 h=16 sq=4097 d=64",
    "b=1 h=16 sq=4097 d=128 causal=1",
    -- long
    "b=1 h=32 sq=2048 d=128 causal=1",
    "b=1 h=32 hkv=8 sq=2048 d=128 dtype=bf16 causal=1",
    "b=2 h=32 hkv=4 sq=2048 d=64",
    "b=4 h=16 sq=2048 d=64",
    "b=4 h=16 sq=2048 d=64 causal=1",
    "b=4 h=16 sq=2048 d=64 dtype=bf16",
    "b=4 h=16 sq=2048 d=128",
    "b=4 h=16 sq=2048 d=128 causal=1",
    "b=4 h=16 sq=2048 d=128 dtype=bf16",
    "b=2 h=16 sq=4096 d=64",
    "b=2 h=16 sq=4096 d=128",
    "b=2 h=16 sq=4096 d=128 causal=1",
    "b=2 h=16 sq=4096 d=128 dtype=bf16 causal=1",
    "b=1 h=16 sq=16384 d=128",
    "b=1 h=16 sq=16384 d=128 causal=1",
    "b=1 h=32 sq=16384 d=64 causal=1",
    -- the other head dimensions
    "b=1 h=16 sq=512 d=96",
    "b=4 h=16 sq=2048 d=96",
    "b=4 h=16 sq=2048 d=96 causal=1",
    "b=1 h=16 sq=512 d=192",
    "b=4 h=16 sq=2048 d=192",
    "b=4 h=16 sq=2048 d=192 causal=1",
    "b=1 h=16 sq=512 d=256",
    "b=4 h=16 sq=2048 d=256",
    "b=4 h=16 sq=2048 d=256 causal=1",
    "b=2 h=16 sq=4096 d=256 dtype=bf16 causal=1",
    -- one query
    "b=16 h=32 hkv=8 sq=1 sk=4096 d=128 dtype=bf16",
    "b=8 h=32 hkv=1 sq=1 sk=8192 d=128",
    "b=16 h=16 sq=1 sk=1024 d=64",
    -- several, as when what a small model guessed is verified
    "b=4 h=64 hkv=8 sq=8 sk=4096 d=128 causal=1",
    -- few rows and many keys: a part of a prompt behind a long context, few heads; and many rows of few keys, as text beside an image
    "b=1 h=32 hkv=8 sq=64 sk=8192 d=128 causal=1",
    "b=1 h=8 sq=512 sk=16384 d=128",
    "b=2 h=10 sq=4096 sk=77 d=64",
  },
  -- Beside the tuned problem every candidate is judged on these, which change what is not fixed in its machine code.
  odd = function(p)
    return {
      { b = 1, h = 2, hkv = 1, sq = 77,  sk = 197, layout = "bshd" },   -- ragged, grouped heads, the other layout
      { b = 2, h = 3, hkv = 3, sq = 1,   sk = 129 },                    -- one query row
      { b = 1, h = 4, hkv = 2, sq = 130, sk = 65 },                     -- fewer keys than queries: empty causal rows
      { b = 1, h = 2, hkv = 1, sq = 33,  sk = 3001 },                   -- many keys: a tile left out shows only here
    }
  end,

  baselines = { "cublas", sdpa = { program = "sdpa.py", needs = "python3 with torch" } },
  variants = { "scalar", "warp", "mma", "hopper", "decode" },
}
