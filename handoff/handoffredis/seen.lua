-- seen: a sign of the phone.
-- KEYS[1] the handoff
-- ARGV[1] now; ARGV[2] when an idle phone expires; ARGV[3] a sign after this time is enough
-- Replies {code, record before}: ok, same (written lately), state, due, unknown.
local record = redis.call('HGETALL', KEYS[1])
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'unknown', {}} end
if state ~= 'claimed' and state ~= 'active' then return {'state', record} end
if tonumber(ARGV[1]) >= tonumber(redis.call('HGET', KEYS[1], 'expires_at')) then return {'due', record} end
if tonumber(redis.call('HGET', KEYS[1], 'seen_at')) > tonumber(ARGV[3]) then return {'same', record} end
redis.call('HSET', KEYS[1], 'seen_at', ARGV[1])
if state == 'active' then
  local absolute = redis.call('HGET', KEYS[1], 'absolute_at')
  local expires = ARGV[2]
  if tonumber(absolute) < tonumber(expires) then expires = absolute end
  redis.call('HSET', KEYS[1], 'expires_at', expires)
end
return {'ok', record}
