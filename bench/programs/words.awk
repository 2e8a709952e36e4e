# Counts words and their lengths, and adds up the numbers of the second column.
{
  total += $2
  for (i = 3; i <= NF; i++) {
    count[$i]++
    longest = length($i) > length(longest) ? $i : longest
  }
  if ($0 ~ /[aeiou][aeiou][a-z]+s / && $2 % 7 == 3) matched++
  line = $3
  sub(/^[a-m]+/, "<&>", line)
  folded += length(line)
}
END {
  for (word in count) if (count[word] > most) { most = count[word]; name = word }
  printf "%d %d %s %d %s %d\n", total, matched, name, most, longest, folded
}
