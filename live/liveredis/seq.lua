-- seq: takes the next numbers of cases, tells the nodes that hear of a case, and notes that the caller wants to hear.
--
-- KEYS     of each case a hash: 'seq' is its newest number; every other field is the name of a node that
--          hears of its changes, with the time in ms until which it wants to
-- ARGV[1]  name of the calling node
-- ARGV[2]  ms for which the caller hears of changes, where it wants to
-- ARGV[3]  ms after which an unused number is forgotten; the clock is far ahead of it then
-- then for each key
--   the newest number that the caller knows
--   what the number is for: '1' a change, '2' to hear of changes from now on, '3' both, '0' neither
--
-- Reply, for each key: the number; the one before it (0 for none); and 1 if the caller was to hear of changes until now,
-- plus 2 if nobody else is to.
-- A number is above the newest and the known one. It is not below this server's clock in ms where it is
-- the first, or asked for by who reads the case. For a change the clock is left alone, which halves the work.
-- A node is told of all numbers in one message: number, id and purpose of each, with spaces between. It is told of
-- changes, and of every number that somebody takes who was not to hear until now.
local me, now = ARGV[1], nil
local reply, told = {}, {}
for k = 1, #KEYS do
  local key, known, what = KEYS[k], ARGV[2 + 2 * k], ARGV[3 + 2 * k]
  local change, hear = what == '1' or what == '3', what == '2' or what == '3'
  local seq = redis.call('HINCRBY', key, 'seq', 1)
  local before = seq - 1
  if before == 0 or hear or not change or seq <= tonumber(known) then
    if not now then
      local clock = redis.call('TIME')
      now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    end
    seq = math.max(seq, now, known + 1)
    redis.call('HSET', key, 'seq', seq)
    redis.call('PEXPIRE', key, ARGV[3])
  end

  local state, others = 2, {}
  local fields = redis.call('HKEYS', key)
  for i = 1, #fields do
    local node = fields[i]
    if node == me then
      state = state + 1
    elseif node ~= 'seq' then
      others[#others + 1] = node
    end
  end
  local tell, alone = change or state == 2, true
  for i = 1, #others do
    local node = others[i]
    if tell then
      local one = seq .. ' ' .. string.sub(key, 20) .. ' ' .. what -- after 'symbolon:live:case:'
      told[node] = told[node] and told[node] .. ' ' .. one or one
    end
    if hear and tonumber(redis.call('HGET', key, node)) <= now then redis.call('HDEL', key, node) else alone = false end
  end
  if not alone then state = state - 2 end
  if hear then redis.call('HSET', key, me, now + ARGV[2]) end
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3] = seq, before, state
end
for node, changes in pairs(told) do redis.call('PUBLISH', 'symbolon:live:to:' .. node, changes) end
return reply
