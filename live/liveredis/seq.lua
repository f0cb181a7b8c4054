-- seq: takes the next number of a case, tells the nodes that hear of it where it stands for a change,
-- and notes that the caller wants to hear.
--
-- KEYS[1]  hash: 'seq' is the newest number of the case; every other field is the name of a node that
--          hears of its changes, with the time in ms until which it wants to
-- ARGV[1]  the newest number that the caller knows
-- ARGV[2]  name of the calling node
-- ARGV[3]  ms for which the caller wants to hear of changes; '0' leaves that as it is
-- ARGV[4]  id of the case where it changed, else ''
-- ARGV[5]  ms after which an unused number is forgotten; the clock is far ahead of it then
--
-- Reply: the number, the one before it (0 for none), and 1 if the caller was to hear of changes until now.
-- The number is even and above the newest and the known one. It is not below this server's clock in ms where it is
-- the first, or asked for by who reads the case. For a change the clock is left alone, which halves the work.
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 2)
local before = seq - 2
local now
if before == 0 or ARGV[4] == '' or ARGV[3] ~= '0' or seq <= tonumber(ARGV[1]) then
  local clock = redis.call('TIME')
  now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  seq = math.max(seq, now, ARGV[1] + 1)
  seq = seq + seq % 2
  redis.call('HSET', KEYS[1], 'seq', seq)
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end

local heard = 0
local fields = redis.call('HKEYS', KEYS[1])
for i = 1, #fields do
  local node = fields[i]
  if node == ARGV[2] then
    heard = 1
  elseif node ~= 'seq' then
    if ARGV[4] ~= '' then redis.call('PUBLISH', 'symbolon:live:to:' .. node, seq .. ' ' .. ARGV[4]) end
    if ARGV[3] ~= '0' and tonumber(redis.call('HGET', KEYS[1], node)) <= now then redis.call('HDEL', KEYS[1], node) end
  end
end
if ARGV[3] ~= '0' then redis.call('HSET', KEYS[1], ARGV[2], now + ARGV[3]) end
return {seq, before, heard}
