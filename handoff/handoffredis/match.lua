-- match: compares the typed number, by its keyed hash.
-- KEYS[1] the handoff
-- ARGV[1] now; ARGV[2] hash of what was typed; ARGV[3] when an idle phone expires;
-- ARGV[4] the next number, sealed; ARGV[5] its hash; ARGV[6] how many wrong ones lock;
-- ARGV[7] how long to keep a locked one, in ms; ARGV[8] until when the caller announces it
-- Replies {code, record}: ok, repeat (matched before with the same), wrong (the next number is in
-- place), locked, state, due, unknown.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'unknown', {}} end
if state == 'active' and redis.call('HGET', KEYS[1], 'number_mac') == ARGV[2] then
  return {'repeat', redis.call('HGETALL', KEYS[1])}
end
if state ~= 'claimed' then return {'state', redis.call('HGETALL', KEYS[1])} end
if tonumber(ARGV[1]) >= tonumber(redis.call('HGET', KEYS[1], 'expires_at')) then
  return {'due', redis.call('HGETALL', KEYS[1])}
end
if redis.call('HGET', KEYS[1], 'number_mac') == ARGV[2] then
  local absolute = redis.call('HGET', KEYS[1], 'absolute_at')
  local expires = ARGV[3]
  if tonumber(absolute) < tonumber(expires) then expires = absolute end
  redis.call('HSET', KEYS[1], 'state', 'active', 'active_at', ARGV[1], 'seen_at', ARGV[1], 'expires_at', expires)
  redis.call('HDEL', KEYS[1], 'number')
  return {'ok', redis.call('HGETALL', KEYS[1])}
end
if redis.call('HINCRBY', KEYS[1], 'wrong', 1) >= tonumber(ARGV[6]) then
  redis.call('HSET', KEYS[1], 'state', 'locked', 'ended_at', ARGV[1], 'told', '0', 'lease', ARGV[8])
  redis.call('HDEL', KEYS[1], 'number', 'number_mac')
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
  return {'locked', redis.call('HGETALL', KEYS[1])}
end
redis.call('HSET', KEYS[1], 'number', ARGV[4], 'number_mac', ARGV[5])
return {'wrong', redis.call('HGETALL', KEYS[1])}
