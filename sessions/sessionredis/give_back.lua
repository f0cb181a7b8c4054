-- give_back: takes one use out of a window again.
--
-- KEYS[1]  the window
--
-- Reply: uses that are left in it
local n = tonumber(redis.call('HGET', KEYS[1], 'n'))
if not n or n < 1 then
  return 0
end
return redis.call('HINCRBY', KEYS[1], 'n', -1)
