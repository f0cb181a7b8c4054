-- give_back: takes one use out of its window again. A window that began after the use holds none of it.
--
-- KEYS[1]  the window
-- ARGV[1]  when the use was counted, ms
--
-- Reply: 1 when it was taken out, else 0
local has = redis.call('HMGET', KEYS[1], 'from', 'n')
local from, n = tonumber(has[1]), tonumber(has[2])
if not from or n < 1 or from > tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'n', n - 1)
return 1
