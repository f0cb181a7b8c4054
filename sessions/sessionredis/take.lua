-- take: counts one use in a fixed window, which begins with its first use.
--
-- KEYS[1]  the window
-- ARGV[1]  its length, ms
-- ARGV[2]  now, ms
--
-- Reply: {uses in this window, ms until it ends}
--
-- A use whose clock is a little behind the one that began the window belongs to it: callers race,
-- and the clocks of nodes differ. Only a clock that was set back by more than a window begins anew.
local length, now = tonumber(ARGV[1]), tonumber(ARGV[2])
local has = redis.call('HMGET', KEYS[1], 'from', 'n')
local from, n = tonumber(has[1]), tonumber(has[2])
if not from or now >= from + length or now < from - length then
  redis.call('HSET', KEYS[1], 'from', ARGV[2], 'n', 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return {1, length}
end
redis.call('HSET', KEYS[1], 'n', n + 1)
return {n + 1, math.min(length, from + length - now)}
