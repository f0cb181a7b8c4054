-- report: turns a deny into a report.
-- KEYS[1] the handoff
-- ARGV[1] who denied it; ARGV[2] it must have ended after this time; ARGV[3] how long to keep it, in
-- ms; ARGV[4] until when the caller announces it
-- Replies {code, record}: ok, state, unknown.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'unknown', {}} end
if state == 'cancelled' and redis.call('HGET', KEYS[1], 'denied_by') == ARGV[1]
  and tonumber(redis.call('HGET', KEYS[1], 'ended_at')) > tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'state', 'reported', 'told', '0', 'lease', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {'ok', redis.call('HGETALL', KEYS[1])}
end
return {'state', redis.call('HGETALL', KEYS[1])}
