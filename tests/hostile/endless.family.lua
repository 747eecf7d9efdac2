-- Never comes back when it is loaded.
-- verdict: refused
-- says: endless.lua:[0-9]
while true do end
