-- seq: takes the next number of a case, tells the nodes that hear of it where it stands for a change,
-- and notes that the caller wants to hear.
--
-- KEYS[1]  the newest number of the case, and of each node that hears of its changes a name and the time,
--          in ms, until which it does; all with spaces between
-- ARGV[1]  the newest number that the caller knows
-- ARGV[2]  ms after which an unused number is forgotten; the clock is far ahead of it then
-- ARGV[3]  channel of a node, without its name
-- ARGV[4]  name of the calling node
-- ARGV[5]  ms for which the caller wants to hear of changes; 0 leaves that as it is
-- ARGV[6]  id of the case where it changed, else ''
--
-- Reply, as text with spaces between: the number, the one before it (0 for none), and whether the caller
-- was to hear of changes until now. The number is max(newest + 1, known + 1, this server's clock in ms), made even.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local newest, nodes = string.match(redis.call('GET', KEYS[1]) or '0', '^(%d+)(.*)$')
local seq = math.max(now, newest + 1, ARGV[1] + 1)
seq = string.format('%.0f', seq + seq % 2)

local heard, kept = 'false', ''
for node, till in string.gmatch(nodes, ' (%S+) (%d+)') do
  if tonumber(till) > now then
    if node == ARGV[4] then
      heard = 'true'
      if ARGV[5] == '0' then kept = kept .. ' ' .. node .. ' ' .. till end
    else
      kept = kept .. ' ' .. node .. ' ' .. till
      if ARGV[6] ~= '' then redis.call('PUBLISH', ARGV[3] .. node, seq .. ' ' .. ARGV[6]) end
    end
  end
end
if ARGV[5] ~= '0' then kept = kept .. ' ' .. ARGV[4] .. string.format(' %.0f', now + ARGV[5]) end
redis.call('SET', KEYS[1], seq .. kept, 'PX', ARGV[2])
return seq .. ' ' .. newest .. ' ' .. heard
