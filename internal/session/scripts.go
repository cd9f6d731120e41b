package session

import "github.com/redis/go-redis/v9"

// Every script touches KEYS[1] alone and gets our time in Unix milliseconds as
// ARGV[1]; Redis' own clock decides nothing. alive tells whether the object
// under the key has not ended; a header that is not ours is an error, so that
// nothing overwrites what a newer program wrote.
const scriptHead = `
local h = redis.call('GETRANGE', KEYS[1], 0, 30)
if h ~= '' and (string.sub(h, 1, 1) ~= '1' or string.len(h) ~= 31) then
  return redis.error_reply('ERR unknown header')
end
local version = string.sub(h, 2, 17)
local alive = h ~= '' and tonumber(string.sub(h, 18, 31)) > tonumber(ARGV[1])
`

// The cluster client follows redirections and may then send a script twice.
// add and swap therefore know their own write again by its version.
var (
	// addScript: ARGV[2] header and value, ARGV[3] TTL. 1 added, 0 exists.
	addScript = redis.NewScript(scriptHead + `
if alive then
  return version == string.sub(ARGV[2], 2, 17) and 1 or 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
`)

	// swapScript: ARGV[2] version to replace, ARGV[3] new version, ARGV[4]
	// value. 1 swapped, 0 not found, -1 conflict.
	swapScript = redis.NewScript(scriptHead + `
if not alive then return 0 end
if version == ARGV[3] then return 1 end
if version ~= ARGV[2] then return -1 end
redis.call('SET', KEYS[1], '1' .. ARGV[3] .. string.sub(h, 18, 31) .. ARGV[4], 'KEEPTTL')
return 1
`)

	// countScript: ARGV[2] header of a new counter, ARGV[3] TTL. The count.
	countScript = redis.NewScript(scriptHead + `
if not alive then
  redis.call('SET', KEYS[1], ARGV[2] .. '1', 'PX', ARGV[3])
  return 1
end
local n = tonumber(redis.call('GETRANGE', KEYS[1], 31, -1)) + 1
redis.call('SET', KEYS[1], h .. string.format('%.0f', n), 'KEEPTTL')
return n
`)

	// getRunScript: the value, empty if there is none, and the run of the
	// server, empty if the account may not ask.
	getRunScript = redis.NewScript(`
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
return {redis.call('GET', KEYS[1]) or '', run}
`)
)
