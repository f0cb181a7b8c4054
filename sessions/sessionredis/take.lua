-- take: counts one use in a fixed window, which begins with its first use.
--
-- KEYS[1]  the window
-- ARGV[1]  its length, ms
-- ARGV[2]  now, ms
--
-- Reply: {uses in this window, ms until it ends}
local length, now = tonumber(ARGV[1]), tonumber(ARGV[2])
local has = redis.call('HMGET', KEYS[1], 'from', 'n')
local from, n = tonumber(has[1]), tonumber(has[2])
if not from or now >= from + length or now < from then
  redis.call('HSET', KEYS[1], 'from', ARGV[2], 'n', 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return {1, length}
end
redis.call('HSET', KEYS[1], 'n', n + 1)
return {n + 1, from + length - now}
