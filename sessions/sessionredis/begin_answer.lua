-- begin_answer: claims an idempotency key, or finds its answer.
--
-- KEYS[1]  the idempotency key
-- ARGV[1]  digest of the request
-- ARGV[2]  name of this claim
-- ARGV[3]  ms for which the claim holds
-- ARGV[4]  now, ms
--
-- Reply: {'claimed'}, {'answer', the answer}, {'reused'} the key belongs to another
-- request, {'in_progress'} somebody else is working on it
local has = redis.call('HMGET', KEYS[1], 'digest', 'until', 'answer')
if has[1] and tonumber(ARGV[4]) < tonumber(has[2]) then
  if has[1] ~= ARGV[1] then return {'reused'} end
  if has[3] then return {'answer', has[3]} end
  return {'in_progress'}
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'claim', ARGV[2],
  'until', string.format('%.0f', tonumber(ARGV[4]) + tonumber(ARGV[3])))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'claimed'}
