-- end: ends a live handoff.
-- KEYS[1] the handoff
-- ARGV[1] now; ARGV[2] the state to end in; ARGV[3] who denied it, or ''; ARGV[4] how long to keep
-- it, in ms; ARGV[5] until when the caller announces it; ARGV[6…] the states it may come from
-- Replies {code, record}: ok, state, unknown.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'unknown', {}} end
for i = 6, #ARGV do
  if ARGV[i] == state then
    redis.call('HSET', KEYS[1], 'state', ARGV[2], 'ended_at', ARGV[1], 'denied_by', ARGV[3], 'told', '0', 'lease', ARGV[5])
    redis.call('HDEL', KEYS[1], 'number', 'number_mac', 'opened')
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    return {'ok', redis.call('HGETALL', KEYS[1])}
  end
end
return {'state', redis.call('HGETALL', KEYS[1])}
