-- The legal candidates of a variant for a problem on an H200, one a line, tab separated, the names of the axes first; then what the
-- family declares of them, for the head of a space. A product over every axis is too much: of axes with many values FEW are taken.
-- usage: lua5.4 legal.lua kernels/attn/hopper.lua "b=16 h=12 sq=197 d=64"
local FEW = { BLOCK_N = { 64, 80, 96, 112, 128, 176 }, STAGES = { 1, 2, 3, 4 }, CUBIC_EVERY = { 0, 16 }, RESCALE = { "moved", "lazy" },
              KV_CACHE = { "default", "evict_first" }, L2_PROMOTION = { "none", "128B" }, SECTION = { 1, 8, 0 }, PDL = { 0 } }
local device = { cc_number = 90, sms = 132, threads_sm = 2048, smem_block_bytes = 232448, smem_sm_bytes = 233472, regs_sm = 65536 }

local declared
function variant(t) declared = t end
function axis(t) return t end
dofile(arg[1])

local p = { b = 1, causal = 0, dtype = "f16" }
for name, value in arg[2]:gmatch("(%w+)=(%w+)") do p[name] = math.tointeger(value) or value end
p.hkv, p.sk = p.hkv or p.h, p.sk or p.sq

local names, defaults, strategies = {}, {}, {}
for i, a in ipairs(declared.axes) do
  names[i] = a[1]
  defaults[i] = a[1] .. "=" .. a.default
  strategies[i] = a[1] .. "=" .. a.strategy
end
print(table.concat(names, "\t"))
print(table.concat(defaults, ",") .. "\t" .. table.concat(strategies, ","))

local c = {}
local function walk(i)
  if i > #names then
    if not declared.legal(c, p, device) then return end
    local row = {}
    for k, name in ipairs(names) do row[k] = c[name] end
    print(table.concat(row, "\t"))
    return
  end
  for _, value in ipairs(FEW[names[i]] or declared.axes[i].values) do
    c[names[i]] = value
    walk(i + 1)
  end
end
walk(1)
