package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable escapes what would move the cursor, change colours or hide text: what comes from packets,
// and names from the kernel, is shown, never interpreted.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// printJSON writes v indented; characters from packets are escaped by the encoder, so that the text is
// safe on a terminal too.
func printJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	var out strings.Builder
	for _, r := range string(b) {
		if r != '\n' && !unicode.IsPrint(r) {
			for _, u := range utf16(r) {
				fmt.Fprintf(&out, `\u%04x`, u)
			}
			continue
		}
		out.WriteRune(r)
	}
	_, err = fmt.Fprintln(w, out.String())
	return err
}

// utf16 is r as JSON's \u escapes write it.
func utf16(r rune) []rune {
	if r < 0x10000 {
		return []rune{r}
	}
	r -= 0x10000
	return []rune{0xd800 + r>>10, 0xdc00 + r&0x3ff}
}
