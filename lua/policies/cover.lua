-- Not a search but a survey, for recording a run that others replay: a product of a few values of the axes that matter most,
-- then candidates drawn at random and every neighbour of the best, ring by ring. A record of the best and their neighbours
-- alone would make every policy look good. `make tune POLICY=lua/policies/cover.lua TRIALS=600`.
local evolve = require "evolve"

lookahead = 64   -- results do not steer the product, and hardly the rings
batch = 32       -- candidates asked for at once
drawn = 0.5      -- share of them that is drawn at random
around = 12      -- best candidates whose neighbours are measured

-- At most so many values of each axis enter the product, in the order in which an axis is worth it.
spread = {
  { "BLOCK_M", 3 }, { "WARP_M", 2 }, { "SPLIT_K", 3 }, { "BLOCK_N", 3 }, { "STAGES", 3 }, { "EXP_PLACE", 2 },
  { "CONSUMERS", 3 }, { "MIN_BLOCKS", 2 }, { "GROUPS", 3 }, { "SPLIT", 3 },
}

-- n values of an axis around its default.
local function values_near(axis, n)
  local at = 1
  for i, v in ipairs(axis.values) do if v == axis.default then at = i end end
  local first = math.max(1, math.min(at - n // 2, #axis.values - n + 1))
  return table.move(axis.values, first, math.min(first + n - 1, #axis.values), 1, {})
end

local function product(run, variant, list)
  local axes = {}
  for _, s in ipairs(spread) do
    for _, axis in ipairs(variant.axes) do
      if axis.name == s[1] then axes[#axes + 1] = { name = axis.name, values = values_near(axis, s[2]) } end
    end
  end
  local function walk(i, c)
    if i > #axes then
      if run.space:legal(c) then evolve.add(run, list, evolve.copy(c)) end
      return
    end
    for _, v in ipairs(axes[i].values) do
      c[axes[i].name] = v
      walk(i + 1, c)
    end
  end
  walk(1, run.space:default(variant.name))
end

function seed(run)
  local list = evolve.defaults(run, 1)
  for _, variant in ipairs(run.space.variants) do
    if #variant.axes > 4 then product(run, variant, list) end
  end
  return list
end

-- Random candidates of the variants that have many axes, in turn.
local function draw(run, n, list)
  local large = {}
  for _, variant in ipairs(run.space.variants) do
    if #variant.axes > 4 then large[#large + 1] = variant.name end
  end
  for i = 1, #large > 0 and n or 0 do
    evolve.add(run, list, evolve.random(run, large[1 + i % #large]))
  end
end

function breed(run)
  local list = {}
  draw(run, math.floor(drawn * batch), list)
  for i = 1, math.min(around, #run.ranked) do
    for _, c in ipairs(run.space:neighbours(run.ranked[i].candidate, "any")) do
      if #list >= batch then return list end
      evolve.add(run, list, c)
    end
  end
  return #list > 0 and list or evolve.breed(run)
end
