-- What every script file sees beyond Lua's own library, so that a run can be repeated to the bit and a misspelt name is
-- found. Runs once, in the base table from which each file's environment is copied.
-- pairs: in order of the keys (numbers, texts, booleans), since Lua's own order changes from run to run.
-- table.sort: a stable merge sort, so that equal elements keep their order on every machine.

local raw_next = next
local rank = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local ta, tb = type(a), type(b)
  if ta ~= tb then return rank[ta] < rank[tb] end
  if ta == "boolean" then return b and not a end
  return a < b
end

-- Merges the sorted runs a[lo..mid] and a[mid+1..hi] by way of t.
local function merge(a, t, lo, mid, hi, less)
  local i, j = lo, mid + 1
  for k = lo, hi do
    if j > hi or (i <= mid and not less(a[j], a[i])) then
      t[k] = a[i]; i = i + 1
    else
      t[k] = a[j]; j = j + 1
    end
  end
  table.move(t, lo, hi, lo, a)
end

local function default_less(a, b) return a < b end

function table.sort(a, less)
  assert(type(a) == "table", "table.sort: a table expected")
  assert(less == nil or type(less) == "function", "table.sort: the order must be a function")
  less = less or default_less
  local n, t, run = #a, {}, 8
  for lo = 1, n, run do
    for i = lo + 1, math.min(lo + run - 1, n) do
      local x, j = a[i], i - 1
      while j >= lo and less(x, a[j]) do a[j + 1] = a[j]; j = j - 1 end
      a[j + 1] = x
    end
  end
  while run < n do
    for lo = 1, n - run, 2 * run do
      merge(a, t, lo, lo + run - 1, math.min(lo + 2 * run - 1, n), less)
    end
    run = 2 * run
  end
end

local sort = table.sort

-- The keys are those at the start; one that is removed meanwhile is passed over.
function pairs(t)
  if type(t) ~= "table" then error(where() .. "pairs: a table expected, got " .. type(t), 0) end
  local keys, n, ordered = {}, 0, true
  for k in raw_next, t do
    if not rank[type(k)] then
      error(where() .. "pairs: a " .. type(k) .. " as key has no order that is the same on every run", 0)
    end
    ordered = ordered and type(k) == "number" and (n == 0 or keys[n] < k)
    n = n + 1
    keys[n] = k
  end
  if not ordered then sort(keys, before) end
  local i = 0
  return function()
    while i < n do
      i = i + 1
      local k = keys[i]
      local v = rawget(t, k)
      if v ~= nil then return k, v end
    end
  end
end

return function(env)
  setmetatable(env, { __index = function(_, name)
    error(where() .. "undefined global '" .. tostring(name) .. "'", 0)
  end })
end
