-- sweep: looks whether a handoff needs somebody.
-- KEYS[1] the handoff
-- ARGV[1] now; ARGV[2] until when the caller announces what it gets; ARGV[3] how long to keep an
-- expired one, in ms
-- Replies {code, record, when to look again}: ended (expired by this call), again (its end is to be
-- announced by this caller now), told (nothing left to do), later, unknown.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'unknown', {}, '0'} end
if state == 'offered' or state == 'claimed' or state == 'active' then
  local expires = redis.call('HGET', KEYS[1], 'expires_at')
  if tonumber(ARGV[1]) < tonumber(expires) then return {'later', redis.call('HGETALL', KEYS[1]), expires} end
  redis.call('HSET', KEYS[1], 'state', 'expired', 'ended_at', expires, 'told', '0', 'lease', ARGV[2])
  redis.call('HDEL', KEYS[1], 'number', 'number_mac', 'opened')
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {'ended', redis.call('HGETALL', KEYS[1]), ARGV[2]}
end
if redis.call('HGET', KEYS[1], 'told') == '1' then return {'told', redis.call('HGETALL', KEYS[1]), '0'} end
local lease = redis.call('HGET', KEYS[1], 'lease')
if tonumber(ARGV[1]) < tonumber(lease) then return {'later', redis.call('HGETALL', KEYS[1]), lease} end
redis.call('HSET', KEYS[1], 'lease', ARGV[2])
return {'again', redis.call('HGETALL', KEYS[1]), ARGV[2]}
