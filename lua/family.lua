-- The vocabulary of family and variant files: constructors that check what they are given and name the line, and
-- symbols that stand for run-time dimensions when a launch is written into a header. Knows no particular family; what a
-- family means (problems, launches, C text) is decided by the host.
-- A symbol is {sym = operator, a, b} or {sym = "name", name = ...}; arithmetic on it builds a bigger one.

local function fail(text, ...) error(where() .. string.format(text, ...), 0) end

local function show(v)
  if type(v) == "string" then return "'" .. v .. "'" end
  return tostring(v)
end

local function is_symbol(v) return type(v) == "table" and rawget(v, "sym") ~= nil end

-- ---- symbols -----------------------------------------------------------------------------------------------------

local symbols = { __name = "run-time value" }

-- The first dimension or derived value in an expression.
local function name_in(v)
  if not is_symbol(v) then return nil end
  return rawget(v, "name") or name_in(rawget(v, "a")) or name_in(rawget(v, "b"))
end

local function symbol(fields) return setmetatable(fields, symbols) end

local function is_real(v)
  if is_symbol(v) then return rawget(v, "real") == true end
  return math.type(v) == "float"
end

local function operand(v, op)
  if is_symbol(v) or math.type(v) then return v end
  fail("arithmetic (%s) on a run-time value and a %s", op, type(v))
end

local neutral = { ["+"] = 0, ["-"] = 0, ["*"] = 1, ["//"] = 1, ceildiv = 1 }

local function binary(op, a, b)
  operand(a, op); operand(b, op)
  local real = is_real(a) or is_real(b) or op == "/"
  if real and (op == "//" or op == "%" or op == "ceildiv") then fail("%s of a value that is no integer", op) end
  if not real and b == neutral[op] then return a end
  if not real and (op == "+" or op == "*") and a == neutral[op] then return b end
  return symbol { sym = op, a = a, b = b, real = real or nil }
end

for event, op in pairs { __add = "+", __sub = "-", __mul = "*", __idiv = "//", __mod = "%", __div = "/" } do
  symbols[event] = function(a, b) return binary(op, a, b) end
end
symbols.__unm = function(a) return binary("-", 0, a) end

local function compared(a, b)
  local name = name_in(a) or name_in(b)
  fail("%s is only known at run time and cannot be compared: use max(), min() or ceildiv(), or give the dimension "
    .. "`fixed = true` in the family", name)
end
symbols.__lt, symbols.__le, symbols.__eq = compared, compared, compared
symbols.__concat = function(a, b) fail("%s is only known at run time and has no text", name_in(a) or name_in(b)) end
symbols.__index = function(a) fail("%s is a number, not a table", name_in(a)) end
symbols.__tostring = function(a) return name_in(a) end

local function integer(v, what)
  if is_symbol(v) and not is_real(v) then return v end
  if math.type(v) ~= "integer" then fail("%s: an integer expected, got %s", what, show(v)) end
  return v
end

function ceildiv(a, b)
  integer(a, "ceildiv"); integer(b, "ceildiv")
  if is_symbol(a) or is_symbol(b) then return binary("ceildiv", a, b) end
  if b <= 0 then fail("ceildiv: divided by %d", b) end
  return (a + b - 1) // b
end

function round_up(a, b) return ceildiv(a, b) * b end

local function extreme(op, choose)
  return function(a, b)
    if not is_symbol(a) and not is_symbol(b) then return choose(a, b) end
    return binary(op, a, b)
  end
end
max, min = extreme("max", math.max), extreme("min", math.min)

-- ---- arguments ---------------------------------------------------------------------------------------------------

function i32(v) return { i32 = integer(v, "i32") } end
function i64(v) return { i64 = integer(v, "i64") } end
function f32(v)
  if not is_symbol(v) and not math.type(v) then fail("f32: a number expected, got %s", show(v)) end
  return { f32 = v }
end
function workspace(offset) return { workspace = integer(offset or 0, "workspace") } end

-- ---- constructors ------------------------------------------------------------------------------------------------

-- Checks a constructor's fields against {name = type or types separated by |}; a ! in front makes it required.
local function fields(what, t, known)
  if type(t) ~= "table" then fail("%s: a table { ... } expected, got %s", what, show(t)) end
  local names = {}
  for name in pairs(known) do names[#names + 1] = tostring(name) end
  local label = type(t[1]) == "string" and what .. " " .. t[1] or what
  for name, value in pairs(t) do
    local want = known[name]
    if not want then
      fail("%s: unknown field %s (known: %s)", label, show(name), table.concat(names, " "))
    end
    local ok = false
    for one in want:gmatch("[%a]+") do ok = ok or type(value) == one or math.type(value) == one end
    if not ok then fail("%s: %s must be a %s, got %s", label, name, want:gsub("!", ""), show(value)) end
  end
  for name, want in pairs(known) do
    if want:sub(1, 1) == "!" and t[name] == nil then
      fail("%s: no %s", label, name == 1 and "name" or name)
    end
  end
  return label
end

local function identifier(what, name)
  if not name:match("^[%a_][%w_]*$") then fail("%s: the name must be letters, digits and _", what) end
end

-- A list of distinct integers or distinct words.
local function check_values(what, values, default)
  if #values == 0 then fail("%s: no values", what) end
  local seen, kind = {}, math.type(values[1]) or type(values[1])
  for _, v in ipairs(values) do
    local k = math.type(v) or type(v)
    if k ~= kind or (k ~= "integer" and k ~= "string") then
      fail("%s: values must be all integers or all words, got %s", what, show(v))
    end
    if k == "string" and not v:match("^[%w_.:-]+$") then fail("%s: value %s is not one word", what, show(v)) end
    if seen[v] then fail("%s: value %s stands twice", what, show(v)) end
    seen[v] = true
  end
  if default ~= nil and not seen[default] then
    fail("%s: default %s is not among its values", what, tostring(default))
  end
end

local function constructor(kind, known, check)
  return function(t)
    local label = fields(kind, t, known)
    if known[1] then identifier(label, t[1]) end
    if check then check(label, t) end
    t.kind = kind
    return t
  end
end

dim = constructor("dim", { "!string", min = "integer", max = "integer", values = "table", default = "integer|string",
                           divides = "string", fixed = "boolean", about = "string" },
  function(label, t)
    if t.values then
      check_values(label, t.values, math.type(t.default) and t.default)
      if not math.type(t.values[1]) then fail("%s: values must be integers", label) end
      if t.min or t.max then fail("%s: either values or min and max", label) end
    elseif not (t.min and t.max) or t.min < 0 or t.max < t.min or t.max > 1 << 31 then
      fail("%s: min and max with 0 <= min <= max <= 2^31, or values, must be given", label)
    end
  end)
flag = constructor("flag", { "!string", values = "!table", default = "integer|string", fixed = "boolean",
                             about = "string" },
  function(label, t) check_values(label, t.values, t.default) end)

-- A header has a constant for each axis, FAMILY_BEST_BLOCK_M, beside these of its own (gen/gen_constants.c, gen/best.h.in).
local header_constants = { MEASURED = true, ARCH = true, CC = true, VARIANT = true, THREADS = true, SMEM_BYTES = true,
                           REGISTERS = true, TIME_US = true, BASELINE_US = true, BASELINE = true, CUBIN_SHA256 = true,
                           SOURCE_SHA256 = true, ENTRIES = true, H = true, [""] = true }
local header_prefixes = { "PROBLEM_", "HAS_", "NO_", "ONLY_" }
local function check_axis_name(label, name)
  local upper, taken = name:upper(), header_constants[name:upper()] or name:upper():match("_SM_%d") or
                       name:upper():match("_COMPUTE_%d")
  for _, prefix in ipairs(header_prefixes) do taken = taken or upper:sub(1, #prefix) == prefix end
  if taken then fail("%s: headers have a constant %s of their own: choose another name", label, upper) end
end

axis = constructor("axis", { "!string", values = "!table", default = "integer|string", strategy = "string",
                             about = "string" },
  function(label, t)
    check_axis_name(label, t[1])
    check_values(label, t.values, t.default)
  end)
tensor = constructor("tensor", { "!string", role = "!string", dtype = "!string", shape = "!table", stride = "!table",
                                 align = "integer" })
local map = constructor("tensormap", { "string", tensor = "string", dtype = "!string", dims = "!table",
                                       strides_bytes = "!table", box = "!table", element_strides = "table",
                                       swizzle = "string", l2 = "string", interleave = "string", oob = "string" })
function tensormap(t)
  if type(t) == "table" and t[1] == nil then t[1] = t.tensor end
  if type(t) == "table" then t.tensor = t[1] end
  return { tensormap = map(t) }
end

local function list_of(kind, label, name, list, optional)
  if list == nil and optional then return end
  local seen = {}
  for i, v in ipairs(list) do
    if type(v) ~= "table" or v.kind ~= kind then fail("%s: %s[%d] is not made by %s { ... }", label, name, i, kind) end
    if seen[v[1]] then fail("%s: %s %s stands twice", label, kind, v[1]) end
    seen[v[1]] = true
  end
end

variant = constructor("variant", { source = "!string", about = "string", min_cc = "!integer", max_cc = "integer",
                                   flags = "table", axes = "table", fits = "function", legal = "function", start = "function",
                                   launch = "!function", baseline = "boolean", nondeterministic = "string" },
  function(label, t)
    list_of("axis", label, "axes", t.axes, true)
    -- A source has a definition for each axis, or, where its values are words, for the axis and the word.
    local defined = {}
    for _, a in ipairs(t.axes or {}) do
      for _, v in ipairs(math.type(a.values[1]) and { "" } or a.values) do
        local name = (a[1] .. (v == "" and "" or "_" .. v)):upper():gsub("[^%w]", "_")
        if defined[name] then
          fail("%s: axes %s and %s would both define %s: choose another name", label, defined[name], a[1], name)
        end
        defined[name] = a[1]
      end
    end
  end)

family = constructor("family", { name = "!string", about = "string", dims = "!table", flags = "table",
                                 valid = "function", derived = "function", tensors = "!function", flops = "!function",
                                 bytes = "!function",
                                 reference = "!table", tolerance = "!function", problems = "!table", odd = "function",
                                 baselines = "table", variants = "!table" },
  function(label, t)
    identifier(label, t.name)
    list_of("dim", label, "dims", t.dims)
    list_of("flag", label, "flags", t.flags, true)
    fields("family: reference", t.reference, { source = "!string", launch = "!function" })
  end)

-- ---- what the host calls -----------------------------------------------------------------------------------------

local host = {}

-- The host gives the metatables of these to p, c and device: reading an unknown field is an error that names it and
-- what there is.
local function names(t)
  local known = {}
  for name in pairs(t) do known[#known + 1] = name end
  return table.concat(known, " ")
end
local function guarded(what)
  return setmetatable({}, { __index = function(t, name)
    fail("%s has no field %s (known: %s)", what, show(name), names(t))
  end })
end
host.guards = { p = guarded("p"), c = guarded("c"), device = guarded("device") }

-- Turns fields of p into symbols (reals: name -> whether a real number) and makes the hidden ones unreadable.
function host.symbolic(p, reals, hidden)
  for name, real in pairs(reals) do p[name] = symbol { sym = "name", name = name, real = real or nil } end
  for _, name in ipairs(hidden) do p[name] = nil end
  return setmetatable(p, { __index = function(t, name)
    for _, h in ipairs(hidden) do
      if h == name then
        fail("flag %s is only known at run time: use it in derived(), or give it `fixed = true` in the family", name)
      end
    end
    fail("p has no field %s (known: %s)", show(name), names(t))
  end })
end

host.words = { family = family, dim = dim, flag = flag, tensor = tensor, variant = variant, axis = axis, i32 = i32,
               i64 = i64, f32 = f32, workspace = workspace, tensormap = tensormap, ceildiv = ceildiv,
               round_up = round_up, max = max, min = min }
return host
