-- Strings: reads the text named by the argument, counts words, replaces, builds and splits strings.
local file = assert(io.open(arg[1]))
local text = file:read('a')
file:close()

local counts, words = {}, {}
for word in text:gmatch('%a+') do
  if not counts[word] then words[#words + 1] = word end
  counts[word] = (counts[word] or 0) + 1
end
table.sort(words, function(a, b)
  if counts[a] ~= counts[b] then return counts[a] > counts[b] end
  return a < b
end)
for i = 1, 5 do print(words[i], counts[words[i]]) end

print(#text:gsub('(%a)(%a*)', function(first, rest) return first:upper() .. rest end):gsub('%s+', '_'))
local parts = {}
for i = 1, 60000 do parts[#parts + 1] = ('%05d:%s'):format(i, words[i % #words + 1]:rep(2, '-')) end
local joined = table.concat(parts, ',')
print(#joined, joined:sub(-30), joined:find('59999:', 1, true))
