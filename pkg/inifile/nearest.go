package inifile

// Nearest is the name that takes the fewest single-letter changes to become word, the first of several;
// "" where there are no names.
func Nearest(word string, names []string) string {
	best, least := "", 0
	for i, name := range names {
		if d := distance(word, name); i == 0 || d < least {
			best, least = name, d
		}
	}
	return best
}

// maxWord bounds what is compared, in bytes: a longer word is not a name that was meant.
const maxWord = 200

// distance is the number of letters to insert, drop or change that makes b of a (Levenshtein).
func distance(a, b string) int {
	a = a[:min(len(a), maxWord)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
