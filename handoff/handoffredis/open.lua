-- open: a phone looks at an offer.
-- KEYS[1] the handoff
-- ARGV[1] now; ARGV[2] the picture's number, or -1; ARGV[3] until when this picture is to count
-- Replies {code, record}: ok, same (it was open), state, due, unknown.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'unknown', {}} end
if state ~= 'offered' then return {'state', redis.call('HGETALL', KEYS[1])} end
if tonumber(ARGV[1]) >= tonumber(redis.call('HGET', KEYS[1], 'expires_at')) then
  return {'due', redis.call('HGETALL', KEYS[1])}
end
if ARGV[2] ~= '-1' then redis.call('HSETNX', KEYS[1], 'until:' .. ARGV[2], ARGV[3]) end
local first = redis.call('HSETNX', KEYS[1], 'opened', '1')
return {first == 1 and 'ok' or 'same', redis.call('HGETALL', KEYS[1])}
