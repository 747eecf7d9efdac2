-- Reaches for programs when it is loaded.
-- verdict: refused
-- says: escaping.lua:[0-9]
os.execute("touch hostile-was-here")
