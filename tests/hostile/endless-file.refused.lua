-- Never ends loading.
-- says: endless-file.refused.lua:[0-9]*: more than 200 million steps
while true do pcall(function() while true do end end) end
