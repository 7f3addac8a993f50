package inifile

import (
	"fmt"
	"strings"
)

// Suggest says what a word that is no name may have been meant to be: the nearest name, or, where none
// is near, all of them.
func Suggest(word string, names []string) string {
	best, least := "", min(len(word), maxWord)/2+1
	for _, name := range names {
		if d := distance(word, name); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return "there are " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("did you mean %q?", best)
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
