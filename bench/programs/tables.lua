-- Tables, closures and numbers: queens, a sieve, sorting with a comparison function, a heap of small objects.
local function queens(n)
  local count, columns, up, down = 0, {}, {}, {}
  local function place(row)
    if row > n then
      count = count + 1
      return
    end
    for c = 1, n do
      if not (columns[c] or up[row + c] or down[row - c]) then
        columns[c], up[row + c], down[row - c] = true, true, true
        place(row + 1)
        columns[c], up[row + c], down[row - c] = nil, nil, nil
      end
    end
  end
  place(1)
  return count
end

local function sieve(n)
  local composite, count = {}, 0
  for i = 2, n do
    if not composite[i] then
      count = count + 1
      for k = i * i, n, i do composite[k] = true end
    end
  end
  return count
end

local function sorted(n)
  local seed, list = 42, {}
  for i = 1, n do
    seed = (seed * 16807) % 2147483647
    list[i] = { key = seed, at = i }
  end
  table.sort(list, function(a, b) return a.key < b.key end)
  local sum = 0
  for i = 1, n, 100 do sum = (sum * 31 + list[i].at) % 1000000007 end
  return sum
end

local function tree(depth)
  if depth == 0 then return {} end
  return { tree(depth - 1), tree(depth - 1) }
end

local function count(node)
  if not node[1] then return 1 end
  return 1 + count(node[1]) + count(node[2])
end

print(queens(7), sieve(300000), sorted(30000))
local nodes = 0
for _ = 1, 8 do nodes = nodes + count(tree(12)) end
print(nodes)
local x = 0.0
for i = 1, 1000000 do x = x + 1 / (i * i) end
print(string.format('%.12f', x))
