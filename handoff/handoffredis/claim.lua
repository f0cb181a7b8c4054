-- claim: gives an offer to exactly one phone.
-- KEYS[1] the handoff
-- ARGV[1] now; ARGV[2] '1' when the code still counts; ARGV[3] when the claim expires;
-- ARGV[4] the absolute end; ARGV[5] the phone, sealed; ARGV[6] hash of the Idempotency-Key or '';
-- ARGV[7] a claim before this time is not repeated; ARGV[8] the number, sealed; ARGV[9] its hash;
-- ARGV[10] the alert, sealed; ARGV[11] how many alerts are kept
-- Replies {code, record}: ok, stale (the code is too old), repeat (same key), claimed (another
-- phone was first; the alert is kept), state (ended), due, unknown.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'unknown', {}} end
if state ~= 'offered' and state ~= 'claimed' and state ~= 'active' then
  return {'state', redis.call('HGETALL', KEYS[1])}
end
if tonumber(ARGV[1]) >= tonumber(redis.call('HGET', KEYS[1], 'expires_at')) then
  return {'due', redis.call('HGETALL', KEYS[1])}
end
if state == 'offered' then
  if ARGV[2] ~= '1' then return {'stale', redis.call('HGETALL', KEYS[1])} end
  redis.call('HSET', KEYS[1], 'state', 'claimed', 'claimed_at', ARGV[1], 'seen_at', ARGV[1],
    'expires_at', ARGV[3], 'absolute_at', ARGV[4], 'phone', ARGV[5], 'claim_key', ARGV[6],
    'number', ARGV[8], 'number_mac', ARGV[9])
  redis.call('HDEL', KEYS[1], 'opened')
  return {'ok', redis.call('HGETALL', KEYS[1])}
end
if ARGV[6] ~= '' and ARGV[6] == redis.call('HGET', KEYS[1], 'claim_key')
  and tonumber(redis.call('HGET', KEYS[1], 'claimed_at')) > tonumber(ARGV[7]) then
  return {'repeat', redis.call('HGETALL', KEYS[1])}
end
local alerts = tonumber(redis.call('HGET', KEYS[1], 'alerts') or '0')
if alerts < tonumber(ARGV[11]) then
  redis.call('HSET', KEYS[1], 'alert:' .. alerts, ARGV[10], 'alerts', tostring(alerts + 1))
end
return {'claimed', redis.call('HGETALL', KEYS[1])}
