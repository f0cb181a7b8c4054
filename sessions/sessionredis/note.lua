-- note: remembers that a session of an account lies under a hash, and forgets those that are over.
--
-- KEYS[1]  the account's sessions: hash → its absolute end, ms
-- ARGV[1]  the session's hash
-- ARGV[2]  its absolute end, ms
-- ARGV[3]  now, ms
--
-- Reply: 1 noted
local all = redis.call('HGETALL', KEYS[1])
local last = tonumber(ARGV[2])
for i = 1, #all, 2 do
  local ends = tonumber(all[i + 1])
  if ends <= tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], all[i])
  elseif ends > last then
    last = ends
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], math.max(last - tonumber(ARGV[3]), 1))
return 1
